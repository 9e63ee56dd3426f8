//! C programs against the built library and real memcacheds: compiled without a warning, run, and
//! run again under valgrind.

use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[path = "../client/fake.rs"]
#[allow(dead_code)] // the client's tests use more of it
mod fake;
mod hostile;
mod own_functions;
mod processes;
#[path = "../support/mod.rs"]
mod support;
mod table;

use support::scratch::Scratch;
use support::server::Memcached;

use memcache::capi::reason::mc_reason;
use memcache::capi::{context, fetch, keep, memcache as handle, memory, server_add};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the library of this very build lies.
fn library() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let deps = test.parent().expect("it is in a folder");
    let near = [deps.join("libmemcache.so"), deps.with_file_name("libmemcache.so")];
    near.into_iter().find(|path| path.exists()).expect("cargo built libmemcache.so")
}

/// A compiled program in a folder of its own, which goes with it.
struct Program {
    folder: PathBuf,
    path: PathBuf,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Which functions a program calls: those of the global context, or their twins with one of its own.
#[derive(Clone, Copy, Debug)]
enum Family {
    Mc,
    Mcm,
}

/// How a program is built and watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Watch {
    /// Not at all: at full speed.
    None,
    /// Under valgrind, which sees every access and every leak of the program, the library and libc.
    /// What is still reachable at the end is no leak: what the process knows of servers, for all of
    /// its handles, lies in a table that goes with the process.
    Valgrind,
    /// With the address, leak and undefined-behaviour sanitizers in the C program. The library is not
    /// instrumented; the sanitizers have replaced malloc, free, memcpy and their like for it too, so
    /// what they see of it is: every block that it frees twice, frees wrongly or loses, and every
    /// foreign or own block whose bounds it leaves in a libc call. And all that the C program does
    /// with what the library gave it: one byte too few behind a value is an error here.
    Sanitizers,
}

/// A test program of c-tests and how it may be compiled.
#[derive(Clone, Copy)]
struct Source {
    name: &'static str,
    family: Family,
}

/// Compiles a program and gives it the library under the name that it is loaded by.
fn compile(source: Source, watch: Watch) -> Program {
    let Source { name, family } = source;
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let (process, number) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("capi-{name}-{family:?}-{watch:?}-{process}-{number}"));
    std::fs::create_dir_all(&folder).expect("the scratch folder can be made");
    for link in ["libmemcache.so", "libmemcache.so.0"] {
        let link = folder.join(link);
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(library(), link).expect("the library can be linked to");
    }
    let program = Program { path: folder.join(name), folder };
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c11", "-g", "-Wall", "-Wextra", "-Werror", "-D_DEFAULT_SOURCE"]);
    if matches!(family, Family::Mcm) {
        compiler.arg("-DTWINS");
    }
    if watch == Watch::Sanitizers {
        compiler.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
    }
    let output = compiler
        .arg("-I")
        .arg(root().join("include"))
        .arg(root().join("c-tests").join(format!("{name}.c")))
        .arg("-L")
        .arg(&program.folder)
        .args(["-lmemcache", "-Wl,-rpath,$ORIGIN", "-o"])
        .arg(&program.path)
        .output()
        .expect("the C compiler runs");
    passed(name, &output);
    program
}

fn passed(name: &str, output: &Output) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {}\n{told}", output.status);
}

/// Whether the toolchain has the sanitizers. Where it has not, valgrind alone watches.
fn has_sanitizers() -> bool {
    let output = Command::new("cc").arg("-print-file-name=libasan.so").output().expect("the C compiler runs");
    // An absolute path when there is one, else the name as it was asked for.
    output.stdout.contains(&b'/')
}

fn watches() -> impl Iterator<Item = Watch> {
    let all = [Watch::None, Watch::Valgrind, Watch::Sanitizers];
    all.into_iter().filter(|watch| *watch != Watch::Sanitizers || has_sanitizers())
}

/// How to run a program under a watch.
fn command(program: &Program, watch: Watch) -> Command {
    let mut command = match watch {
        Watch::None | Watch::Sanitizers => Command::new(&program.path),
        Watch::Valgrind => {
            let mut valgrind = Command::new("valgrind");
            valgrind
                .args(["-q", "--error-exitcode=9", "--leak-check=full", "--fair-sched=try"])
                .args(["--show-leak-kinds=definite,indirect"])
                .args(["--errors-for-leak-kinds=definite,indirect"])
                .arg(&program.path);
            valgrind
        }
    };
    command.env_remove("MEMCACHE_POOL");
    command
}

fn run_watched(source: Source, watch: Watch, arguments: &[String]) {
    let program = compile(source, watch);
    let output = command(&program, watch).args(arguments).output().expect("the program, or valgrind, runs");
    passed(&format!("{} {:?} {watch:?}", source.name, source.family), &output);
}

