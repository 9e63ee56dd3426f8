//! What is told of the proxy: `stats`, summed over the servers, `stats proxy`, and Prometheus' text.

use std::fmt::Write;

use super::counters::KINDS;
use super::service::Shared;
use crate::client::crowd::latency::{Latency, STEPS, end_of};
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

/// How many requests of a kind were begun, over all loops, and how long those that were answered took.
fn command(shared: &Shared, kind: usize) -> (u64, Latency) {
    let (mut begun, mut latency) = (0, Latency::default());
    for kind in shared.loops.iter().map(|one| &one.counters.kinds[kind]) {
        begun += kind.begun.get();
        latency.add(&kind.latency());
    }
    (begun, latency)
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
        let (begun, latency) = command(shared, at);
        stat(&format!("cmd_{name}"), &begun);
        stat(&format!("cmd_{name}_answered"), &latency.count());
        times(&mut stat, &format!("cmd_{name}_"), &latency);
    }
    for server in shared.servers() {
        let name = &server.name;
        stat(&format!("server:{name}:state"), &state(server.state));
        stat(&format!("server:{name}:reached"), &u8::from(!server.unreachable));
        stat(&format!("server:{name}:asked"), &server.traffic.asked);
        stat(&format!("server:{name}:answered"), &server.traffic.answered);
        stat(&format!("server:{name}:lost"), &server.traffic.lost);
        times(&mut stat, &format!("server:{name}:"), &server.traffic.latency);
    }
    text.push_str("END");
    text.into_bytes()
}

/// The times of one kind of command, or of one server.
fn times(stat: &mut dyn FnMut(&str, &dyn std::fmt::Display), name: &str, latency: &Latency) {
    stat(&format!("{name}micros"), &latency.micros);
    stat(&format!("{name}p50_micros"), &latency.quantile(500));
    stat(&format!("{name}p99_micros"), &latency.quantile(990));
}

/// A histogram as Prometheus reads it, but for its type. `label`: with its name.
fn histogram(text: &mut String, name: &str, label: &str, latency: &Latency) {
    let mut below = 0;
    for (step, count) in latency.steps.iter().enumerate() {
        below += count;
        let end = if step < STEPS { (end_of(step) as f64 / 1e6).to_string() } else { "+Inf".to_owned() };
        let _ = writeln!(text, "{name}_bucket{{{label},le=\"{end}\"}} {below}");
    }
    let _ = writeln!(text, "{name}_sum{{{label}}} {}", latency.micros as f64 / 1e6);
    let _ = writeln!(text, "{name}_count{{{label}}} {below}");
}

/// The same as Prometheus reads it.
pub(super) fn prometheus(shared: &Shared) -> String {
    let mut text = String::new();
    for (name, value) in shared.totals() {
        let kind = if name.starts_with("curr_") { "gauge" } else { "counter" };
        let _ = writeln!(text, "# TYPE memcache_proxy_{name} {kind}\nmemcache_proxy_{name} {value}");
    }
    text.push_str("# TYPE memcache_proxy_commands_total counter\n");
    let commands: Vec<_> = KINDS.iter().enumerate().map(|(at, name)| (name, command(shared, at))).collect();
    for (name, (begun, _)) in &commands {
        let _ = writeln!(text, "memcache_proxy_commands_total{{command=\"{name}\"}} {begun}");
    }
    text.push_str("# TYPE memcache_proxy_request_seconds histogram\n");
    for (name, (_, latency)) in &commands {
        histogram(&mut text, "memcache_proxy_request_seconds", &format!("command=\"{name}\""), latency);
    }
    let servers = shared.servers();
    let label = |server: &super::service::Told| {
        format!("server=\"{}\"", server.name.replace('\\', "\\\\").replace('"', "\\\""))
    };
    text.push_str("# TYPE memcache_proxy_server_seconds histogram\n");
    for server in &servers {
        histogram(&mut text, "memcache_proxy_server_seconds", &label(server), &server.traffic.latency);
    }
    let mut family = |name: &str, kind: &str, value: &dyn Fn(&super::service::Told) -> f64| {
        let _ = writeln!(text, "# TYPE memcache_proxy_server_{name} {kind}");
        for server in &servers {
            let _ = writeln!(text, "memcache_proxy_server_{name}{{{}}} {}", label(server), value(server));
        }
    };
    family("up", "gauge", &|server| f64::from(u8::from(server.state != State::Down && !server.unreachable)));
    family("steady", "gauge", &|server| f64::from(u8::from(server.state == State::Steady)));
    family("asked_total", "counter", &|server| server.traffic.asked as f64);
    family("answered_total", "counter", &|server| server.traffic.answered as f64);
    family("lost_total", "counter", &|server| server.traffic.lost as f64);
    text
}
