//! Large worlds, by seed.

use std::sync::atomic::{AtomicU64, Ordering};

use super::carrier::Planted;
use super::plan::Plan;
use super::tally::Tally;

/// Worlds in the default run: what `make check` has time for.
const WORLDS: u64 = if cfg!(debug_assertions) { 3_000 } else { 100_000 };

/// Seeds that once went wrong, and what it was: they stay. (seed, name)
const ONCE_WRONG: &[(u64, &str)] = &[
    (18, "a source that restarted unseen made its miss clear the mirror"),
    (63, "a stub was read as an empty value in a pool without backups"),
    (310, "a mirror without meta commands cleared a steady home"),
    (509, "a condition's outcome was published by an empty server"),
    (2260, "a returned server that fell again came back as steady"),
    (2420, "a counter cleared the last second copy before there was another"),
    (19761, "a server that missed a write while most were down came back with what it had"),
    (29144, "a delta counted three times: who counts had not been met when it was asked"),
    (9938, "an add was sent again to a server that had not been met when it was asked, and refused"),
    (53966, "a late greeting of its former life made a server pass for one restarted since, unflushed"),
    (79381, "the same, while its neighbour was down"),
    (2344, "five of six servers owed a flush, and each waited for the others for ever"),
    (25517, "an add planned before another client learnt of a restart was decided by the empty server"),
    (124032, "a CAS number of a former life was handed out as one of the present life"),
    (129652, "judge: a get-and-touch was taken to settle what an unanswered delta had left open"),
    (271083, "judge: a counter on stand-ins was expected to outlive the cap of its last store"),
    (42184, "judge: the window was waited for while a server was still on its way back"),
    (35131, "judge: the same"),
    (44481, "judge: the same"),
    (80_277, "judge: a miss was expected although most servers had come to seem down meanwhile"),
    (
        20_001_092,
        "a greeting of a life that nobody had met passed for a restart, and a delta was counted again",
    ),
    (
        40_234_589,
        "a value that nobody held any more was missed, and then brought back by a call that had just read it",
    ),
];

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}; it must be a number")))
}

/// The story of a world that went wrong: its plan, its trace, and how to see it again.
fn story(plan: &Plan, bad: &str) -> String {
    let trace = plan.run(true).trace;
    let told: Vec<&String> = trace.iter().rev().take(150).collect();
    let lines: Vec<&str> = told.into_iter().rev().map(String::as_str).collect();
    format!(
        "{}\n\nWorld {} went wrong: {bad}\n{plan:?}\nReplay: SIM_REPLAY={} cargo test --release --test simulation replay -- --nocapture",
        lines.join("\n"),
        plan.seed,
        plan.seed
    )
}

/// Runs worlds from `first` on, on both cores; the first that goes wrong ends the test.
fn run_worlds(first: u64, count: u64) -> Tally {
    let next = AtomicU64::new(0);
    let worst = std::sync::Mutex::new(None::<(u64, String)>);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(8);
    let work = || {
        let mut tally = Tally::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count || worst.lock().is_ok_and(|w| w.is_some()) {
                return tally;
            }
            let run = Plan::new(first + index).run(false);
            tally.add(run.tally);
            if let (Some(bad), Ok(mut worst)) = (run.bad, worst.lock()) {
                worst.get_or_insert((first + index, bad));
            }
        }
    };
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for handle in handles {
            tally.add(handle.join().expect("a world does not panic"));
        }
    });
    if let Ok(Some((seed, bad))) = worst.into_inner() {
        panic!("{}", story(&Plan::new(seed), &bad));
    }
    tally
}

#[test]
fn large_worlds_by_seed() {
    let first = from_environment("SIM_SEED").unwrap_or(1);
    let count = from_environment("SIM_WORLDS").unwrap_or(WORLDS);
    let began = std::time::Instant::now();
    let tally = run_worlds(first, count);
    println!("{count} worlds from seed {first} in {:.1?}:\n{}", began.elapsed(), tally.lines());
    assert!(tally.hits > tally.calls / 10, "worlds in which nothing is read prove nothing: {tally:?}");
    let never = tally.missing();
    assert!(count < WORLDS || never.is_empty(), "these never happened: {never:?}");
}

/// Tells the whole story of the world of SIM_REPLAY; without it there is nothing to replay.
#[test]
fn replay() {
    let Some(seed) = from_environment("SIM_REPLAY") else { return };
    let plan = Plan::new(seed);
    let run = plan.run(true);
    println!("{plan:#?}\n{}", run.trace.join("\n"));
    assert_eq!(run.bad, None, "world {seed}");
}

#[test]
fn seeds_that_once_went_wrong_stay_right() {
    for (seed, name) in ONCE_WRONG {
        let plan = Plan::new(*seed);
        if let Some(bad) = plan.run(false).bad {
            panic!("{name}: {}", story(&plan, &bad));
        }
    }
}

#[test]
fn a_world_is_its_seed() {
    for seed in 1..20 {
        let (one, two) = (Plan::new(seed).run(true), Plan::new(seed).run(true));
        assert_eq!(one.trace, two.trace, "seed {seed}");
        assert!(!one.trace.is_empty());
    }
}

/// The first of `count` worlds in which the planted fault shows.
fn find(planted: Planted, count: u64) -> Option<(u64, String)> {
    (1..=count).find_map(|seed| {
        let plan = Plan { planted, ..Plan::new(seed) };
        let bad = plan.run(false).bad?;
        // The world must be right without it.
        Plan::new(seed).run(false).bad.is_none().then_some((seed, bad))
    })
}

/// Planted faults must be found by this many worlds: the fewest that are ever run.
const SOON: u64 = 3_000;

fn must_be_found(planted: Planted) {
    match find(planted, SOON) {
        Some((seed, bad)) => println!("{planted:?} is found in world {seed}: {bad}"),
        None => panic!("{planted:?} is not found in {SOON} worlds: the simulator is blind"),
    }
}

#[test]
fn a_return_without_a_flush_is_found() {
    must_be_found(Planted::NoFlush);
}

#[test]
fn a_write_that_clears_nothing_is_found() {
    must_be_found(Planted::NoClearing);
}

#[test]
fn what_is_sent_under_an_older_view_is_found() {
    must_be_found(Planted::StaleSend);
}

#[test]
fn a_delta_sent_twice_is_found() {
    must_be_found(Planted::BlindResend);
}

#[test]
fn a_stub_taken_for_a_value_is_found() {
    must_be_found(Planted::StubIsValue);
}

/// With SIM_SURVEY set: runs that many worlds to their ends and lists what goes wrong, by kind, with the
/// seeds; for whoever has more than one fault to find.
#[test]
fn survey() {
    let Some(count) = from_environment("SIM_SURVEY") else { return };
    let first = from_environment("SIM_SEED").unwrap_or(1);
    let mut kinds = std::collections::BTreeMap::<String, Vec<u64>>::new();
    for seed in first..first + count {
        if let Some(bad) = Plan::new(seed).run(false).bad {
            let words: Vec<&str> = bad.split_whitespace().filter(|w| !w.contains(char::is_numeric)).collect();
            kinds.entry(words.iter().take(7).copied().collect::<Vec<_>>().join(" ")).or_default().push(seed);
        }
    }
    for (kind, seeds) in &kinds {
        println!("{:>6} {kind}: {:?}", seeds.len(), seeds.iter().take(6).collect::<Vec<_>>());
    }
    assert!(kinds.is_empty(), "{count} worlds");
}