/// Runs a program of c-tests in both families and under every watch.
fn run_all(name: &'static str, arguments: impl Fn(Watch) -> Vec<String>) {
    for family in [Family::Mc, Family::Mcm] {
        for watch in watches() {
            run_watched(Source { name, family }, watch, &arguments(watch));
        }
    }
}

/// Three servers, and their addresses.
fn three() -> ([Memcached; 3], Vec<String>) {
    let servers = [Memcached::start(), Memcached::start(), Memcached::start()];
    let addresses = servers.each_ref().map(Memcached::address).to_vec();
    (servers, addresses)
}

/// Runs a program in both families and under every watch, each time with three fresh servers; and with
/// one.
fn run_with_servers(name: &'static str) {
    for family in [Family::Mc, Family::Mcm] {
        for watch in watches() {
            let (_servers, addresses) = three();
            run_watched(Source { name, family }, watch, &addresses);
        }
        let server = Memcached::start();
        run_watched(Source { name, family }, Watch::None, &[server.address()]);
    }
}

#[test]
fn layouts_are_those_of_the_old_header() {
    run_watched(Source { name: "layout", family: Family::Mc }, Watch::None, &[]);
}

#[test]
fn contexts() {
    run_all("context", |_| Vec::new());
}

#[test]
fn errors() {
    run_all("error", |_| Vec::new());
}

#[test]
fn texts() {
    run_all("text", |_| Vec::new());
}

#[test]
fn versions() {
    run_all("version", |_| Vec::new());
}

#[test]
fn hashes() {
    run_all("hash", |_| Vec::new());
}

#[test]
fn buffers() {
    run_all("buffer", |_| Vec::new());
}

#[test]
fn adding_servers() {
    run_all("server", |_| Vec::new());
}

#[test]
fn storing() {
    run_with_servers("store");
}

#[test]
fn retrieving() {
    run_with_servers("retrieve");
}

#[test]
fn requests() {
    run_with_servers("request");
}

#[test]
fn counters() {
    run_with_servers("counter");
}

#[test]
fn statistics_and_flushing() {
    run_with_servers("stats");
}

#[test]
fn servers_out_of_use_and_back() {
    run_with_servers("activation");
}

#[test]
fn out_of_memory_at_every_allocation() {
    let (_servers, addresses) = three();
    let scratch = Scratch::new();
    let pool =
        format!("[[server]]\naddress = {:?}\n[[server]]\naddress = {:?}\n", addresses[0], addresses[1]);
    let pool = scratch.write("pool.toml", &pool).display().to_string();
    run_all("memory", |watch| {
        let step = if watch == Watch::Valgrind { "41" } else { "1" };
        [step.to_owned(), pool.clone()].into_iter().chain(addresses.iter().cloned()).collect()
    });
}

/// What is large: more than what an opened handle of three servers consists of, less than what a call with many items
/// or a long value takes.
#[test]
fn malloc_itself_fails_at_every_large_allocation() {
    for backups in ["none", "pairs"] {
        let (_servers, addresses) = three();
        let arguments = [vec!["4096".to_owned(), backups.to_owned()], addresses].concat();
        run_watched(Source { name: "memory_large", family: Family::Mc }, Watch::None, &arguments);
    }
}

/// Every name that the library exports, but those that the one before covers.
#[test]
fn the_session_without_memory_makes_every_call() {
    let source = std::fs::read_to_string(root().join("c-tests/memory.c")).expect("a source");
    let kit = std::fs::read_to_string(root().join("c-tests/kit.h")).expect("a source");
    let said = |words: &str| source.contains(words) || kit.contains(words);
    let headers = ["include/memcache.h", "include/memcache/buffer.h"]
        .map(|header| std::fs::read_to_string(root().join(header)).expect("a header"));
    let mut names = 0;
    for word in
        headers.iter().flat_map(|text| text.split(|letter: char| !letter.is_alphanumeric() && letter != '_'))
    {
        let exported = ["mc_", "mcm_", "mcMem", "mcErr"].iter().any(|start| word.starts_with(start));
        if !exported || !headers.iter().any(|text| is_declared(text, word)) {
            continue;
        }
        let name = word.trim_start_matches("mcm_").trim_start_matches("mc_");
        let called = [format!("MC({name},"), format!("MC0({name})"), format!("{word}(")];
        assert!(called.iter().any(|call| said(call)), "{word} is not called without memory");
        names += 1;
    }
    assert!(names >= 200, "{names} names");
}

/// Whether a header declares a function.
fn is_declared(header: &str, name: &str) -> bool {
    let starts = [format!(" {name}("), format!("*{name}(")];
    header
        .lines()
        .any(|line| !line.starts_with([' ', '#']) && starts.iter().any(|start| line.contains(start.as_str())))
}

#[test]
fn a_program_may_choose_the_servers_itself() {
    for family in [Family::Mc, Family::Mcm] {
        for watch in watches() {
            let (_servers, addresses) = three();
            run_watched(Source { name: "hooks", family }, watch, &addresses);
        }
    }
}

