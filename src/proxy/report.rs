//! What is told of the proxy: `stats`, summed over the servers, `stats proxy`, and Prometheus' text.

use std::fmt::Write;

use super::counters::{KINDS, STEPS};
use super::service::Shared;
use crate::rules::view::State;
use crate::rules::wire::stats;

/// Statistics that are not sums: the first server's stand for all, or the largest.
const OF_ONE: [&[u8]; 7] = [b"pid", b"time", b"version", b"libevent", b"pointer_size", b"uptime", b"threads"];

/// Appends the servers' general statistics, each summed over them, in the first one's order.
pub(super) fn sum(all: &[(u16, Vec<u8>)], shared: &Shared, text: &mut Vec<u8>) {
    let Some((_, first)) = all.first() else { return };
    let line = |text: &mut Vec<u8>, name: &[u8], value: &[u8]| {
        for word in [b"STAT ", name, b" ", value, b"\r\n"] {
            text.extend_from_slice(word);
        }
    };
    for (name, value) in stats::lines(first) {
        match name {
            b"pid" => line(text, name, std::process::id().to_string().as_bytes()),
            b"curr_connections" => line(text, name, shared.clients().to_string().as_bytes()),
            name if OF_ONE.contains(&name) => line(text, name, value),
            name => {
                let values = all.iter().filter_map(|(_, text)| {
                    let found = stats::lines(text).find(|(other, _)| *other == name);
                    std::str::from_utf8(found?.1).ok()?.parse::<u64>().ok()
                });
                let (count, total) =
                    values.fold((0, 0u64), |(count, total), value| (count + 1, total.saturating_add(value)));
                match count {
                    0 => line(text, name, value),
                    _ => line(text, name, total.to_string().as_bytes()),
                }
            }
        }
    }
    text.extend_from_slice(b"END\r\n");
}

fn state(state: State) -> &'static str {
    match state {
        State::Steady => "steady",
        State::Returned => "returned",
        State::Draining => "draining",
        State::Down => "down",
    }
}

/// `stats proxy`, but for its last line end.
pub(super) fn lines(shared: &Shared) -> Vec<u8> {
    let mut text = String::new();
    let mut stat = |name: &str, value: &dyn std::fmt::Display| {
        let _ = write!(text, "STAT {name} {value}\r\n");
    };
    stat("version", &env!("CARGO_PKG_VERSION"));
    stat("pid", &std::process::id());
    stat("threads", &shared.loops.len());
    stat("table", &shared.attendance());
    for (name, value) in shared.totals() {
        stat(name, &value);
    }
    for (at, name) in KINDS.iter().enumerate() {
        let total = |of: &dyn Fn(&super::counters::Kind) -> u64| -> u64 {
            shared.loops.iter().map(|one| of(&one.counters.kinds[at])).sum()
        };
        stat(&format!("cmd_{name}"), &total(&|kind| kind.begun.get()));
        stat(&format!("cmd_{name}_answered"), &total(&|kind| kind.answered.get()));
        stat(&format!("cmd_{name}_micros"), &total(&|kind| kind.micros.get()));
    }
    for server in shared.servers() {
        let name = &server.name;
        stat(&format!("server:{name}:state"), &state(server.state));
        stat(&format!("server:{name}:reached"), &u8::from(!server.unreachable));
        stat(&format!("server:{name}:asked"), &server.traffic.asked);
        stat(&format!("server:{name}:answered"), &server.traffic.answered);
        stat(&format!("server:{name}:lost"), &server.traffic.lost);
        stat(&format!("server:{name}:micros"), &server.traffic.micros);
    }
    text.push_str("END");
    text.into_bytes()
}

/// The same as Prometheus reads it.
pub(super) fn prometheus(shared: &Shared) -> String {
    let mut text = String::new();
    for (name, value) in shared.totals() {
        let kind = if name.starts_with("curr_") { "gauge" } else { "counter" };
        let _ = writeln!(text, "# TYPE memcache_proxy_{name} {kind}\nmemcache_proxy_{name} {value}");
    }
    text.push_str("# TYPE memcache_proxy_request_seconds histogram\n");
    for (at, name) in KINDS.iter().enumerate() {
        let kinds = || shared.loops.iter().map(|one| &one.counters.kinds[at]);
        let mut below = 0u64;
        for (step, most) in STEPS.iter().enumerate() {
            below += kinds().map(|kind| kind.steps[step].get()).sum::<u64>();
            let most = *most as f64 / 1e6;
            let _ = writeln!(
                text,
                "memcache_proxy_request_seconds_bucket{{command=\"{name}\",le=\"{most}\"}} {below}"
            );
        }
        let count: u64 = kinds().map(|kind| kind.answered.get()).sum();
        let micros: u64 = kinds().map(|kind| kind.micros.get()).sum();
        let _ =
            writeln!(text, "memcache_proxy_request_seconds_bucket{{command=\"{name}\",le=\"+Inf\"}} {count}");
        let _ = writeln!(
            text,
            "memcache_proxy_request_seconds_sum{{command=\"{name}\"}} {}",
            micros as f64 / 1e6
        );
        let _ = writeln!(text, "memcache_proxy_request_seconds_count{{command=\"{name}\"}} {count}");
    }
    let servers = shared.servers();
    let mut family = |name: &str, kind: &str, value: &dyn Fn(&super::service::Told) -> f64| {
        let _ = writeln!(text, "# TYPE memcache_proxy_server_{name} {kind}");
        for server in &servers {
            let label = server.name.replace('\\', "\\\\").replace('"', "\\\"");
            let _ = writeln!(text, "memcache_proxy_server_{name}{{server=\"{label}\"}} {}", value(server));
        }
    };
    family("up", "gauge", &|server| f64::from(u8::from(server.state != State::Down && !server.unreachable)));
    family("steady", "gauge", &|server| f64::from(u8::from(server.state == State::Steady)));
    family("asked_total", "counter", &|server| server.traffic.asked as f64);
    family("answered_total", "counter", &|server| server.traffic.answered as f64);
    family("lost_total", "counter", &|server| server.traffic.lost as f64);
    family("answer_seconds_total", "counter", &|server| server.traffic.micros as f64 / 1e6);
    text
}
