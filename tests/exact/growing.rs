//! A ninth server is added to eight under load. A ninth of all keys move, and none of them is lost for a moment.

use std::process::Command;

use crate::crowd::Shape;
use crate::support::server::Memcached;
use crate::world::{Reach, World, program, strike};

#[test]
fn a_ninth_server_is_added_under_load() {
    let mut world = World::new(8, Reach::Plain);
    world.begin(Shape::EIGHT);
    world.works(300);
    let new = Memcached::start();
    let mut fault = strike(format!("{} is added", new.address()));
    fault.known = fault.struck; // no call has a reason to fail
    let mut command = Command::new(program("memcachectl"));
    command.arg("--pool").arg(&world.pool_file).args(["add", &new.address(), "--timeout", "20s"]);
    let said = command.output().expect("memcachectl runs");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    world.servers.push(new);
    world.works(300);
    fault.over = world.settle();
    let snapshot = world.snapshot().expect("the table is attended");
    assert_eq!(snapshot.current.servers.len(), 9);
    world.faults.push(fault);
    world.works(300);
    let report = world.end();
    let held = world.servers[8].stat("curr_items").expect("it answers");
    println!("the ninth server has {held} items");
    assert!(held > 0, "nothing was moved to the new server");
    world.demand_all_is_right(&report);
    assert_eq!(report.failed, 0, "calls failed: {report}");
}
