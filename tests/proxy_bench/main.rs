//! The bench of the proxies, tiny: what nobody runs for a month must not rot. See `benches/proxy/main.rs`.
#![cfg(feature = "programs")]

#[path = "../../benches/proxy/cost.rs"]
mod cost;
#[path = "../../benches/proxy/load.rs"]
mod load;
#[path = "../../benches/proxy/report.rs"]
mod report;
#[path = "../../benches/proxy/session.rs"]
mod session;
#[path = "../../benches/proxy/subjects.rs"]
mod subjects;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::time::Duration;

use load::{Load, Until};
use session::Plan;
use subjects::{Servers, Subject};

fn load(depth: usize, until: Until) -> Load {
    Load { clients: 4, depth, keys: 50, value: 100, writes_percent: 10, until }
}

#[test]
fn a_tiny_bench_has_figures_for_everybody() {
    let servers = Servers::start(3, 20);
    let program = Path::new(env!("CARGO_BIN_EXE_memcache-proxy"));
    let mut subjects = vec![servers.direct(), servers.hashed_by_clients()];
    subjects.extend(["none", "pairs"].map(|backup| servers.ours(program, backup)));
    if Path::new("/usr/sbin/nutcracker").exists() {
        subjects.push(servers.nutcracker());
    }
    let plan = Plan {
        load: load(1, Until::For(Duration::from_millis(50))),
        depths: vec![1, 16],
        rounds: 2,
        traced: 100,
        idle: 20,
    };
    let all = session::measure(&plan, &subjects, |_| {});
    assert_eq!(all.len(), subjects.len());
    for figures in &all {
        print!("{}", figures.lines());
        for at in &figures.depths {
            assert_eq!((at.per_second.len(), at.p99.len()), (2, 2), "{}", figures.name);
            assert!(at.per_second.iter().all(|rate| *rate > 0.0), "{}", figures.json());
            assert!(
                at.p50.iter().zip(&at.p99).all(|(p50, p99)| *p50 > 0.0 && p50 <= p99),
                "{}",
                figures.json()
            );
            assert!(
                !figures.one_process || at.calls.iter().any(|(name, _)| name.contains("epoll")),
                "{at:?}"
            );
        }
        assert_eq!(figures.memory().is_some(), figures.one_process, "{}", figures.name);
        assert!(!figures.lines().contains("NaN") && !report::head().is_empty());
    }
    println!("{}", report::compared(&all[0], &all[1]));
}

/// A load that takes any answer for the right one measures nothing.
#[test]
fn a_wrong_answer_ends_the_run() {
    let servers = Servers::start(1, 20);
    let subject: Subject = servers.direct();
    let address = subject.addresses[0].clone();
    let (listener, lying) =
        (std::net::TcpListener::bind("127.0.0.1:0"), "STORED\r\nSTORED\r\nEND\r\nEND\r\n");
    let listener = listener.expect("a port");
    let liar = listener.local_addr().expect("its address").to_string();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 4096]).and_then(|_| client.write_all(lying.as_bytes()));
        }
    });
    let until = Until::Answers(400);
    assert!(load::run(&load(4, until), &[address]).nanos.len() >= 400);
    assert!(std::panic::catch_unwind(|| load::run(&load(1, until), &[liar])).is_err());
}
