//! The units of packaging/systemd: systemd understands them, the daemons call nothing that they forbid, and their exposure is
//! what docs/security.md says. `make units` prints the figures.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::blocks::{self, Use};
use crate::support::installed::output_of;
use crate::support::scratch::Scratch;
use crate::support::server::{Memcached, free_port};
use crate::support::{cc, keep, wait};

/// The units as `make install` leaves them, with programs that are there.
fn installed(scratch: &Scratch) -> Vec<PathBuf> {
    let programs = [
        ("memcache-watchd", env!("CARGO_BIN_EXE_memcache-watchd")),
        ("memcache-proxy", env!("CARGO_BIN_EXE_memcache-proxy")),
        ("memcached", "/usr/bin/memcached"),
    ];
    for (name, program) in programs {
        std::os::unix::fs::symlink(program, scratch.path().join(name)).expect("a link");
    }
    let place = scratch.path().display().to_string();
    let mut units = Vec::new();
    for entry in fs::read_dir(cc::root().join("packaging/systemd")).expect("the units") {
        let path = entry.expect("a unit").path();
        let text = fs::read_to_string(&path).expect("a unit").replace("@SBINDIR@", &place);
        units.push(scratch.write(&path.file_name().expect("a name").to_string_lossy(), &text));
    }
    assert!(units.len() >= 6, "{units:?}");
    units.sort();
    units
}

fn analyze(arguments: &[&str], unit: &Path) -> String {
    let mut command = Command::new("systemd-analyze");
    output_of("systemd", command.args(arguments).arg(unit).env("SYSTEMD_COLORS", "0").stderr(Stdio::piped()))
}

#[test]
fn systemd_understands_every_unit() {
    let scratch = Scratch::new();
    let mut units = installed(&scratch);
    // The page for operators has one for servers.
    let page = blocks::of_page("docs/operating.md");
    let example =
        page.iter().find(|block| matches!(&block.used, Use::File(path) if path.ends_with(".service")));
    units.push(scratch.write("memcached@.service", &example.expect("a unit for memcached").text));
    for unit in &units {
        let mut verify = Command::new("systemd-analyze");
        let name = unit.to_string_lossy().replace("@.", "@11211.");
        let template = unit.to_string_lossy().contains("@.");
        if template {
            fs::copy(unit, &name).expect("an instance");
        }
        let said = verify
            .args(["verify", "--man=no", "--recursive-errors=no", &name])
            .output()
            .expect("Debian's systemd is installed");
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.status.success() && text.is_empty(), "{}: {text}", unit.display());
    }
}

#[test]
fn the_daemons_are_started_again_however_often_they_fail() {
    let scratch = Scratch::new();
    let services =
        installed(&scratch).into_iter().filter(|unit| unit.extension().is_some_and(|it| it == "service"));
    for unit in services {
        let text = fs::read_to_string(&unit).expect("a unit");
        let (head, service) = text.split_once("[Service]").expect("its section");
        assert!(service.contains("\nRestart=on-failure\n"), "{}", unit.display());
        // Five failures within ten seconds, which is soon there at this pause, are the end otherwise.
        assert!(head.contains("\nStartLimitIntervalSec=0\n"), "{}", unit.display());
    }
}

/// The directories that a service may write to.
fn writable(unit: &str) -> Vec<String> {
    assert!(unit.contains("\nProtectSystem=strict\n"), "{unit}");
    let places = [("RuntimeDirectory", "/run/"), ("StateDirectory", "/var/lib/"), ("ReadWritePaths", "")];
    let named = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let (_, place) = places.iter().find(|(it, _)| *it == key)?;
        Some(value.split(' ').map(|name| format!("{place}{name}")).collect::<Vec<_>>())
    };
    unit.lines().filter_map(named).flatten().collect()
}

/// Wherever a page says that a table is, daemon and proxy can have it there: both write beside it.
#[test]
fn the_tables_of_the_pages_are_where_the_units_may_write() {
    let root = cc::root();
    let mut pages = vec![root.join("README.md"), root.join("packaging/pool.toml")];
    for folder in ["docs", "man/src"] {
        pages
            .extend(fs::read_dir(root.join(folder)).expect("pages").map(|page| page.expect("a page").path()));
    }
    let of_path = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    let mut named = BTreeSet::new();
    for page in pages.iter().filter(|page| page.extension().is_some_and(|it| it != "svg")) {
        let text = fs::read_to_string(page).expect("a page");
        let paths = text.split(|letter| !of_path(letter)).filter_map(|word| {
            let word = word.trim_end_matches('.');
            let place = ["/run/", "/var/lib/"].into_iter().find(|place| word.starts_with(place))?;
            Some(format!("{place}{}", word[place.len()..].split('/').next()?))
        });
        named.extend(paths.filter(|path| path.ends_with("/memcache")));
        named.extend(
            text.split("table = \"")
                .skip(1)
                .filter_map(|rest| Some(Path::new(rest.split('"').next()?).parent()?.display().to_string())),
        );
    }
    let scratch = Scratch::new();
    for unit in installed(&scratch).iter().filter(|unit| unit.extension().is_some_and(|it| it == "service")) {
        let writable = writable(&fs::read_to_string(unit).expect("a unit"));
        let name = unit.file_name().expect("a name").display();
        assert_eq!(
            writable.iter().cloned().collect::<BTreeSet<_>>(),
            named,
            "{name} may write to {writable:?}"
        );
    }
}

