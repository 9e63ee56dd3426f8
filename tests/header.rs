//! The headers are what src/capi says: made anew here and compared with the committed ones.
//! `UPDATE_HEADER=1 cargo test --test header` writes them.
//!
//! And they are what C and C++ programs can include: without a warning, in every dialect that is in
//! use, before or after `<sys/queue.h>`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cbindgen::{Builder, Config};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// One header made from files of src/capi.
fn generate(config: Config, files: &[&str]) -> String {
    let mut builder = Builder::new().with_config(config);
    for file in files {
        builder = builder.with_src(root().join("src/capi").join(file));
    }
    let mut text = Vec::new();
    builder.generate().expect("cbindgen reads src/capi").write(&mut text);
    String::from_utf8(text).expect("a header is text")
}

fn config() -> Config {
    Config::from_file(root().join("cbindgen.toml")).expect("cbindgen.toml is a configuration")
}

fn main_header() -> String {
    let files = [
        "types.rs",
        "constants.rs",
        "list.rs",
        "context.rs",
        "error.rs",
        "error_filter.rs",
        "memory.rs",
        "memcache.rs",
        "server.rs",
        "server_add.rs",
        "request.rs",
        "response.rs",
        "store.rs",
        "retrieve.rs",
        "counter.rs",
        "stats.rs",
        "hash.rs",
        "activation.rs",
        "text.rs",
        "version.rs",
        "reason.rs",
        "open.rs",
        "options.rs",
        "tune.rs",
        "fetch.rs",
        "keep.rs",
        "count64.rs",
        "many.rs",
        "many_fetch.rs",
        "place.rs",
    ];
    generate(config(), &files)
}

/// `<memcache/_buffer.h>`: the struct alone.
fn buffer_struct_header() -> String {
    let mut config = config();
    config.include_guard = Some("MEMCACHE__BUFFER_H".into());
    config.sys_includes = vec!["stddef.h".into()];
    config.includes = Vec::new();
    config.after_includes = None;
    config.export.exclude.clear();
    config.export.rename.clear();
    config.export.include = vec!["memcache_buf".into()];
    generate(config, &["list.rs", "buffer_type.rs"])
}

/// `<memcache/buffer.h>`: the functions and their macros.
fn buffer_header() -> String {
    let mut config = config();
    config.include_guard = Some("MEMCACHE_BUFFER_H".into());
    config.sys_includes = vec!["stddef.h".into(), "sys/types.h".into()];
    config.after_includes = Some(BUFFER_MACROS.into());
    config.export.rename.insert("memcache_ctxt".into(), "struct memcache_ctxt".into());
    generate(config, &["types.rs", "buffer.rs", "buffer_search.rs", "buffer_size.rs"])
}

const BUFFER_MACROS: &str = "

/* Of memcache_buf.flags: part of the text was consumed, off says how much. */
#define MCM_BUF_OFF_USED 1

/* The length grows by n, or becomes n; the size of the memory; the text; what of it is not consumed. */
#define mcm_buf_len_add(c, s, n) ((void)(c), (s)->len += (n))
#define mcm_buf_len_set(c, s, n) ((void)(c), (s)->len = (n))
#define mcm_buf_size(c, s) ((void)(c), (s)->size)
#define mcm_buf_val(c, s) ((void)(c), (s)->ptr)
#define mcm_buf_off_ptr(c, b) ((void)(c), (b)->ptr + (b)->off)

struct memcache_ctxt;
";

fn compare(path: &str, made: &str) {
    let path = root().join("include").join(path);
    if std::env::var_os("UPDATE_HEADER").is_some() {
        fs::create_dir_all(path.parent().expect("a header is in a folder")).expect("the folder can be made");
        fs::write(&path, made).expect("the header can be written");
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == made,
        "{} is not what src/capi says: run UPDATE_HEADER=1 cargo test --test header, and commit it",
        path.display()
    );
}

