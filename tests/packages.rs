//! What `make deb` builds: three packages with the usual split, that together have every file once, say
//! truly what they need, and serve a C compiler when they are unpacked; the programs run, and what runs of them is
//! restarted at an upgrade.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::cc;
use support::installed::{Installed, everything_below, make, output_of, programs_run};
use support::scratch::Scratch;
use support::server::Memcached;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const PACKAGES: [&str; 3] = ["libmemcache0", "libmemcache-dev", "libmemcache-tools"];

fn dpkg_deb(arguments: &[&str], package: &Path) -> String {
    output_of("dpkg", Command::new("dpkg-deb").args(arguments).arg(package))
}

fn architecture(name: &str) -> String {
    output_of("dpkg-dev", Command::new("dpkg-architecture").arg(format!("-q{name}"))).trim().to_owned()
}

/// A field of a package's control file.
fn field(package: &Path, name: &str) -> String {
    let value = Command::new("dpkg-deb").arg("--field").arg(package).arg(name).output();
    String::from_utf8(value.expect("dpkg-deb runs").stdout).expect("text").trim().to_owned()
}

#[test]
fn packages_have_the_usual_split_and_serve_a_c_compiler() {
    let scratch = Scratch::new();
    let debs = scratch.path().join("debs");
    make(&["deb", &format!("DEBS={}", debs.display())]);
    let (arch, multiarch) = (architecture("DEB_HOST_ARCH"), architecture("DEB_HOST_MULTIARCH"));
    let file = |name: &str| debs.join(format!("{name}_{VERSION}_{arch}.deb"));
    let mut built: Vec<_> = PACKAGES.iter().map(|name| format!("{name}_{VERSION}_{arch}.deb")).collect();
    built.sort();
    assert_eq!(everything_below(&debs), built);

    for name in PACKAGES {
        let package = file(name);
        assert_eq!(field(&package, "Package"), name);
        assert_eq!(field(&package, "Version"), VERSION);
        assert_eq!(field(&package, "Architecture"), arch);
        for line in dpkg_deb(&["--contents"], &package).lines() {
            assert!(line.contains(" root/root "), "not root's: {line}");
            assert!(!line.contains("/tmp/") && !line.contains("/usr/local/"), "{line}");
        }
        papers_are_in_order(&scratch, name, &package);
    }
    let section = |name: &str| field(&file(name), "Section");
    assert_eq!(PACKAGES.map(section), ["libs", "libdevel", "utils"]);
    let needs = field(&file("libmemcache0"), "Depends");
    assert!(needs.contains("libc6 (>= "), "{needs}");
    let needs = field(&file("libmemcache-tools"), "Depends");
    assert!(needs.contains("libc6 (>= "), "the programs need a C library, and say: {needs}");
    let needs = field(&file("libmemcache-dev"), "Depends");
    assert!(needs.contains(&format!("libmemcache0 (= {VERSION})")), "{needs}");
    let control = scratch.path().join("control-libmemcache0");
    let shlibs = fs::read_to_string(control.join("shlibs")).expect("a shlibs file");
    assert_eq!(shlibs, format!("libmemcache 0 libmemcache0 (>= {VERSION})\n"));
    let triggers = fs::read_to_string(control.join("triggers")).expect("a triggers file");
    assert_eq!(triggers, "activate-noawait ldconfig\n");

    what_runs_is_restarted_and_stopped(&scratch);
    each_file_is_in_its_package(&scratch, &multiarch);
    unpacked_they_serve(&scratch, &PACKAGES.map(file), &format!("/usr/lib/{multiarch}"));
}

