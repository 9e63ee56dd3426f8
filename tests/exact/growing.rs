//! A ninth server is added to eight under load. A ninth of all keys move, and none of them is lost for a moment.

use std::process::Command;

use crate::crowd::Shape;
use crate::support::server::Memcached;
use crate::world::{Reach, World, program, strike};

/// Adds a server to the pool, and waits until its keys are there.
fn add(world: &mut World, address: &str) {
    let mut fault = strike(format!("{address} is added"));
    fault.known = fault.struck; // no call has a reason to fail
    let mut command = Command::new(program("memcachectl"));
    command.arg("--pool").arg(&world.pool_file).args(["add", address, "--timeout", "20s"]);
    let said = command.output().expect("memcachectl runs");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    world.works(300);
    fault.over = world.settle(None);
    world.faults.push(fault);
}

#[test]
fn a_ninth_server_is_added_under_load() {
    let mut world = World::new(8, Reach::Plain);
    let report = world.plays(Shape::EIGHT, |world| {
        let new = Memcached::start();
        world.works(300);
        add(world, &new.address());
        let servers = world.snapshot().expect("the table is attended").current.servers;
        assert!(servers.len() > 8, "the table has {} servers", servers.len());
        world.works(300);
        let held = new.stat("curr_items").expect("it answers");
        println!("the new server has {held} items");
        assert!(held > 0, "nothing was moved to the new server");
        world.servers.push(new);
    });
    assert_eq!(report.failed, 0, "calls failed: {report}");
}