#[test]
fn the_committed_headers_are_what_the_code_says() {
    compare("memcache.h", &main_header());
    compare("memcache/_buffer.h", &buffer_struct_header());
    compare("memcache/buffer.h", &buffer_header());
}

/// Includes the headers in this order and uses their lists.
fn program(includes: &[&str]) -> String {
    let includes: String = includes.iter().map(|header| format!("#include <{header}>\n")).collect();
    format!(
        "{includes}
TAILQ_HEAD(own_list, memcache_res);
int count(struct memcache_req *req);
int count(struct memcache_req *req) {{
    struct memcache_res *res;
    int n = 0;
    TAILQ_FOREACH(res, &req->query, entries) n += mc_res_found(res);
    return n + (int)mc_delete(NULL, \"key\", MCM_CSTRLEN(\"key\"), 0);
}}
"
    )
}

fn compiles(compiler: &str, standard: &str, name: &str, text: &str, scratch: &Path) {
    let extension = if compiler == "c++" { "cc" } else { "c" };
    let source = scratch.join(format!("{name}.{extension}"));
    fs::write(&source, text).expect("the scratch folder can be written");
    let output = Command::new(compiler)
        .args([&format!("-std={standard}"), "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"])
        .arg(scratch)
        .arg(&source)
        .output()
        .expect("the compiler runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{compiler} -std={standard} {name}: {told}");
}

#[test]
fn the_macros_say_what_the_library_says() {
    let version = memcache::capi::version::mc_version();
    // SAFETY: a text of the library's own.
    let version = unsafe { std::ffi::CStr::from_ptr(version) }.to_str().expect("a version is text");
    let defines = |name: &str, value: &str| {
        let line = format!("#define {name} {value}\n");
        assert!(main_header().contains(&line), "the header must have: {line}");
    };
    defines("MEMCACHE_VER", &format!("{version:?}"));
    defines("MEMCACHE_VERNUM", &memcache::capi::version::mc_vernum().to_string());
    defines("MEMCACHE_RELDATE", &memcache::capi::version::mc_reldate().to_string());
}

#[test]
fn every_dialect_takes_the_headers_without_a_warning() {
    // Made for this test: another one may be writing the committed ones at this moment.
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("header-{}", std::process::id()));
    fs::create_dir_all(scratch.join("memcache")).expect("the scratch folder can be made");
    let headers = [
        ("memcache.h", main_header()),
        ("memcache/_buffer.h", buffer_struct_header()),
        ("memcache/buffer.h", buffer_header()),
    ];
    for (name, text) in headers {
        fs::write(scratch.join(name), text).expect("the scratch folder can be written");
    }
    let orders: [(&str, &[&str]); 4] = [
        ("alone", &["memcache.h"]),
        ("queue_first", &["sys/queue.h", "memcache.h", "memcache/buffer.h"]),
        ("queue_last", &["memcache.h", "sys/queue.h"]),
        ("buffer_first", &["memcache/buffer.h", "memcache.h", "memcache.h"]),
    ];
    for (name, order) in orders {
        let text = program(order);
        for standard in ["gnu89", "gnu99", "c99", "c11", "c17"] {
            compiles("cc", standard, name, &text, &scratch);
        }
        for standard in ["c++98", "gnu++98", "c++17"] {
            compiles("c++", standard, name, &text, &scratch);
        }
    }
    fs::remove_dir_all(&scratch).expect("the scratch folder can be removed");
}