#[test]
fn the_environment_chooses_the_servers() {
    for watch in [Watch::None, Watch::Valgrind] {
        let program = compile(Source { name: "pool", family: Family::Mc }, watch);
        let file = program.folder.join("pool.toml");
        let with = |what: &str, text: &str| {
            std::fs::write(&file, text).expect("the scratch folder can be written");
            let output = command(&program, watch).arg(what).env("MEMCACHE_POOL", &file).output();
            passed(&format!("pool {what}"), &output.expect("it runs"));
        };
        let pool = |one: &str, other: &str| {
            format!(
                "[pool]\nconnect_timeout = \"4s\"\ntimeout = \"5s\"\n[[server]]\naddress = {one:?}\n[[server]]\naddress = {other:?}\n"
            )
        };
        let mut servers = [Memcached::start(), Memcached::start()];
        let [one, other] = servers.each_ref().map(Memcached::address);
        with("good", &pool(&one, &other));
        servers.iter_mut().for_each(Memcached::kill);
        with("dead", &pool(&one, &other));
        with("lost", &pool("no..such.host:1", "no..such.host:2"));
        with("bad", "[pool]\ntimeout = \"soon\"\n[[server]]\naddress = \"127.0.0.1:11211\"\nwait = 3\n");
    }
}

static ARMED: AtomicBool = AtomicBool::new(false);

unsafe extern "C-unwind" fn panicking_malloc(size: usize) -> *mut c_void {
    assert!(!ARMED.load(Ordering::Relaxed), "a panic that no C program may see");
    // SAFETY: malloc takes any size.
    unsafe { libc::malloc(size) }
}

unsafe extern "C-unwind" fn plain_realloc(memory: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: what is passed on came from malloc.
    unsafe { libc::realloc(memory, size) }
}

unsafe extern "C-unwind" fn plain_free(memory: *mut c_void) {
    // SAFETY: what is passed on came from malloc.
    unsafe { libc::free(memory) }
}

/// In the middle of a call, with an answer half read: the call says so, its connections are given up, and
/// the next call works.
#[test]
fn a_panic_in_mid_call_is_an_answer() {
    let server = Memcached::start();
    let address = std::ffi::CString::new(server.address()).expect("no NUL");
    let key = c"key".as_ptr();
    let mut value = std::ptr::null_mut();
    let mut bytes = 0;
    // SAFETY: the functions are what their types say, and everything is freed once.
    unsafe {
        let ctxt = memory::mcMemNewCtxt(Some(plain_free), Some(bursting_malloc), None, Some(plain_realloc));
        let mc = handle::mcm_new(ctxt);
        assert_eq!(server_add::mcm_server_add4(ctxt, mc, address.as_ptr()), 0);
        let stored = keep::mcm_store(ctxt, mc, key, 3, c"value".as_ptr().cast(), 5, 0, 0);
        assert_eq!(stored, mc_reason::MC_REASON_STORED as i32);
        let mut fetch = || {
            let none = std::ptr::null_mut();
            fetch::mcm_fetch(ctxt, mc, key, 3, &mut value, &mut bytes, none, none.cast())
        };
        BURSTING.store(true, Ordering::Relaxed);
        assert_eq!(fetch(), mc_reason::MC_REASON_INTERNAL as i32);
        BURSTING.store(false, Ordering::Relaxed);
        assert_eq!(fetch(), mc_reason::MC_REASON_HIT as i32);
        assert_eq!((std::ffi::CStr::from_ptr(value.cast()), bytes), (c"value", 5));
        plain_free(value);
        handle::mcm_free(ctxt, mc);
        memory::mcMemFreeCtxt(ctxt);
    }
}

static BURSTING: AtomicBool = AtomicBool::new(false);

unsafe extern "C-unwind" fn bursting_malloc(size: usize) -> *mut c_void {
    assert!(!BURSTING.load(Ordering::Relaxed), "a panic in the middle of a call");
    // SAFETY: malloc takes any size.
    unsafe { libc::malloc(size) }
}

#[test]
fn a_panic_stops_at_the_boundary() {
    // SAFETY: the functions are what their types say, and everything is freed once.
    unsafe {
        let ctxt = memory::mcMemNewCtxt(Some(plain_free), Some(panicking_malloc), None, Some(plain_realloc));
        assert!(!ctxt.is_null());
        ARMED.store(true, Ordering::Relaxed);
        assert!(handle::mcm_new(ctxt).is_null(), "a panic gives what a failure gives");
        ARMED.store(false, Ordering::Relaxed);
        let mc = handle::mcm_new(ctxt);
        assert!(!mc.is_null(), "and the next call works");
        handle::mcm_free(ctxt, mc);
        memory::mcMemFreeCtxt(ctxt);
    }
    assert!(!context::mc_global_ctxt().is_null());
}
