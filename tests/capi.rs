//! C programs against the built library and real memcacheds: compiled without a warning, run, and
//! run again under valgrind.

use std::ffi::c_void;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use memcache::capi::{context, memcache as handle, memory};

/// A memcached on a free port; killed when dropped.
struct Memcached {
    child: Child,
    port: u16,
}

impl Memcached {
    fn start() -> Memcached {
        loop {
            let free = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
            let port = free.local_addr().expect("it has an address").port();
            drop(free);
            let child = Command::new("memcached")
                .args(["-l", "127.0.0.1", "-U", "0", "-t", "1", "-u", "nobody", "-p", &port.to_string()])
                .stderr(Stdio::null())
                .spawn()
                .expect("memcached is installed");
            let mut server = Memcached { child, port };
            if server.ready() {
                return server;
            }
        }
    }

    /// Answers once it accepts connections. False when it ended: somebody else took the port.
    fn ready(&mut self) -> bool {
        loop {
            if self.child.try_wait().expect("a child can be asked").is_some() {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            std::thread::yield_now();
        }
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        self.stop();
    }
}

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

/// Compiles a program of c-tests and gives it the library under the name that it is loaded by.
fn compile(name: &str, standard: &str) -> Program {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("capi-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the scratch folder can be made");
    for link in ["libmemcache.so", "libmemcache.so.0"] {
        std::fs::copy(library(), folder.join(link)).expect("the library can be copied");
    }
    let program = folder.join(name);
    let output = Command::new("cc")
        .args([&format!("-std={standard}"), "-g", "-Wall", "-Wextra", "-Werror", "-D_DEFAULT_SOURCE"])
        .arg("-I")
        .arg(root().join("include"))
        .arg(root().join("c-tests").join(format!("{name}.c")))
        .arg("-L")
        .arg(&folder)
        .args(["-lmemcache", "-Wl,-rpath,$ORIGIN", "-o"])
        .arg(&program)
        .output()
        .expect("the C compiler runs");
    passed(name, &output);
    Program { folder, path: program }
}

fn passed(name: &str, output: &Output) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {}\n{told}", output.status);
}

fn run(program: &Program, arguments: &[String]) {
    let output =
        Command::new(&program.path).args(arguments).env_remove("MEMCACHE_POOL").output().expect("it runs");
    passed(&program.path.display().to_string(), &output);
}

fn run_in_valgrind(program: &Program, arguments: &[String]) {
    let output = Command::new("valgrind")
        .args(["-q", "--error-exitcode=9", "--leak-check=full", "--show-leak-kinds=definite,indirect"])
        .args(["--errors-for-leak-kinds=definite,indirect"])
        .arg(&program.path)
        .args(arguments)
        .env_remove("MEMCACHE_POOL")
        .output()
        .expect("valgrind is installed");
    passed("valgrind", &output);
}

#[test]
fn layouts_are_those_of_the_old_header() {
    run(&compile("layout", "c11"), &[]);
}

#[test]
fn contexts_allocators_and_errors() {
    let program = compile("contexts", "c99");
    run(&program, &[]);
    run_in_valgrind(&program, &[]);
}

#[test]
fn buffers() {
    let program = compile("buffers", "c99");
    run(&program, &[]);
    run_in_valgrind(&program, &[]);
}

#[test]
fn a_session_with_servers() {
    let servers = [Memcached::start(), Memcached::start(), Memcached::start()];
    let addresses = servers.each_ref().map(Memcached::address);
    let program = compile("session", "c99");
    run(&program, &addresses[..1]);
    run(&program, &addresses);
    run_in_valgrind(&program, &addresses);
}

#[test]
fn a_program_may_choose_the_servers_itself() {
    let servers = [Memcached::start(), Memcached::start(), Memcached::start()];
    let program = compile("hooks", "c99");
    run(&program, &servers.each_ref().map(Memcached::address));
}

/// Fork: a value carries its writer and its number, and none is ever wrong.
#[test]
fn a_parent_and_its_children_share_a_handle() {
    let servers = [Memcached::start(), Memcached::start(), Memcached::start()];
    let addresses = servers.each_ref().map(Memcached::address);
    let program = compile("fork", "c99");
    let with = |how: [&str; 3]| [&how.map(str::to_owned)[..], &addresses].concat();
    run(&program, &with(["8", "100000", "0"]));
    run(&program, &with(["20", "4000", "3"]));
    run_in_valgrind(&program, &with(["2", "300", "0"]));
}

#[test]
fn the_library_is_loaded_forked_and_unloaded_again_and_again() {
    let server = Memcached::start();
    let program = compile("reload", "c99");
    let library = program.folder.join("libmemcache.so.0").display().to_string();
    run(&program, &[library, "50".to_owned(), server.address()]);
}

#[test]
fn two_threads_in_one_handle_are_noticed() {
    let servers = [Memcached::start(), Memcached::start()];
    let addresses = servers.each_ref().map(Memcached::address);
    let program = compile("threads", "c99");
    let output = Command::new(&program.path).args(&addresses).env_remove("MEMCACHE_POOL").output();
    let output = output.expect("it runs");
    passed("threads", &output);
    let noticed = if cfg!(debug_assertions) { "1\n" } else { "0\n" };
    assert_eq!(String::from_utf8_lossy(&output.stdout), noticed, "ASSERTs raised");
    run_in_valgrind(&program, &addresses);
}

#[test]
fn the_environment_chooses_the_servers() {
    let program = compile("pool", "c99");
    let file = program.folder.join("pool.toml");
    let with = |what: &str, text: &str| {
        std::fs::write(&file, text).expect("the scratch folder can be written");
        let output = Command::new(&program.path).arg(what).env("MEMCACHE_POOL", &file).output();
        passed(&format!("pool {what}"), &output.expect("it runs"));
    };
    let pool = |one: &str, other: &str| {
        format!("[pool]\ntimeout = \"5s\"\n[[server]]\naddress = {one:?}\n[[server]]\naddress = {other:?}\n")
    };
    let mut servers = [Memcached::start(), Memcached::start()];
    let [one, other] = servers.each_ref().map(Memcached::address);
    with("good", &pool(&one, &other));
    servers.iter_mut().for_each(Memcached::stop);
    with("dead", &pool(&one, &other));
    with("bad", "[pool]\ntimeout = \"soon\"\n[[server]]\naddress = \"127.0.0.1:11211\"\nwait = 3\n");
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
