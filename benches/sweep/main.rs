//! `make bench-sweep`: how fast a sweep is, what it takes of memory, and what a server under load notices of it.
//!
//! ```text
//! sweep --watchd PROGRAM [--keys N] [--bytes N] [--seconds N]
//! ```
//!
//! Two servers keep each other's second copies. One is restarted, and the sweep brings every key back to it: first with all of the
//! time (`sweep_share = "100%"`), beside which stands what one plain connection copies that knows the keys (get and
//! set, pipelined); then with the share that is the default, while others keep the server that is walked busy.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

mod plain;
mod scenario;
#[path = "../../tests/support/mod.rs"]
mod support;

use scenario::World;
use support::keep;

const USAGE: &str = "usage: sweep --watchd PROGRAM [--keys N] [--bytes N] [--seconds N]";

/// What was asked for.
struct Asked {
    watchd: PathBuf,
    keys: u32,
    bytes: usize,
    seconds: u64,
}

fn asked() -> Result<Asked, String> {
    let mut asked = Asked { watchd: PathBuf::new(), keys: 1_000_000, bytes: 100, seconds: 5 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        let number = |text: String| text.parse::<u32>().map_err(|_| format!("{text} is no number"));
        match word.as_str() {
            "--watchd" => asked.watchd = value()?.into(),
            "--keys" => asked.keys = number(value()?)?.clamp(1, 20_000_000),
            "--bytes" => asked.bytes = number(value()?)?.clamp(1, 100_000) as usize,
            "--seconds" => asked.seconds = number(value()?)?.clamp(1, 600).into(),
            "--bench" => {} // cargo says so
            _ => return Err(format!("there is no `{word}'\n{USAGE}")),
        }
    }
    if asked.watchd.as_os_str().is_empty() { Err(USAGE.to_owned()) } else { Ok(asked) }
}

fn main() {
    let asked = asked().unwrap_or_else(|text| {
        eprintln!("{text}");
        std::process::exit(2);
    });
    keep::clear_up_when_interrupted();
    let Asked { keys, bytes, seconds, .. } = asked;
    println!("{keys} keys of {bytes} bytes; two memcached servers in a pair, one of which is restarted\n");

    let mut world = World::new(&asked.watchd, "sweep_share = \"100%\"", keys, bytes);
    let plain = world.copy_plainly();
    let swept = world.sweep();
    println!("one plain connection to each, 512 gets and sets at a time   {:>9.0} keys/s", plain.per_second);
    println!("sweep with all of the time, from returned to steady         {:>9.0} keys/s", swept.per_second);
    println!(
        "that is {:.0} % of it; {:.2} s; the daemon took {:.1} MiB of memory at most\n",
        100.0 * swept.per_second / plain.per_second,
        swept.seconds,
        world.peak_mib()
    );
    drop(world);

    let mut world = World::new(&asked.watchd, "", keys, bytes);
    let span = Duration::from_secs(seconds);
    let alone = world.load(|| sleep(span));
    world.begin_sweep();
    let listing = world.load(|| world.wait_until_it_moves());
    let before = world.moved();
    let beside = world.load(|| sleep(span));
    let moved = world.moved().saturating_sub(before);
    println!("calls on the server that is walked, a second, and the longest of them:");
    for (what, load) in [
        ("without a sweep", &alone),
        ("while a sweep with a tenth of the time lists its keys, and rests", &listing),
        ("while it moves them", &beside),
    ] {
        let share = 100.0 * load.per_second / alone.per_second;
        println!("{:>9.0}  {share:>3.0} %  {:>7.2} ms  {what}", load.per_second, load.longest_ms);
    }
    println!("{moved} keys were moved in {seconds} s");
}
