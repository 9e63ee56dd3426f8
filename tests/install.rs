//! What `make install` puts where: the library under its full name with the links that the loader
//! and the linker look for, the headers where a C compiler finds them, a file for pkg-config, the
//! manual with a page under every function's name, and the programs, which run from there. The programs
//! of the README are built from the installed files alone, as a user would; `make uninstall` leaves nothing.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use support::cc;
use support::installed::{Installed, PROGRAMS, everything_below, make, output_of, programs_run};
use support::scratch::Scratch;
use support::server::Memcached;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The first block of the README in that language.
fn readme_block(language: &str) -> String {
    let readme = fs::read_to_string(cc::root().join("README.md")).expect("a README");
    let start = format!("```{language}\n");
    let (_, block) = readme.split_once(&start).unwrap_or_else(|| panic!("no {start} in the README"));
    block.split_once("```").expect("the block's end").0.to_owned()
}

#[test]
fn installed_files_are_complete_and_serve_a_c_compiler() {
    let scratch = Scratch::new();
    let installed = Installed::by_make(scratch.path().join("root"));
    let full_name = format!("usr/lib/libmemcache.so.{VERSION}");

    let found = everything_below(&installed.root);
    let (manual, found): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|path| path.starts_with("usr/share/man/"));
    // How the daemon is started is the operator's business; where its unit lies is ours.
    let (units, found): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|path| path.starts_with("usr/lib/systemd/system/"));
    assert!(units.iter().all(|path| path.ends_with(".service") || path.ends_with(".socket")), "{units:?}");
    let mut expected = [
        "usr/include/memcache.h",
        "usr/include/memcache/_buffer.h",
        "usr/include/memcache/buffer.h",
        "usr/lib/libmemcache.a",
        "usr/lib/libmemcache.so",
        "usr/lib/libmemcache.so.0",
        &full_name,
        "usr/lib/pkgconfig/libmemcache.pc",
        "usr/share/bash-completion/completions/memcachectl",
        "usr/share/doc/libmemcache/memcachectl.md",
        "usr/share/doc/libmemcache/pool.toml",
        "usr/share/fish/vendor_completions.d/memcachectl.fish",
        "usr/share/zsh/site-functions/_memcachectl",
    ]
    .iter()
    .chain(&PROGRAMS)
    .map(|path| path.trim_start_matches('/'))
    .collect::<Vec<_>>();
    expected.sort_unstable();
    assert_eq!(found, expected);
    programs_run(&installed.root);
    the_manual_is_complete(&installed, &manual);

    for link in ["usr/lib/libmemcache.so", "usr/lib/libmemcache.so.0"] {
        let target = fs::canonicalize(installed.path(link)).expect("a link that leads somewhere");
        assert_eq!(target, fs::canonicalize(installed.path(&full_name)).expect("the library"));
    }
    let dynamic = output_of("binutils", Command::new("readelf").arg("-d").arg(installed.path(&full_name)));
    assert!(dynamic.contains("Library soname: [libmemcache.so.0]"), "{dynamic}");

    assert_eq!(installed.pkg_config(&["--modversion"]), [VERSION]);
    let root = installed.root.display();
    assert_eq!(installed.pkg_config(&["--cflags"]), [format!("-I{root}/usr/include")]);
    assert_eq!(installed.pkg_config(&["--libs"]), [format!("-L{root}/usr/lib"), "-lmemcache".to_owned()]);
    the_readme_program_runs(&scratch, &installed);
}

/// Every function of the headers has a page under its own name, and no page refers to nothing.
fn the_manual_is_complete(installed: &Installed, manual: &[String]) {
    let pages: BTreeSet<_> = manual.iter().map(|path| path.trim_start_matches("usr/share/man/")).collect();
    let mut references = 0;
    for page in &pages {
        let text = fs::read_to_string(installed.path("usr/share/man").join(page)).expect("a page");
        if let Some(other) = text.strip_prefix(".so ") {
            assert!(pages.contains(other.trim_end()), "{page} refers to {other}");
            references += 1;
        } else {
            assert!(text.contains("\n.SH NAME\n"), "{page} is no page:\n{text}");
        }
    }
    assert!(references > 100, "{references} references");
    for symbol in fs::read_to_string(cc::root().join("c-tests/symbols.txt")).expect("the symbols").lines() {
        assert!(pages.contains(format!("man3/{symbol}.3").as_str()), "no page under the name {symbol}");
    }
    for page in ["man3/libmemcache.3", "man5/libmemcache-pool.5", "man1/memcachectl.1"] {
        assert!(pages.contains(page), "no {page}");
    }
    let shown = output_of(
        "man-db",
        Command::new("man")
            .args(["-E", "UTF-8", "-M"])
            .arg(installed.path("usr/share/man"))
            .args(["3", "mcm_replace"])
            .env("LC_ALL", "C.UTF-8"),
    );
    assert!(shown.contains("mc_set(), mcm_set()"), "man mcm_replace shows:\n{shown}");
}

