//! What is installed with the daemon: its units, which find it, and its page, which tells what it takes.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use memcache::table::Attendance;

use crate::daemon::{Files, Watchd};
use crate::support::cc;
use crate::support::installed::output_of;
use crate::support::scratch::Scratch;
use crate::support::server::Memcached;
use crate::support::wait;

#[test]
fn units_lead_to_the_program_that_is_installed() {
    let scratch = Scratch::new();
    let (built, root) = (scratch.path().join("built"), scratch.path().join("root"));
    fs::create_dir(&built).expect("a directory");
    fs::copy(env!("CARGO_BIN_EXE_memcache-watchd"), built.join("memcache-watchd")).expect("the program");
    let mut install = Command::new(cc::root().join("scripts/install"));
    install.arg("tools").env("DESTDIR", &root).env("BUILT", "/nowhere").env("PROGRAMS", &built);
    for (name, place) in [
        ("PREFIX", "/opt/m"),
        ("VERSION", "9"),
        ("SONAME", "libmemcache.so.0"),
        ("LIBDIR", "/opt/m/lib"),
        ("INCLUDEDIR", "/opt/m/include"),
        ("MANDIR", "/opt/m/man"),
        ("BINDIR", "/opt/m/bin"),
        ("SBINDIR", "/opt/m/sbin"),
        ("UNITDIR", "/opt/m/units"),
        ("DOCDIR", "/opt/m/doc"),
    ] {
        install.env(name, place);
    }
    output_of("coreutils", &mut install);
    assert!(root.join("opt/m/sbin/memcache-watchd").exists());
    assert!(root.join("opt/m/man/man8/memcache-watchd.8").exists());
    for (unit, pool) in [("memcache-watchd", "pool"), ("memcache-watchd@", "%i")] {
        let text = fs::read_to_string(root.join(format!("opt/m/units/{unit}.service"))).expect("a unit");
        let start = format!("\nExecStart=/opt/m/sbin/memcache-watchd --pool /etc/memcache/{pool}.toml\n");
        assert!(text.contains(&start), "{text}");
        assert!(text.contains(&format!("\nConditionPathExists=/etc/memcache/{pool}.toml\n")), "{text}");
        assert!(!text.contains("@SBINDIR@"), "{text}");
    }
}

#[test]
fn the_page_tells_every_option() {
    let help = output_of("it", Command::new(env!("CARGO_BIN_EXE_memcache-watchd")).arg("--help"));
    let page = fs::read_to_string(cc::root().join("man/man8/memcache-watchd.8")).expect("its page");
    let page = page.replace("\\-", "-");
    let options = help.split_whitespace().filter(|word| word.starts_with("--"));
    let options: Vec<_> = options.filter(|word| !["--help", "--version"].contains(word)).collect();
    assert!(options.len() >= 3, "{help}");
    for option in options {
        assert!(page.contains(option), "memcache-watchd(8) does not explain {option}");
    }
}

#[test]
fn systemd_is_told() {
    let server = Memcached::start();
    let files = Files::new(&[server.address()], "interval = \"50ms\"");
    let path = files.scratch.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(wait::PATIENCE)).expect("a timeout");
    let expect = |text: &str| {
        let mut room = [0; 512];
        loop {
            let length = socket.recv(&mut room).unwrap_or_else(|error| panic!("no {text}: {error}"));
            if String::from_utf8_lossy(&room[..length]).contains(text) {
                return;
            }
        }
    };
    let path = path.to_str().expect("a plain path");
    let mut watchd = Watchd::spawn_with(&files, &[("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "30000")]);
    expect("STATUS=1 server: 1 steady");
    expect("READY=1");
    assert_eq!(files.look().expect("a table").0, Attendance::Attended, "ready means attended");
    expect("WATCHDOG=1");
    watchd.signal(libc::SIGHUP);
    expect("RELOADING=1");
    expect("READY=1");
    watchd.signal(libc::SIGTERM);
    expect("STOPPING=1");
    assert_eq!(watchd.status().code(), Some(0));
}

#[test]
fn wrong_arguments_are_refused() {
    for arguments in [&[][..], &["--pool"], &["--pool", "x", "--log-level", "loud"], &["--daemon"]] {
        let program = env!("CARGO_BIN_EXE_memcache-watchd");
        let ended = Command::new(program).args(arguments).output().expect("it runs");
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}");
        assert!(!ended.stderr.is_empty());
    }
}
