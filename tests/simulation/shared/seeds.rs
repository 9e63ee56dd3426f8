//! Worlds of several processes, by seed: many of them, those that once went wrong, and that planted faults are found.

use super::counts::Counts;
use super::faults::Planted;
use super::plan::Plan;
use crate::survey::{self, each, from_environment, print_kinds, story};

/// Worlds in the default run: what `make check` has time for.
const WORLDS: u64 = if cfg!(debug_assertions) { 300 } else { 6_000 };

/// Planted faults must be found by this many worlds, from where the rare ones are first found (to look for them elsewhere:
/// SHARED_SEED, SHARED_SOON).
const SOON: u64 = 1_500;

/// Seeds that once went wrong, and what it was: they stay. (seed, name) The plans of wide worlds have changed since
/// all but the first were found, so those name what was learnt and need not go through the same story again.
const BEFORE_SWEEPS: &[(u64, &str)] = &[(
    124_424,
    "judge: a value was expected although an unheard write had replaced it, and both its servers failed",
)];

/// The same of worlds with sweeps. Their plans, and the rules, have changed since: they name what was learnt.
const ONCE_WRONG: &[(u64, &str)] = &[
    (7_473, "a server came back while a call went by the list before, which stored on it; nobody walked it"),
    (18_380, "the same"),
    (4_892, "a stub that a killed append left behind passed for a value on a server that was swept since"),
    (1_029_625, "a stub that a walk found on acting was taken for a copy, and the mirror's was the only one"),
    (1_004_340, "a value that was moved between its target's flush and its source's survived a flush of all"),
    (2_027_530, "a call under the list before moved a copy to a place that a read had just asked"),
    (2_051_264, "a failed condition left what it had moved on acting alone, behind the back of the walk"),
    (2_033_955, "the model: a trial that a stopped daemon had begun flushed what others had brought back"),
    (
        5_007,
        "a mirror's word for a touch counted although a complete home had said before that there is nothing",
    ),
    (
        3_054_905,
        "an append took the copy that it had begun to delete for one that is there, when a drain was taken back",
    ),
    (
        3_194_732,
        "a server was called steady while a walk that its source had outlived was still moving a key onto it",
    ),
    (
        69_642,
        "a move left its stub on a home that became complete under it, and an append took it for a value",
    ),
    (
        120,
        "a process that was older than its server's fall counted as a younger one, by a wall clock that was set back",
    ),
];

fn right(seed: u64) -> Option<String> {
    Plan::new(seed, Planted::Nothing).run(false).1
}

/// The story of a world that went wrong.
fn told(seed: u64, bad: &str) -> String {
    let plan = Plan::new(seed, Planted::Nothing);
    let trace = plan.run(true).0.net.trace.take().unwrap_or_default();
    story(&trace, &plan, bad, &format!("SHARED_REPLAY={seed} cargo test"))
}

/// With SHARED_SURVEY set: all of them to their ends, and what goes wrong by kind.
#[test]
fn shared_worlds_by_seed() {
    let first = from_environment("SHARED_SEED").unwrap_or(1);
    let count = from_environment("SHARED_WORLDS").unwrap_or(WORLDS);
    let survey = std::env::var_os("SHARED_SURVEY").is_some();
    let began = std::time::Instant::now();
    let (wrong, sums) = each(first, count, survey, |seed, counts: &mut Counts| {
        let (land, bad) = Plan::new(seed, Planted::Nothing).run(false);
        counts.add(&land.counts);
        bad
    });
    print_kinds(&wrong);
    if let Some((seed, bad)) = wrong.first() {
        panic!("{}\n{} of {count} worlds", told(*seed, bad), wrong.len());
    }
    let mut counts = Counts::default();
    sums.iter().for_each(|other| counts.add(other));
    println!(
        "{count} worlds of several processes, seeds {first} to {}, in {:.1?}:\n{}",
        first + count - 1,
        began.elapsed(),
        counts.lines()
    );
    let never = counts.missing();
    assert!(count < WORLDS || never.is_empty(), "these never happened: {never:?}");
}

