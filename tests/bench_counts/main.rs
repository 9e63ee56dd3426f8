//! The bench of the library, tiny, and what it counts, which must not grow: instructions, system calls, allocations.
//! Nothing here fails because something took long. See `benches/library/main.rs`.
//!
//! Instructions are worth a limit in an optimised build only: `make counts` is that one.

#[path = "../../benches/library/counts.rs"]
mod counts;
#[path = "../../benches/library/drawing.rs"]
mod drawing;
#[path = "../../benches/library/growth.rs"]
mod growth;
#[path = "../../benches/library/programs.rs"]
mod programs;
#[path = "../../benches/library/report.rs"]
mod report;
#[path = "../../benches/library/session.rs"]
mod session;
#[path = "../support/mod.rs"]
mod support;

use counts::Counts;
use growth::Grows;
use programs::{SUBJECTS, WORKS, World};
use session::Plan;

/// What a call may cost.
struct Limit {
    work: &'static str,
    instructions: f64,
    system_calls: f64,
    allocations: f64,
}

/// More than it costs today, with room for another compiler: who adds to it should notice, and who takes something
/// away should lower it.
const LIMITS: [Limit; 11] = [
    Limit { work: "set", instructions: 1_450.0, system_calls: 2.05, allocations: 0.0 },
    Limit { work: "get", instructions: 1_450.0, system_calls: 2.05, allocations: 0.0 },
    // A send and a receive for each of eight servers, and one list of where each key is.
    Limit { work: "get of 100 keys", instructions: 96_000.0, system_calls: 20.0, allocations: 1.0 },
    Limit { work: "delete", instructions: 2_000.0, system_calls: 2.05, allocations: 0.0 },
    Limit { work: "incr", instructions: 2_200.0, system_calls: 2.05, allocations: 0.0 },
    // Two of each; who is late is waited for with a poll.
    Limit { work: "doubled set", instructions: 4_600.0, system_calls: 5.05, allocations: 0.0 },
    Limit { work: "doubled get", instructions: 1_500.0, system_calls: 2.05, allocations: 0.0 },
    Limit { work: "doubled 100 keys", instructions: 117_000.0, system_calls: 20.0, allocations: 1.0 },
    // Callgrind takes every byte of a long copy for an instruction: there is none but that of what came with a value's
    // first line. How many pieces a value goes or comes in is the kernel's choice.
    Limit { work: "set of 1 MiB", instructions: 60_000.0, system_calls: 60.0, allocations: 0.0 },
    Limit { work: "get of 1 MiB", instructions: 100_000.0, system_calls: 80.0, allocations: 0.0 },
    Limit { work: "doubled 1 MiB set", instructions: 120_000.0, system_calls: 120.0, allocations: 0.0 },
];

fn sends_and_receives(counts: &Counts) -> [f64; 2] {
    let of = |names: &[&str]| {
        let all = counts.system_calls.iter().filter(|(name, _)| names.contains(&name.as_str()));
        all.map(|(_, calls)| calls).sum()
    };
    [of(&["sendto", "sendmsg", "write", "writev"]), of(&["recvfrom", "recvmsg", "read", "readv"])]
}

impl Limit {
    /// What costs more than it may.
    fn passed(&self, counts: &Counts) -> Vec<String> {
        let all = [
            ("instructions", counts.instructions.unwrap_or(0.0), self.instructions),
            ("system calls", counts.calls(), self.system_calls),
            ("allocations", counts.allocations, self.allocations),
        ];
        let passed = all.iter().filter(|(_, is, may)| is > may);
        passed
            .map(|(what, is, may)| format!("{}: {is} {what}, at most {may} were expected", self.work))
            .collect()
    }
}

