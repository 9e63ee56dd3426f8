//! How the cost of a get grows: with the keys of a call, with the servers, with the length of the value, with the
//! processes that ask at once. Few rounds, so a line has kinks that mean nothing; its slope is what it shows.

use std::fmt::Write as _;

use crate::drawing::{self, Line, Panel, Scales};
use crate::programs::{Running, SUBJECTS, Work, World};
use crate::report::middle;

/// What grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grows {
    /// The keys of a get.
    Keys,
    /// The servers, at a get of a hundred keys.
    Servers,
    /// The value, in bytes.
    Bytes,
    /// The processes, at a get of one key.
    Processes,
}

/// What is measured of one thing that grows.
pub struct Axis {
    /// What grows.
    pub grows: Grows,
    /// To these.
    pub points: Vec<usize>,
}

/// What was measured.
pub struct Grown {
    /// What grew.
    pub grows: Grows,
    /// What it was, and the microseconds that each subject took.
    pub points: Vec<(usize, [f64; SUBJECTS.len()])>,
}

/// All of it.
pub fn axes() -> Vec<Axis> {
    vec![
        Axis { grows: Grows::Keys, points: vec![1, 10, 100, 1_000, 10_000] },
        Axis { grows: Grows::Servers, points: vec![1, 4, 16, 64, 256] },
        Axis { grows: Grows::Bytes, points: vec![1, 100, 10_000, 100_000, 1 << 20] },
        Axis { grows: Grows::Processes, points: vec![1, 4, 16, 64] },
    ]
}

/// So many servers are needed for them.
pub fn servers(axes: &[Axis]) -> usize {
    let most = axes.iter().filter(|axis| axis.grows == Grows::Servers).flat_map(|axis| &axis.points).max();
    most.copied().unwrap_or(0).max(USUAL_SERVERS)
}

const USUAL_SERVERS: usize = 8;

/// One point of an axis.
struct Point {
    work: Work,
    servers: usize,
    processes: usize,
}

impl Grows {
    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Grows::Keys => "keys of a get: us a key",
            Grows::Servers => "servers: us a get of 100 keys",
            Grows::Bytes => "bytes of a value: us a get",
            Grows::Processes => "processes at once: us a get, of all together",
        }
    }

    fn point(self, at: usize) -> Point {
        let many = |keys| Work { name: "growth", kind: "many", bytes: 100, keys };
        let get = |bytes| Work { name: "growth", kind: "get", bytes, keys: 1 };
        let (mut servers, mut processes) = (USUAL_SERVERS, 1);
        let work = match self {
            Grows::Keys => many(at),
            Grows::Servers => {
                servers = at;
                many(100)
            }
            Grows::Bytes => get(at),
            Grows::Processes => {
                processes = at;
                get(100)
            }
        };
        Point { work, servers, processes }
    }
}

/// Measures the axes: every point in so many rounds, in which the subjects take turns of about so long.
pub fn measure(axes: &[Axis], world: &World, rounds: usize, seconds: f64, said: impl Fn(&str)) -> Vec<Grown> {
    let of_axis = |axis: &Axis| {
        let points = axis.points.iter().map(|at| {
            said(&format!("{}: {at}", axis.grows.title()));
            let point = axis.grows.point(*at);
            let divided = if axis.grows == Grows::Keys { *at as f64 } else { 1.0 };
            let all: Vec<_> = (0..rounds).map(|round| once(&point, world, round, seconds)).collect();
            (*at, std::array::from_fn(|subject| middle(all.iter().map(|micros| micros[subject])) / divided))
        });
        Grown { grows: axis.grows, points: points.collect() }
    };
    axes.iter().map(of_axis).collect()
}

/// One round: microseconds of a call, by subject.
fn once(point: &Point, world: &World, round: usize, seconds: f64) -> [f64; SUBJECTS.len()] {
    const TRIED: usize = 5;
    let mut micros = [0.0; SUBJECTS.len()];
    for turn in 0..SUBJECTS.len() {
        let subject = (round + turn) % SUBJECTS.len();
        let start = |_| {
            Running::start(SUBJECTS[subject], &mut world.command(subject, point.work, &[], point.servers))
        };
        let mut all: Vec<Running> = (0..point.processes).map(start).collect();
        together(&mut all, TRIED);
        let calls = (seconds * 1e9 * TRIED as f64 / together(&mut all, TRIED).max(1.0)) as usize;
        let calls = calls.clamp(TRIED, 100_000);
        micros[subject] = together(&mut all, calls) / (calls * point.processes) as f64 / 1_000.0;
        all.into_iter().for_each(Running::finish);
    }
    micros
}

/// All make so many calls at once; how long the slowest took, in nanoseconds.
fn together(all: &mut [Running], calls: usize) -> f64 {
    all.iter_mut().for_each(|running| running.begin(calls));
    all.iter_mut().map(|running| running.end().nanos).max().unwrap_or(0) as f64
}

/// For people.
pub fn text(all: &[Grown]) -> String {
    let mut text = String::new();
    for grown in all {
        let [ours, libmemcached, raw] = SUBJECTS;
        let _ = writeln!(text, "\n{:<48}{ours:>14}{libmemcached:>14}{raw:>14}", grown.grows.title());
        for (at, micros) in &grown.points {
            let [ours, libmemcached, raw] = micros;
            let _ = writeln!(text, "{at:>46}  {ours:>14.2}{libmemcached:>14.2}{raw:>14.2}");
        }
    }
    text
}

/// For programs.
pub fn json(all: &[Grown]) -> String {
    let of_one = |grown: &Grown| {
        let points = grown.points.iter().map(|(at, micros)| format!("{{\"at\":{at},\"us\":{micros:.3?}}}"));
        let points: Vec<_> = points.collect();
        format!("{{\"title\":\"{}\",\"points\":[{}]}}", grown.grows.title(), points.join(","))
    };
    let all: Vec<_> = all.iter().map(of_one).collect();
    format!("\"subjects\":{SUBJECTS:?},\"growth\":[\n{}\n]", all.join(",\n"))
}

const COLOURS: [&str; SUBJECTS.len()] = ["#c22", "#26c", "#888"];

/// A drawing: a panel for each axis, a line for each subject.
pub fn svg(all: &[Grown]) -> String {
    let line = |grown: &Grown, subject: usize| {
        let points = grown.points.iter().map(|(at, micros)| (*at as f64, micros[subject]));
        Line { colour: COLOURS[subject], points: points.collect() }
    };
    let panels = all.iter().map(|grown| Panel {
        title: grown.grows.title().to_owned(),
        scales: Scales::Logarithmic,
        lines: (0..SUBJECTS.len()).map(|subject| line(grown, subject)).collect(),
    });
    let legend: Vec<_> = SUBJECTS.into_iter().zip(COLOURS).collect();
    drawing::svg(&panels.collect::<Vec<_>>(), &legend)
}