#[test]
fn shared_seeds_that_once_went_wrong_stay_right() {
    for (seed, name) in BEFORE_SWEEPS {
        if let Some(bad) = Plan::plain(*seed, Planted::Nothing).run(false).1 {
            panic!("{name}: {bad}");
        }
    }
    for (seed, name) in ONCE_WRONG {
        if let Some(bad) = right(*seed) {
            panic!("{name}: {}", told(*seed, &bad));
        }
    }
}

/// Tells the whole story of the world of SHARED_REPLAY; without it there is nothing to replay.
#[test]
fn shared_replay() {
    let Some(seed) = from_environment("SHARED_REPLAY") else { return };
    let plan = Plan::new(seed, Planted::Nothing);
    let (mut land, bad) = plan.run(true);
    println!("{plan:#?}\n{}", land.net.trace.take().unwrap_or_default().join("\n"));
    assert_eq!(bad, None, "world {seed}");
}

fn must_be_found(planted: Planted, first: u64, plan: fn(u64, Planted) -> Plan) {
    // A wrong answer it must be: that a process asks a server which is down is no proof, unless just that is planted.
    let at_odds = planted == Planted::OldConnections;
    let wrong = |bad: &String| at_odds || !bad.starts_with("an operation asks");
    let with = |seed| plan(seed, planted).run(false).1.filter(wrong);
    let without = |seed| plan(seed, Planted::Nothing).run(false).1;
    let first = from_environment("SHARED_SEED").unwrap_or(first);
    let soon = from_environment("SHARED_SOON").unwrap_or(SOON);
    survey::must_be_found(&planted, first, soon, with, without);
}

macro_rules! found {
    ($($name:ident: $planted:ident in $plan:ident from $first:literal,)*) => {
        $(#[test]
        fn $name() {
            must_be_found(Planted::$planted, $first, Plan::$plan);
        })*
    };
}

found! {
    copies_that_are_not_cleared_are_found: NoClearing in plain from 1,
    who_diverts_alone_is_found: DivertsAlone in plain from 1,
    who_judges_in_silence_is_found: NoEpochs in plain from 1,
    a_daemon_that_does_not_settle_is_found: NoSettling in plain from 1,
    writers_without_turns_are_found: NoStripes in plain from 1,
    a_turn_taken_over_without_proof_is_found: NoProof in plain from 3000,
    a_change_without_an_answer_that_is_forgotten_is_found: NoDoubts in plain from 12800,
    a_miss_for_a_place_that_was_passed_by_is_found: HastyMiss in plain from 1,
    who_looks_at_the_table_too_rarely_is_found: LateLook in plain from 9500,
    a_connection_that_outlives_its_servers_return_is_found: OldConnections in plain from 1,
    a_draining_server_that_acts_is_found: DrainingActs in plain from 1,
    trials_that_do_not_take_turns_are_found: TrialsTogether in plain from 12800,
    calls_that_a_walk_does_not_wait_for_are_found: NoCalm in new from 7400,
    a_move_without_a_turn_is_found: MoveNoStripe in new from 1800,
    a_walk_that_was_cut_short_is_found: HalfWalk in new from 1,
    a_copy_that_stays_where_it_was_found_is_found: SourceStays in new from 1,
    a_walk_that_began_too_early_is_found: EarlyWalk in new from 1,
    a_miss_under_an_older_list_is_found: OldMiss in new from 22700,
    what_the_list_before_placed_and_nobody_clears_is_found: OldPlacesStay in new from 1,
    a_repair_without_a_turn_is_found: RudeRepair in new from 9000,
    a_stub_that_stays_on_a_complete_home_is_found: StubStays in new from 69600,
    times_on_a_wall_clock_that_is_set_are_found: WallClock in plain from 1,
}