/// `2.6` of a service.
fn exposure(unit: &Path) -> f64 {
    let said = analyze(&["security", "--offline=true", "--no-pager"], unit);
    let line = said.lines().find(|line| line.contains("Overall exposure level")).expect("a figure");
    let figure = line.split(": ").nth(1).and_then(|rest| rest.split(' ').next());
    figure.and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("no figure: {line}"))
}

#[test]
fn their_exposure_is_what_the_page_says() {
    let scratch = Scratch::new();
    let page = fs::read_to_string(cc::root().join("docs/security.md")).expect("the page");
    let services =
        installed(&scratch).into_iter().filter(|unit| unit.extension().is_some_and(|it| it == "service"));
    let version = output_of("systemd", Command::new("systemd-analyze").arg("--version"));
    for unit in services {
        let name = unit.file_name().expect("a name").to_string_lossy().into_owned();
        let figure = exposure(&unit);
        println!("{name}: {figure}");
        assert!(figure <= 3.0, "{name}: {figure}");
        // Every version of systemd counts otherwise.
        if version.starts_with("systemd 252 ") {
            let row = format!("| `{}` | {figure:.1} |", name.replace('@', ""));
            assert!(page.contains(&row), "docs/security.md has no row {row}");
        }
    }
}

/// The system calls of a set, with those of the sets in it.
fn calls_of(set: &str, found: &mut BTreeSet<String>) {
    let said =
        output_of("systemd", Command::new("systemd-analyze").args(["syscall-filter", "--no-pager", set]));
    for word in said.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if word.starts_with('@') {
            calls_of(word, found);
        } else {
            found.insert(word.to_owned());
        }
    }
}

/// What a unit lets its service call.
fn allowed(unit: &Path) -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    let text = fs::read_to_string(unit).expect("a unit");
    for line in text.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let mut these = BTreeSet::new();
        line.trim_start_matches('~').split(' ').for_each(|set| calls_of(set, &mut these));
        if line.starts_with('~') {
            allowed.retain(|call| !these.contains(call));
        } else {
            allowed.append(&mut these);
        }
    }
    assert!(allowed.len() > 100, "{allowed:?}");
    allowed
}

/// Every system call in what strace wrote.
fn called(trace: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(trace).expect("a trace");
    let call = |line: &str| {
        let name = line.split_whitespace().nth(1)?.split('(').next()?;
        let is_name =
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        (is_name && line.contains(&format!("{name}("))).then(|| name.to_owned())
    };
    text.lines().filter_map(call).collect()
}

#[test]
fn the_daemons_call_nothing_that_their_units_forbid() {
    let scratch = Scratch::new();
    let units = installed(&scratch);
    let mut servers = [Memcached::start(), Memcached::start()];
    let port = free_port();
    let path = |name: &str| scratch.path().join(name);
    let sections: String =
        servers.iter().map(|server| format!("[[server]]\naddress = \"{}\"\n", server.address())).collect();
    let text = format!(
        "[pool]\ntable = \"{}\"\nconnect_timeout = \"5s\"\ntimeout = \"20s\"\n{sections}\n[proxy]\nlisten = [\"127.0.0.1:{port}\", \"unix:{}\"]\n",
        path("t").display(),
        path("p.sock").display()
    );
    let pool = scratch.write("pool.toml", &text);
    let ctl = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_memcachectl"));
        command.arg("--pool").arg(&pool).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    // `-D`: the daemon itself is our child, and strace looks on.
    let traced = |program: &str| {
        let mut command = Command::new("strace");
        command.args(["-D", "-f", "-qq", "-o"]).arg(path(&format!("{program}.trace"))).arg(path(program));
        command.arg("--pool").arg(&pool).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        keep::spawn(&mut command).expect("Debian's strace is installed")
    };
    let mut watchd = traced("memcache-watchd");
    wait::until("an attended pool", || ctl(&["wait", "--steady", "--timeout", "1s"]).then_some(()));
    let mut proxy = traced("memcache-proxy");
    let mut store = wait::until("the proxy", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    {
        use std::io::{Read, Write};
        store.write_all(b"set k 0 0 1\r\nv\r\nquit\r\n").expect("sent");
        let mut answer = String::new();
        store.read_to_string(&mut answer).expect("an answer");
        assert_eq!(answer, "STORED\r\n");
    }
    servers[0].restart();
    wait::until("a server that was filled again", || {
        ctl(&["wait", "--steady", "--timeout", "5s"]).then_some(())
    });
    for (child, name) in [(&mut watchd, "memcache-watchd"), (&mut proxy, "memcache-proxy")] {
        keep::signal(child, libc::SIGHUP);
        keep::signal(child, libc::SIGTERM);
        assert!(child.wait().expect("it ends").success(), "{name}");
        keep::ended(child);
        let unit = units.iter().find(|unit| unit.ends_with(format!("{name}.service"))).expect("its unit");
        let allowed = allowed(unit);
        let trace = path(&format!("{name}.trace"));
        wait::until("a whole trace", || {
            fs::read_to_string(&trace).ok()?.contains("exit_group(0").then_some(())
        });
        let called = called(&trace);
        assert!(called.contains("epoll_wait") && called.len() > 20, "{called:?}");
        let forbidden: Vec<_> = called.difference(&allowed).collect();
        assert!(forbidden.is_empty(), "{name} calls {forbidden:?}, and its unit forbids it");
    }
}