fn the_readme_program_runs(scratch: &Scratch, installed: &Installed) {
    let text = readme_block("c");
    let example = fs::read_to_string(cc::root().join("examples-c/hello.c")).expect("examples-c/hello.c");
    assert_eq!(text, example, "the README shows examples-c/hello.c");

    let servers = [Memcached::start(), Memcached::start()];
    let mut pool = readme_block("toml");
    for (server, address) in servers.iter().zip(["127.0.0.1:11211", "127.0.0.1:11212"]) {
        assert!(pool.contains(address), "the README's pool has a server at {address}");
        pool = pool.replace(address, &server.address());
    }
    // A busy machine stops a healthy server for longer than the README's timeouts allow.
    let pool = pool.replace("\"100ms\"", "\"5s\"").replace("\"500ms\"", "\"20s\"");
    let pool_file = scratch.write("pool.toml", &pool);

    let flags = ["--cflags", "--libs"];
    let with_private = ["--cflags", "--libs", "--static"];
    // The archive in a program that is otherwise dynamic, and in one that needs no library at all.
    let archive = ["-std=gnu99", "-Wl,-Bstatic"];
    for (name, options, asked) in [
        ("hello-shared", &["-std=gnu99"][..], &flags[..]),
        ("hello-static", &["-std=gnu99", "-static"], &with_private),
    ] {
        let program = scratch.path().join(name);
        installed.build("examples-c/hello.c", &program, options, asked);
        says_hello(installed.command(&program).env("MEMCACHE_POOL", &pool_file), name);
    }
    let program = scratch.path().join("hello-archive");
    let mut compiler = cc::compiler();
    compiler.args(archive).arg("-o").arg(&program).arg(cc::root().join("examples-c/hello.c"));
    compiler.args(installed.pkg_config(&with_private)).arg("-Wl,-Bdynamic");
    output_of("build-essential", &mut compiler);
    // It has the library within itself: none is found where it is told to look.
    let mut command = Command::new(&program);
    command.env("LD_LIBRARY_PATH", scratch.path()).env("MEMCACHE_POOL", &pool_file);
    says_hello(&mut command, "hello-archive");
    for server in &servers {
        assert_eq!(server.stat("curr_items"), Some(1), "each server of the pair holds a copy");
    }
}

fn says_hello(command: &mut Command, name: &str) {
    assert_eq!(output_of(name, command), "hello\n", "{name}");
}

#[test]
fn every_place_can_be_chosen_and_uninstall_leaves_nothing_of_ours() {
    let scratch = Scratch::new();
    let root = scratch.path().join("a root"); // with a space
    let places = [
        "PREFIX=/opt/memcache",
        "LIBDIR=/opt/memcache/lib/x86_64-linux-gnu",
        "INCLUDEDIR=/usr/include/one",
        "MANDIR=/opt/man",
        "DOCDIR=/opt/doc/libmemcache",
    ];
    let destination = format!("DESTDIR={}", root.display());
    let with = |target| [&[target, destination.as_str()][..], &places].concat();
    make(&with("install"));
    let found = everything_below(&root);
    for path in [
        "opt/memcache/lib/x86_64-linux-gnu/libmemcache.so.0",
        "opt/memcache/lib/x86_64-linux-gnu/pkgconfig/libmemcache.pc",
        "usr/include/one/memcache/buffer.h",
        "opt/man/man3/mc_set.3",
        "opt/doc/libmemcache/pool.toml",
    ] {
        assert!(found.iter().any(|it| it == path), "no {path} in {found:#?}");
    }
    let pc = root.join("opt/memcache/lib/x86_64-linux-gnu/pkgconfig/libmemcache.pc");
    let pc = fs::read_to_string(pc).expect("the file for pkg-config");
    assert!(pc.contains("\nlibdir=${prefix}/lib/x86_64-linux-gnu\nincludedir=/usr/include/one\n"), "{pc}");
    assert!(!pc.contains('@'), "{pc}");

    let foreign = root.join("opt/man/man3/another.3");
    fs::write(&foreign, "").expect("a file of somebody else");
    make(&with("uninstall"));
    assert_eq!(everything_below(&root), ["opt/man/man3/another.3"]);
    assert!(!root.join("usr/include/one/memcache").exists(), "a directory that is ours alone goes with us");
}

/// A program that was not built is not installed: here by another tree of built files. And what was
/// installed is removed although what was built is gone.
#[test]
fn programs_are_installed_when_they_exist() {
    let scratch = Scratch::new();
    let built = scratch.path().join("the built"); // with a space
    fs::create_dir(&built).expect("a directory");
    fs::write(built.join("memcachectl"), "#!/bin/sh\necho it runs\n").expect("a program");
    fs::set_permissions(built.join("memcachectl"), fs::Permissions::from_mode(0o755)).expect("a mode");
    let root = scratch.path().join("root");
    let with = |script: &str, arguments: &[&str]| {
        let mut command = Command::new(cc::root().join(script));
        command.args(arguments).env("DESTDIR", &root).env("PROGRAMS", &built).env("PREFIX", "/usr");
        for (name, place) in [
            ("VERSION", "9"),
            ("BUILT", "nowhere"),
            ("SONAME", "libmemcache.so.0"),
            ("LIBDIR", "/usr/lib"),
            ("INCLUDEDIR", "/usr/include"),
            ("MANDIR", "/usr/share/man"),
            ("BINDIR", "/usr/bin"),
            ("SBINDIR", "/usr/sbin"),
            ("UNITDIR", "/usr/lib/systemd/system"),
            ("DOCDIR", "/usr/share/doc/libmemcache"),
            ("ZSHDIR", "/usr/share/zsh/site-functions"),
        ] {
            command.env(name, place);
        }
        output_of("coreutils", &mut command)
    };
    with("scripts/install", &["tools"]);
    let found = everything_below(&root);
    assert!(found.iter().any(|path| path == "usr/bin/memcachectl"), "{found:?}");
    let of_daemons = |path: &String| ["usr/sbin/", "usr/lib/"].iter().any(|it| path.starts_with(it));
    assert!(
        !found.iter().any(of_daemons),
        "what was not built is not installed, and neither is its unit: {found:?}"
    );
    let said = output_of("memcachectl", &mut Command::new(root.join("usr/bin/memcachectl")));
    assert_eq!(said, "it runs\n");

    // What was built is gone, and what was installed is still known.
    fs::remove_dir_all(&built).expect("the directory can be removed");
    with("scripts/uninstall", &[]);
    assert_eq!(everything_below(&root), [""; 0]);
}
