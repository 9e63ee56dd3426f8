//! `make bench-proxy`: what a proxy costs, side by side on this machine: memcached without one, Debian's
//! nutcracker, and memcache-proxy without and with backups.
//!
//! ```text
//! proxy [--proxy PROGRAM] [--json FILE] [--seconds N] [--rounds N] [--clients N] [--idle N] [--traced N]
//! ```
//!
//! The load: 32 clients, 90 % get and 10 % set of 100 bytes, 1,000 keys, eight memcacheds of one thread
//! each; at one request under way on a connection and at sixteen. All subjects take turns, in several
//! rounds; the figures are those of the round in the middle. Then system calls are counted on a short run
//! (--traced requests), and the memory of idle connections is looked at (--idle of them).
//!
//! `calls` are system calls of the subject for a request, `cpu` its processor time. Of memcacheds that
//! clients choose between neither is shown: the work is spread over them.

use std::path::{Path, PathBuf};
use std::time::Duration;

mod cost;
mod load;
mod report;
mod session;
mod subjects;
#[path = "../../tests/support/mod.rs"]
mod support;

use load::{Load, Until};
use report::Figures;
use session::Plan;
use subjects::{Servers, Subject};
use support::keep;

const SERVERS: usize = 8;

/// What was asked for.
struct Asked {
    proxy: Option<PathBuf>,
    json: Option<PathBuf>,
    seconds: f64,
    rounds: usize,
    clients: usize,
    idle: usize,
    traced: usize,
}

const USAGE: &str = "usage: proxy [--proxy PROGRAM] [--json FILE] [--seconds N] [--rounds N] [--clients N] \
                     [--idle N] [--traced N]";

fn asked() -> Result<Asked, String> {
    let mut asked =
        Asked { proxy: None, json: None, seconds: 2.0, rounds: 5, clients: 32, idle: 10_000, traced: 50_000 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        let number = |text: String| text.parse::<usize>().map_err(|_| format!("{text} is no number"));
        match word.as_str() {
            "--proxy" => asked.proxy = Some(value()?.into()),
            "--json" => asked.json = Some(value()?.into()),
            "--seconds" => asked.seconds = value()?.parse().map_err(|_| "--seconds needs a number")?,
            "--rounds" => asked.rounds = number(value()?)?.clamp(1, 100),
            "--clients" => asked.clients = number(value()?)?.clamp(1, 256),
            "--idle" => asked.idle = number(value()?)?.min(15_000),
            "--traced" => asked.traced = number(value()?)?,
            "--bench" => {} // cargo says so
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(asked)
}

fn subjects(servers: &Servers, proxy: Option<&Path>) -> Vec<Subject> {
    let mut all = vec![servers.direct(), servers.hashed_by_clients(), servers.nutcracker()];
    if let Some(program) = proxy {
        all.extend(["none", "pairs"].map(|backup| servers.ours(program, backup)));
    }
    all
}

/// As many open files as the system lets us have, for us and those that we start.
fn take_all_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

fn main() {
    let asked = asked().unwrap_or_else(|words| {
        eprintln!("{words}");
        std::process::exit(64)
    });
    keep::clear_up_when_interrupted();
    take_all_files();
    let servers = Servers::start(SERVERS, asked.idle);
    let subjects = subjects(&servers, asked.proxy.as_deref());
    let load = Load {
        clients: asked.clients,
        depth: 1,
        keys: 1_000,
        value: 100,
        writes_percent: 10,
        until: Until::For(Duration::from_secs_f64(asked.seconds)),
    };
    let plan =
        Plan { load, depths: vec![1, 16], rounds: asked.rounds, traced: asked.traced, idle: asked.idle };
    let all = session::measure(&plan, &subjects, |what| eprintln!("{what}"));
    print(&asked, &all);
    if let Some(path) = &asked.json {
        let all: Vec<_> = all.iter().map(Figures::json).collect();
        let text = format!("{{\"clients\":{},\"subjects\":[\n{}\n]}}\n", asked.clients, all.join(",\n"));
        std::fs::write(path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }
}

fn print(asked: &Asked, all: &[Figures]) {
    println!(
        "{} clients, 90 % get and 10 % set of 100 bytes, 1,000 keys, {SERVERS} memcacheds; {} rounds of {} s; \
         {} processors",
        asked.clients,
        asked.rounds,
        asked.seconds,
        std::thread::available_parallelism().map_or(1, usize::from)
    );
    println!("{}", report::head());
    all.iter().for_each(|figures| print!("{}", figures.lines()));
    if asked.idle > 0 {
        println!(
            "\n{:<26}{:>14}{:>18}",
            format!("a connection of {}", asked.idle),
            "never used",
            "used once"
        );
        all.iter().filter_map(Figures::memory).for_each(|line| println!("{line}"));
    }
    let named = |name: &str| all.iter().find(|figures| figures.name == name);
    if let Some(nutcracker) = named("nutcracker") {
        println!();
        for ours in ["memcache-proxy", "memcache-proxy, backups"].into_iter().filter_map(named) {
            println!("{}", report::compared(ours, nutcracker));
        }
    }
    if !memcached_has_a_proxy() {
        println!("memcached's own proxy is left out: the memcached that is installed was built without it");
    }
}

fn memcached_has_a_proxy() -> bool {
    let help = std::process::Command::new("memcached").arg("-h").output();
    help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("proxy_config"))
}
