//! Many worlds by seed, for both kinds of worlds: run on every core, and their failures told so that
//! whoever reads them can see the world again.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that was set for this run.
pub fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}; it must be a number")))
}

/// The worlds that went wrong, with what was wrong.
pub type Wrong = Vec<(u64, String)>;

/// Runs worlds from `first` on, on every core: to the end, or to the first that goes wrong. `run` counts what
/// happened in its `T`; there is one for each core.
pub fn each<T: Default + Send>(
    first: u64,
    count: u64,
    to_the_end: bool,
    run: impl Fn(u64, &mut T) -> Option<String> + Sync,
) -> (Wrong, Vec<T>) {
    let next = AtomicU64::new(0);
    let wrong = Mutex::new(Wrong::new());
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(8);
    let work = || {
        let mut sum = T::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let over = !to_the_end && !wrong.lock().expect("no world panics").is_empty();
            if index >= count || over {
                return sum;
            }
            if let Some(bad) = run(first + index, &mut sum) {
                wrong.lock().expect("no world panics").push((first + index, bad));
            }
        }
    };
    let sums = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().map(|handle| handle.join().expect("a world does not panic")).collect()
    });
    let mut wrong = wrong.into_inner().expect("no world panics");
    wrong.sort();
    (wrong, sums)
}

/// What went wrong, by kind, with some seeds of each.
pub fn print_kinds(wrong: &[(u64, String)]) {
    let mut kinds = BTreeMap::<String, Vec<u64>>::new();
    for (seed, bad) in wrong {
        let words: Vec<&str> = bad.split_whitespace().filter(|w| !w.contains(char::is_numeric)).collect();
        kinds.entry(words.iter().take(7).copied().collect::<Vec<_>>().join(" ")).or_default().push(*seed);
    }
    for (kind, seeds) in &kinds {
        println!("{:>6} {kind}: {:?}", seeds.len(), seeds.iter().take(6).collect::<Vec<_>>());
    }
}

/// The story of a world that went wrong: the end of its trace, its plan, and how to see it again.
pub fn story(trace: &[String], plan: &impl Debug, bad: &str, replay: &str) -> String {
    let told = &trace[trace.len().saturating_sub(150)..];
    format!(
        "{}\n\nA world went wrong: {bad}\n{plan:?}\nReplay: {replay} --release --test simulation replay -- --nocapture",
        told.join("\n")
    )
}

/// A planted fault must be found among the `count` worlds from `first` on: in one that is right without it.
pub fn must_be_found(
    what: &impl Debug,
    first: u64,
    count: u64,
    with: impl Fn(u64) -> Option<String>,
    without: impl Fn(u64) -> Option<String>,
) {
    let found = (first..first + count).find_map(|seed| {
        let bad = with(seed)?;
        without(seed).is_none().then_some((seed, bad))
    });
    match found {
        Some((seed, bad)) => println!("{what:?} is found in world {seed}: {bad}"),
        None => panic!("{what:?} is not found in {count} worlds from {first} on: the simulator is blind"),
    }
}
