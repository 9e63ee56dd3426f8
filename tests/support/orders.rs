//! A program that orders what happens to its servers: a line `kill`, `restart`, `hang` or `wake`, and which; it waits
//! for the answer (c-tests/new_calls.h).

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::keep;
use super::server::Memcached;

/// Runs it to its end, and does to the servers what it orders.
///
/// # Panics
/// When it ended badly.
pub fn run(command: &mut Command, arguments: &[String], servers: &mut [Memcached]) {
    let command = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = keep::spawn(command).expect("it runs (is the package valgrind installed?)");
    let mut answers = child.stdin.take().expect("a pipe");
    let orders = BufReader::new(child.stdout.take().expect("a pipe"));
    for order in orders.lines() {
        let order = order.expect("an order is text");
        let (what, which) = order.split_once(' ').expect("an order says what and which");
        let server = &mut servers[which.parse::<usize>().expect("a number")];
        match what {
            "kill" => server.kill(),
            "restart" => server.restart(),
            "hang" => server.hang(),
            "wake" => server.wake(),
            _ => panic!("unknown order: {order}"),
        }
        writeln!(answers, "done").expect("the program waits for it");
    }
    let status = child.wait().expect("a child can be waited for");
    keep::ended(&child);
    assert!(status.success(), "{command:?}: {status}");
}
