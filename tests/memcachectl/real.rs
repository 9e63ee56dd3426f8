//! With the real daemon: what is ordered is done, to servers that live and die.

use std::process::{Child, Stdio};

use super::support::{keep, wait};
use super::*;

/// A memcache-watchd of our own; killed when it is dropped.
struct Watchd(Child);

impl Watchd {
    fn start(world: &World) -> Watchd {
        let mut command = Command::new(env!("CARGO_BIN_EXE_memcache-watchd"));
        command.arg("--pool").arg(&world.file).args(["--foreground", "--log-level", "error"]);
        Watchd(keep::spawn(command.stdin(Stdio::null()).stderr(Stdio::null())).expect("it starts"))
    }
}

impl Drop for Watchd {
    fn drop(&mut self) {
        keep::kill(&mut self.0);
    }
}

/// Repeats a command until it is done: a machine that is busy for a second makes a table unattended, and the next try
/// finds it attended again.
fn done(world: &World, arguments: &[&str]) -> String {
    wait::until(&format!("{arguments:?} is done"), || {
        let went = world.run(arguments);
        (went.status == 0).then_some(went.out)
    })
}

/// Waits until `status` says this of a server.
fn is_shown(world: &World, name: &str, state: &str) {
    wait::until(&format!("{name} is {state}"), || {
        let went = world.run(&["status"]);
        let row = went.out.lines().find(|line| line.starts_with(name))?.to_owned();
        row.split_whitespace().any(|word| word == state).then_some(())
    });
}

/// Where nobody sweeps.
#[test]
fn what_is_ordered_is_done() {
    let mut world = World::of((0..4).map(|_| Memcached::without_lists()).collect());
    let watchd = Watchd::start(&world);
    assert_eq!(done(&world, &["wait", "--steady", "--timeout", "1s"]), "all 4 servers are steady\n");
    assert!(done(&world, &["check"]).ends_with("all is well: pool shop, 4 servers, attended\n"));

    // It comes back empty: what it held may be old by now.
    world.servers[2].ask("set k 0 0 1\r\nv\r\n", "STORED").expect("it answers");
    done(&world, &["down", "s3"]);
    is_shown(&world, "s3", "down");
    done(&world, &["up", "s3"]);
    is_shown(&world, "s3", "returned");
    let found = world.servers[2].ask("get k\r\n", "END").expect("it answers");
    assert_eq!(found, ["END"], "it was flushed");
    let said = world.demand(4, &["wait", "--steady", "--timeout", "1ms"]);
    assert!(
        said.contains("not yet: s3 is returned\n") && said.contains("window is over, in 24 hours"),
        "{said}"
    );

    done(&world, &["drain", "s1"]);
    is_shown(&world, "s1", "draining");
    done(&world, &["up", "s1"]);

    world.servers[1].kill();
    is_shown(&world, "s2", "down");
    assert_eq!(world.run(&["check"]).status, 1);
    let new = Memcached::start();
    done(&world, &["replace", "s2", &new.address(), "--force"]);
    is_shown(&world, "s2", "returned");

    drop(watchd);
    let said = wait::until("its silence is noticed", || {
        let went = world.run(&["wait", "--steady", "--timeout", "1ms"]);
        (went.status == 3).then_some(went.err)
    });
    assert!(said.contains("unattended: its writer is silent for ") && said.contains(" is gone\n"), "{said}");
}

/// Where the daemon sweeps.
#[test]
fn what_is_ordered_is_swept() {
    let world = World::new(4);
    let _watchd = Watchd::start(&world);
    wait::until("a swept pool", || world.run(&["status"]).out.contains("sweep idle").then_some(()));
    done(&world, &["down", "s3"]);
    done(&world, &["up", "s3"]);
    assert_eq!(done(&world, &["wait", "--steady"]), "all 4 servers are steady\n");
    // As the pages say: when that ends, the drain is over.
    done(&world, &["drain", "s1"]);
    let said = done(&world, &["sweep", "--wait"]);
    assert_eq!(said, "no sweep is under way, and all 3 servers are steady\n");
    let said = world.run(&["status"]).out;
    assert!(said.lines().any(|row| row.starts_with("s1 ") && row.contains(" down ")), "{said}");
    done(&world, &["up", "s1"]);
    done(&world, &["sweep", "s2"]);
    assert_eq!(done(&world, &["wait", "--steady"]), "all 4 servers are steady\n");
}