/// Unpacks a package, and holds its checksums, its changes and its licence against it.
fn papers_are_in_order(scratch: &Scratch, name: &str, package: &Path) {
    let contents = scratch.path().join(name);
    let control = scratch.path().join(format!("control-{name}"));
    output_of("dpkg", Command::new("dpkg-deb").arg("-x").arg(package).arg(&contents));
    output_of("dpkg", Command::new("dpkg-deb").arg("-e").arg(package).arg(&control));
    let sums = control.join("md5sums");
    output_of(
        "coreutils",
        Command::new("md5sum").args(["--check", "--strict"]).arg(&sums).current_dir(&contents),
    );
    let listed = fs::read_to_string(&sums).expect("the checksums").lines().count();
    let files = everything_below(&contents);
    let plain = files.iter().filter(|path| !contents.join(path).is_symlink()).count();
    assert_eq!(listed, plain, "{name}: every file has its checksum");

    let doc = contents.join("usr/share/doc").join(name);
    let changes = output_of("gzip", Command::new("gzip").arg("-dc").arg(doc.join("changelog.gz")));
    assert!(changes.starts_with(&format!("libmemcache ({VERSION}) ")), "{changes}");
    let (of_version, _) = changes.split_once("\n -- ").expect("who made it");
    assert_eq!(entries(of_version, "\n  * "), changelog(), "every change, to its end");
    let licence = fs::read_to_string(doc.join("copyright")).expect("the licence");
    assert!(licence.contains(" Permission is hereby granted, free of charge"), "{licence}");
    assert!(licence.contains("License: Apache-2.0") && !licence.contains('@'), "{licence}");
}

/// What stands behind each of these marks, with one space between two words.
fn entries(text: &str, mark: &str) -> Vec<String> {
    let words = |entry: &str| entry.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split(mark).skip(1).map(words).collect()
}

/// What CHANGELOG.md says of this version.
fn changelog() -> Vec<String> {
    let text = fs::read_to_string(cc::root().join("CHANGELOG.md")).expect("a changelog");
    let mut versions = text.split("\n## ").skip(1);
    let of_version = versions.find(|it| it.split_whitespace().next() == Some(VERSION)).expect("this version");
    entries(of_version, "\n- ")
}