#[test]
fn a_call_costs_no_more_than_it_did() {
    let world = World::start(8);
    let optimised = !cfg!(debug_assertions);
    let mut faults = Vec::new();
    // How often one who polls busily asks before an answer comes is the machine's choice.
    for work in WORKS.into_iter().filter(|work| !work.polls()) {
        let limit = LIMITS.iter().find(|limit| limit.work == work.name).expect("a limit for each work");
        let ours = counts::of(&world, 0, work, optimised);
        println!("{}: {ours:?}", work.name);
        let [sends, receives] = sends_and_receives(&ours);
        assert!(sends >= 1.0 && receives >= 1.0, "strace saw nothing of {}: {ours:?}", work.name);
        let instructions = ours.instructions.unwrap_or(0.0);
        assert!(!optimised || instructions > 100.0, "callgrind saw nothing of {}: {ours:?}", work.name);
        faults.extend(limit.passed(&ours));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_costs_more_is_told() {
    let limit = &LIMITS[0];
    let calls = |each: f64| [("sendto".to_owned(), each), ("recvfrom".to_owned(), each)].into();
    let fine = Counts { instructions: Some(limit.instructions), system_calls: calls(1.0), allocations: 0.0 };
    assert!(limit.passed(&fine).is_empty());
    for worse in [
        Counts { instructions: Some(limit.instructions + 1.0), ..fine.clone() },
        Counts { system_calls: calls(1.1), ..fine.clone() },
        Counts { allocations: 0.01, ..fine.clone() },
    ] {
        assert_eq!(limit.passed(&worse).len(), 1, "{worse:?}");
    }
}

/// Counters that count nothing would let everything pass: libmemcached's get is known to allocate, and the raw
/// loop's system calls are known.
#[test]
fn the_counters_count() {
    let world = World::start(2);
    let [libmemcached, raw] = [1, 2].map(|subject| counts::of(&world, subject, WORKS[1], false));
    assert!(libmemcached.allocations >= 1.0, "{libmemcached:?}");
    assert_eq!(raw.allocations, 0.0, "{raw:?}");
    assert!((2.0..2.1).contains(&raw.calls()), "{raw:?}");
    let memory = [0, 2].map(|subject| counts::memory(&world, subject, 8));
    assert!(memory.iter().all(|memory| memory.heap > 1_000.0), "{memory:?}");
}

#[test]
fn a_tiny_bench_has_figures_for_everybody() {
    let world = World::start(3);
    let plan = Plan { works: WORKS.to_vec(), seconds: 0.001, rounds: 2, counted: false, handles: 4 };
    let figures = session::measure(&plan, &world, |_| {});
    print!("{}", figures.text());
    assert_eq!((figures.works.len(), figures.memory.len()), (WORKS.len(), SUBJECTS.len()));
    for of in &figures.works {
        assert_eq!(of.rounds.len(), 2);
        assert!(of.rounds.iter().flat_map(|round| round.nanos).all(|nanos| nanos > 0.0), "{of:?}");
    }
    let json = format!("{{{}}}", figures.json());
    assert!(!json.contains("NaN") && !json.contains("inf"), "{json}");
    assert_eq!(json.matches("\"subject\":").count(), (WORKS.len() + 1) * SUBJECTS.len());
}

#[test]
fn what_grows_is_measured_and_drawn() {
    let axis = |grows, points| growth::Axis { grows, points };
    let axes = [
        axis(Grows::Keys, vec![1, 2_500]),
        axis(Grows::Servers, vec![1, 3]),
        axis(Grows::Bytes, vec![1, 100_000]),
        axis(Grows::Processes, vec![1, 3]),
    ];
    assert_eq!(growth::servers(&axes), 8);
    assert_eq!(growth::servers(&growth::axes()), 256);
    let all = growth::measure(&axes, &World::start(8), 1, 0.001, |_| {});
    assert!(all.iter().flat_map(|grown| &grown.points).all(|(_, micros)| micros.iter().all(|us| *us > 0.0)));
    let (text, json, svg) = (growth::text(&all), growth::json(&all), growth::svg(&all));
    println!("{text}");
    assert!([&text, &json, &svg].iter().all(|text| !text.contains("NaN") && !text.contains("inf")), "{svg}");
    assert_eq!(svg.matches("<polyline").count(), axes.len() * SUBJECTS.len());
}