/// The macros that a header defines itself, at the end of its inclusion.
fn macros_of(scratch: &Path, header: &str) -> BTreeSet<String> {
    let output = Command::new("cc")
        .args(["-std=c11", "-E", "-dD", "-I"])
        .arg(scratch)
        .arg(scratch.join(header))
        .output()
        .expect("the compiler runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let own = scratch.to_str().expect("the scratch folder has a plain name");
    let mut ours = false;
    let mut macros = BTreeSet::new();
    for line in text.lines() {
        if let Some(marker) = line.strip_prefix("# ") {
            ours = marker.split('"').nth(1).is_some_and(|file| file.starts_with(own));
        } else if let Some(rest) = line.strip_prefix("#define ").filter(|_| ours) {
            macros.insert(rest.split(['(', ' ']).next().unwrap_or_default().to_owned());
        } else if let Some(name) = line.strip_prefix("#undef ").filter(|_| ours) {
            macros.remove(name);
        }
    }
    macros
}

/// Every macro of the old interface, and its names' beginnings. New ones must begin so too.
const MACROS: &[&str] = &[
    "MCM_CALLBACK_FUNC MCM_CALLBACK_SIG MCM_ERR_FUNC_ARGS MCM_ERR_FUNC_SIG MCM_KEY_VALID_FUNC_ARGS",
    "MCM_KEY_VALID_FUNC_SIG MCM_HASH_FUNC MCM_HASH_SIG MCM_CALLBACK_CTXT MCM_CALLBACK_RES MCM_CALLBACK_PTR",
    "MCM_CALLBACK_MC MCM_CALLBACK_KEY MCM_CALLBACK_LEN MCM_ERR_INIT_CTXT MCM_KEY_VALID_INIT MCM_HASH_INIT",
    "MCM_CSTRLEN MAX_KEY_LEN INIT_GET_BUF_SIZE MEMCACHE_VER MEMCACHE_VERNUM MEMCACHE_RELDATE MCM_ERR",
    "MCM_ERR_MSG MCM_ERR_MSG_LVL MCM_ERRX MCM_ERRX_MSG MCM_ERRX_MSG_LVL MCM_WARNX MCM_WARN_MSG",
    "MCM_WARN_MSGLEN MCM_WARN_MSG_LVL MCM_WARNX_MSG MCM_WARNX_MSGLEN MCM_RET_CODE ERR_FLAG WARN_FLAG",
    "NO_ERRNO_FLAG TAILQ_HEAD_INITIALIZER TAILQ_HEAD TAILQ_ENTRY TAILQ_FIRST TAILQ_NEXT TAILQ_FOREACH",
    "TAILQ_INIT TAILQ_INSERT_TAIL TAILQ_REMOVE MCM_ERR_MASK",
];

#[test]
fn every_promised_macro_is_there_and_no_other_leaks() {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("macros-{}", std::process::id()));
    fs::create_dir_all(scratch.join("memcache")).expect("the scratch folder can be made");
    let headers = [
        ("memcache.h", main_header()),
        ("memcache/_buffer.h", buffer_struct_header()),
        ("memcache/buffer.h", buffer_header()),
    ];
    for (name, text) in headers {
        fs::write(scratch.join(name), text).expect("the scratch folder can be written");
    }
    let macros = macros_of(&scratch, "memcache.h");
    let promised: BTreeSet<String> =
        MACROS.iter().flat_map(|line| line.split(' ')).map(str::to_owned).collect();
    let missing: Vec<_> = promised.difference(&macros).collect();
    assert!(missing.is_empty(), "memcache.h does not define {missing:?}");
    let own = ["MCM_ERR_", "MCM_RES_", "MC_RES_", "MC_ERR_LVL_", "MC_REASON_", "MC_STATE_", "MEMCACHE_"];
    let leaked: Vec<_> = macros
        .difference(&promised)
        .filter(|name| !own.iter().any(|beginning| name.starts_with(beginning)))
        .collect();
    assert!(leaked.is_empty(), "memcache.h leaks {leaked:?}");

    let buffer = macros_of(&scratch, "memcache/buffer.h");
    let promised = [
        "MCM_BUF_OFF_USED",
        "MEMCACHE_BUFFER_H",
        "MEMCACHE__BUFFER_H",
        "mcm_buf_len_add",
        "mcm_buf_len_set",
        "mcm_buf_off_ptr",
        "mcm_buf_size",
        "mcm_buf_val",
    ];
    assert!(buffer.iter().eq(&promised), "memcache/buffer.h defines {buffer:?}");
    fs::remove_dir_all(&scratch).expect("the scratch folder can be removed");
}