/// What dpkg runs for the package that has the units, with stand-ins that record what they are asked for, and fail.
fn what_runs_is_restarted_and_stopped(scratch: &Scratch) {
    let place = scratch.path().join("stand-ins");
    fs::create_dir(&place).expect("a directory");
    for name in ["systemctl", "deb-systemd-invoke"] {
        let text = "#!/bin/sh\necho \"${0##*/} $*\" >>\"$CALLS\"\nexit 1\n";
        let stand_in = scratch.write(&format!("stand-ins/{name}"), text);
        fs::set_permissions(stand_in, fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    let path = format!("{}:{}", place.display(), std::env::var("PATH").expect("a path"));
    let control = scratch.path().join("control-libmemcache-tools");
    // `systemd`: the directory that is there where it runs.
    let called = |script: &str, why: &str, systemd: &Path| -> Vec<String> {
        let text = fs::read_to_string(control.join(script)).expect("a script");
        let moved = text.replace("/run/systemd/system", &systemd.display().to_string());
        assert_ne!(text, moved, "{script} asks whether systemd runs");
        let (moved, calls) = (scratch.write(script, &moved), scratch.write("calls", ""));
        let mut shell = Command::new("sh");
        output_of("dash", shell.arg(moved).arg(why).env("PATH", &path).env("CALLS", &calls));
        fs::read_to_string(calls).expect("the calls").lines().map(str::to_owned).collect()
    };
    // The units of the calls that ask for this, in their order.
    let asked = |calls: &[String], what: &str| -> Vec<String> {
        let units =
            |call: &String| Some(call.strip_prefix(&format!("deb-systemd-invoke {what} "))?.to_owned());
        let units: Vec<_> = calls.iter().filter_map(units).collect();
        units.iter().flat_map(|units| units.split(' ')).map(str::to_owned).collect()
    };

    let units = everything_below(&scratch.path().join("libmemcache-tools/lib/systemd/system"));
    let units: BTreeSet<_> = units.iter().map(|unit| unit.replace("@.", "@*.")).collect();
    let services: BTreeSet<_> = units.iter().filter(|unit| unit.ends_with(".service")).cloned().collect();
    assert!(services.len() >= 4 && units.len() > services.len(), "{units:?}");
    let reload = "systemctl --system daemon-reload";

    let calls = called("postinst", "configure", scratch.path());
    assert_eq!(calls[0], reload, "what is restarted is what the new units say");
    let restarted = asked(&calls, "try-restart");
    assert_eq!(restarted.iter().cloned().collect::<BTreeSet<_>>(), services);
    assert!(!calls.iter().any(|call| call.contains("enable")), "{calls:?}");

    let calls = called("prerm", "remove", scratch.path());
    let stopped = asked(&calls, "stop");
    assert_eq!(stopped.iter().cloned().collect::<BTreeSet<_>>(), units);
    let first_service = stopped.iter().position(|unit| unit.ends_with(".service"));
    let last_socket = stopped.iter().rposition(|unit| unit.ends_with(".socket"));
    assert!(last_socket < first_service, "a socket starts its service again: {stopped:?}");
    assert_eq!(called("prerm", "upgrade", scratch.path()), [""; 0], "it runs on until it is restarted");
    assert_eq!(called("postrm", "remove", scratch.path()), [reload]);

    for (script, why) in [("postinst", "configure"), ("prerm", "remove"), ("postrm", "remove")] {
        assert_eq!(called(script, why, &scratch.path().join("nowhere")), [""; 0], "{script} without systemd");
    }
}

/// Together they have what `make install` installs, each file once.
fn each_file_is_in_its_package(scratch: &Scratch, multiarch: &str) {
    let installed = scratch.path().join("by-make");
    make(&[
        "install",
        "PREFIX=/usr",
        "UNITDIR=/lib/systemd/system",
        "ZSHDIR=/usr/share/zsh/vendor-completions",
        "DOCDIR=/usr/share/doc/libmemcache-tools/examples",
        &format!("LIBDIR=/usr/lib/{multiarch}"),
        &format!("DESTDIR={}", installed.display()),
    ]);
    let mut together = BTreeSet::new();
    let papers = |path: &str| path.ends_with("/copyright") || path.ends_with("/changelog.gz");
    for name in PACKAGES {
        let files = everything_below(&scratch.path().join(name));
        let in_library = |path: &str| path.contains("libmemcache.so.0");
        for path in files.into_iter().filter(|path| !papers(path)) {
            assert_eq!(in_library(&path), name == "libmemcache0", "{path} is in {name}");
            let path = match path.strip_suffix(".gz") {
                Some(page) if page.contains("/man/") => page.to_owned(),
                _ => path,
            };
            assert!(together.insert(path.clone()), "{path} is in two packages");
        }
    }
    let installed: BTreeSet<_> = everything_below(&installed).into_iter().collect();
    assert_eq!(together, installed);
}

/// The library and what is built with it, from the packages alone.
fn unpacked_they_serve(scratch: &Scratch, packages: &[PathBuf], libdir: &str) {
    let root = scratch.path().join("unpacked");
    for package in packages {
        output_of("dpkg", Command::new("dpkg-deb").arg("-x").arg(package).arg(&root));
    }
    let installed = Installed { root, libdir: libdir.to_owned() };
    programs_run(&installed.root);
    let server = Memcached::start();
    for (name, options, asked) in [
        ("shared", &["-std=gnu89"][..], &["--cflags", "--libs"][..]),
        ("static", &["-std=gnu89", "-static"], &["--cflags", "--libs", "--static"]),
    ] {
        let program = scratch.path().join(name);
        installed.build("examples-c/multiget.c", &program, options, asked);
        let said = output_of(name, installed.command(&program).arg(server.address()));
        assert!(said.ends_with("multiget: 0 wrong\n"), "{name}: {said}");
    }
}
