//! What every process of a run has of the machine, looked at again and again: descriptors, memory, threads. They must
//! not grow without bound: once a process has warmed up, what it has in the middle of its time is about what it has at
//! the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::drawing::{self, Line, Panel, Scales};

/// What is sampled: its name, and how much more of it at the end than in the middle is no growth: a part, and an amount. An
/// allocator keeps what was freed in pieces, and a crowd that meets a fault has more connections than one that does not.
/// The last amount, and [`PART`]: how much more a line through the samples may rise to.
const KINDS: [(&str, f64, f64, f64); 3] = [
    ("descriptors", 0.1, 8.0, 4.0),
    ("memory that is its own, MiB", 0.1, 2.0, 1.0),
    ("threads", 0.1, 2.0, 1.0),
];
const PART: f64 = 0.05;

/// With fewer samples nothing is said of a process: it was killed meanwhile, or begins.
const ENOUGH: usize = 60;

/// Through what lives for so many seconds a line is laid: what leaks slowly is a little more at the end than in the middle, but all
/// the time. A daemon of five minutes may not have met its last kind of fault yet, whose first takes some memory for good.
const FOR_A_LINE: f64 = 590.0;

/// The least of so many samples is what a process has at rest: that is what the line is laid through. A daemon at work has
/// two threads or five, as faults come; a leak is there at rest too.
const AT_REST: usize = 30;

/// Its memory fills with what it is given: it is not ours, and no line is laid through what it has.
const SERVER: &str = "memcached";

/// Of every program some process must have lived for such a part of a soak.
const LIFE: f64 = 1.0 / 3.0;

type Sample = [f64; KINDS.len()];

/// One life of one process.
#[derive(Default)]
struct Process {
    name: String,
    samples: Vec<(f64, Sample)>,
}

/// All that were seen, by process id and start.
#[derive(Default)]
pub struct Samples {
    processes: BTreeMap<(u32, u64), Process>,
}

/// What stands in /proc of a process: its parent, when it began, its name. `None`: it has ended.
fn who(pid: u32) -> Option<(u32, u64, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    Some((fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?, name.to_owned()))
}

/// What a process has now. Of its memory what is its own: the crowd's records are in a file that is mapped.
fn look(pid: u32) -> Option<Sample> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let figure = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
    Some([descriptors as f64, figure("RssAnon:")? / 1024.0, figure("Threads:")?])
}

/// Those that are below a process.
fn below(parent: u32) -> Vec<(u32, u64, String)> {
    let entries = fs::read_dir("/proc").expect("/proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let all: BTreeMap<u32, (u32, u64, String)> = pids.filter_map(|pid| Some((pid, who(pid)?))).collect();
    let is_below = |pid: &u32| {
        let mut at = *pid;
        while let Some((above, ..)) = all.get(&at).filter(|(above, ..)| *above != at) {
            at = *above;
            if at == parent {
                return true;
            }
        }
        false
    };
    all.iter()
        .filter(|(pid, _)| is_below(pid))
        .map(|(pid, (_, start, name))| (*pid, *start, name.clone()))
        .collect()
}

impl Samples {
    /// Looks at every process that this one started, and those at theirs.
    pub fn take(&mut self, seconds: f64) {
        for (pid, start, name) in below(std::process::id()) {
            let Some(sample) = look(pid) else { continue };
            let process = self.processes.entry((pid, start)).or_default();
            process.name = name;
            process.samples.push((seconds, sample));
        }
    }

    /// What has grown; nothing, when all is well.
    pub fn grown(&self) -> String {
        let mut text = String::new();
        for ((pid, _), process) in &self.processes {
            for (kind, (what, part, amount, steadily)) in KINDS.iter().enumerate() {
                let Some((middle, end)) = process.middle_and_end(kind) else { continue };
                if end > middle * (1.0 + part) + amount {
                    let _ = writeln!(text, "{} {pid}: {what}: {middle:.1}, and then {end:.1}", process.name);
                }
                let Some((average, rise)) = process.line(kind) else { continue };
                if rise > average * PART + steadily {
                    let _ =
                        writeln!(text, "{} {pid}: {what}: {average:.1}, by {rise:.1} steadily", process.name);
                }
            }
        }
        text
    }

    /// How many processes enough is known of to say something.
    pub fn judged(&self) -> usize {
        self.processes.values().filter(|process| process.samples.len() >= ENOUGH).count()
    }

    /// Those of the programs of which no process lived for long enough, of so many seconds, to say something.
    pub fn unjudged<'a>(&self, programs: &[&'a str], seconds: f64) -> Vec<&'a str> {
        let lived = |process: &Process| process.samples.len() >= ENOUGH && process.life() >= seconds * LIFE;
        let is_judged =
            |name: &str| self.processes.values().any(|process| process.name == name && lived(process));
        programs.iter().copied().filter(|name| !is_judged(name)).collect()
    }

    /// The lines of those of ours that lived longest: what they have on the average, and how much it rises.
    pub fn lines(&self) -> String {
        let mut longest: BTreeMap<&str, &Process> = BTreeMap::new();
        for process in self.processes.values() {
            let best = longest.entry(&process.name).or_insert(process);
            *best = if process.life() > best.life() { process } else { best };
        }
        let mut text = String::new();
        for (name, process) in longest {
            let _ = write!(text, "{name}, for {:.0} s:", process.life());
            for (kind, (what, ..)) in KINDS.iter().enumerate() {
                let Some((average, rise)) = process.line(kind) else { continue };
                let _ = write!(text, " {what}: {average:.2}, {rise:+.2} by its line;");
            }
            text.push('\n');
        }
        text
    }

    /// A panel for each kind and program.
    pub fn svg(&self) -> String {
        const COLOURS: [&str; 6] = ["#c22", "#26c", "#888", "#282", "#a5a", "#c82"];
        let mut names: Vec<&str> = self.processes.values().map(|process| process.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let mut panels = Vec::new();
        for name in names {
            let all: Vec<_> = self.processes.values().filter(|process| process.name == name).collect();
            for (kind, (what, ..)) in KINDS.iter().enumerate() {
                let lines = all.iter().zip(COLOURS.iter().cycle()).map(|(process, colour)| Line {
                    colour,
                    points: process.samples.iter().map(|(at, sample)| (*at, sample[kind])).collect(),
                });
                let title = format!("{name}: {what}, by seconds");
                panels.push(Panel { title, scales: Scales::Linear, lines: lines.collect() });
            }
        }
        drawing::svg(&panels, &[])
    }
}

impl Process {
    /// The medians of the second third of its samples and of the last.
    fn middle_and_end(&self, kind: usize) -> Option<(f64, f64)> {
        let third = self.samples.len() / 3;
        let median = |samples: &[(f64, Sample)]| {
            let mut figures: Vec<f64> = samples.iter().map(|(_, sample)| sample[kind]).collect();
            figures.sort_unstable_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        let enough = self.samples.len() >= ENOUGH;
        enough.then(|| (median(&self.samples[third..2 * third]), median(&self.samples[2 * third..])))
    }
}

impl Process {
    /// Of how many seconds something is known.
    fn life(&self) -> f64 {
        let ends = self.samples.first().zip(self.samples.last());
        ends.map_or(0.0, |((first, _), (last, _))| last - first)
    }

    /// The straight line that is nearest to what it has at rest in the last two thirds of its samples (least squares): what
    /// that is on the average, and how much the line rises in all of its life.
    fn line(&self, kind: usize) -> Option<(f64, f64)> {
        if self.life() < FOR_A_LINE || self.name == SERVER {
            return None;
        }
        let rest = |some: &[(f64, Sample)]| {
            let least = some.iter().map(|(_, sample)| sample[kind]).fold(f64::INFINITY, f64::min);
            (some[AT_REST / 2].0, least)
        };
        let late = &self.samples[self.samples.len() / 3..];
        let late: Vec<(f64, f64)> = late.chunks_exact(AT_REST).map(rest).collect();
        let average = |of: &dyn Fn(&(f64, f64)) -> f64| late.iter().map(of).sum::<f64>() / late.len() as f64;
        let (middle, level) = (average(&|(at, _)| *at), average(&|(_, least)| *least));
        let together = average(&|(at, least)| (at - middle) * (least - level));
        let alone = average(&|(at, _)| (at - middle).powi(2));
        Some((level, together / alone * self.life()))
    }
}

/// Takes samples all the time, until it is dropped.
pub struct Sampler {
    samples: Arc<Mutex<Samples>>,
    began: Instant,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    /// One each time that so much has passed.
    pub fn every(pause: Duration) -> Sampler {
        let samples = Arc::new(Mutex::new(Samples::default()));
        let ((stop, stopped), seen, began) = (channel::<()>(), Arc::clone(&samples), Instant::now());
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                locked(&seen).take(began.elapsed().as_secs_f64());
            }
        });
        Sampler { samples, began, stop: Some(stop), thread: Some(thread) }
    }

    /// Demands that nothing has grown so far; and draws it.
    pub fn check(&self, drawing: &Path) {
        let samples = locked(&self.samples);
        fs::write(drawing, samples.svg()).expect("a place for a drawing");
        println!("{} processes sampled for long enough; drawn: {}", samples.judged(), drawing.display());
        let grown = samples.grown();
        assert!(grown.is_empty(), "these grow (see {}):\n{grown}", drawing.display());
    }

    /// Demands that there was enough of each of these programs to say that nothing grows.
    pub fn judged_all(&self, programs: &[&str]) {
        let samples = locked(&self.samples);
        print!("{}", samples.lines());
        let unjudged = samples.unjudged(programs, self.began.elapsed().as_secs_f64());
        assert!(unjudged.is_empty(), "nothing is known of {unjudged:?}: none lived for long enough");
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn locked(samples: &Mutex<Samples>) -> MutexGuard<'_, Samples> {
    samples.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crowd::Shape;
    use crate::faults::{self, Kind};
    use crate::world::{Reach, World};

    /// A process whose descriptors are as `figure` says.
    fn with(figure: impl Fn(usize) -> f64) -> Samples {
        let samples = (0..300).map(|at| (2.0 * at as f64, [figure(at), 5.0, 1.0])).collect();
        let process = Process { name: "one".to_owned(), samples };
        Samples { processes: BTreeMap::from([((1, 1), process)]) }
    }

    #[test]
    fn what_grows_is_found_and_what_warms_up_or_wavers_is_not() {
        let fast =
            "one 1: descriptors: 150.0, and then 250.0\none 1: descriptors: 175.0, by 299.0 steadily\n";
        assert_eq!(with(|at| at as f64).grown(), fast);
        let slower = "one 1: descriptors: 38.8, and then 51.2\none 1: descriptors: 41.9, by 37.4 steadily\n";
        assert_eq!(with(|at| 20.0 + at as f64 / 8.0).grown(), slower);
        let step = |at: usize| if at < 200 { 20.0 } else { 22.0 };
        // At work most of the time at last, as it was in the beginning; but now and then at rest.
        let busy = |at: usize| if at < 200 || at.is_multiple_of(20) { 20.0 } else { 28.0 };
        for flat in [|_| 20.0, |at: usize| at.min(90) as f64, |at: usize| (at % 20) as f64, step, busy] {
            assert_eq!(with(flat).grown(), "");
        }
        let svg = with(|at| at as f64).svg();
        assert!(
            svg.contains("one: descriptors, by seconds") && svg.matches("<polyline").count() == 3,
            "{svg}"
        );
    }

    /// The thirds differ by less than they may; the line tells.
    #[test]
    fn what_leaks_slowly_is_found_by_its_line_unless_it_is_a_server() {
        let leak = |at: usize| 20.0 + (at / 20) as f64 * 0.5;
        assert_eq!(with(leak).grown(), "one 1: descriptors: 24.2, by 7.3 steadily\n");
        let mut memory = with(|_| 20.0);
        let process = memory.processes.get_mut(&(1, 1)).expect("it is there");
        process.samples.iter_mut().enumerate().for_each(|(at, (_, sample))| sample[1] += at as f64 / 200.0);
        assert_eq!(memory.grown(), "one 1: memory that is its own, MiB: 5.9, by 1.5 steadily\n");
        memory.processes.values_mut().for_each(|process| process.name = SERVER.to_owned());
        assert_eq!(memory.grown(), "");
    }

    #[test]
    fn a_program_is_judged_when_one_of_its_processes_lived_for_a_third_of_the_time() {
        let samples = with(|_| 20.0); // for 598 seconds
        assert_eq!(samples.unjudged(&["one"], 1780.0), [""; 0]);
        assert_eq!(samples.unjudged(&["one"], 1800.0), ["one"]);
        assert_eq!(samples.unjudged(&["one", "another"], 300.0), ["another"]);
        let mut short = with(|_| 20.0);
        short.processes.values_mut().for_each(|process| process.samples.truncate(ENOUGH - 1));
        assert_eq!(short.unjudged(&["one"], 60.0), ["one"]);
    }

    #[test]
    fn what_a_process_has_is_what_is_counted() {
        let before = look(std::process::id()).expect("we are there");
        let files: Vec<_> = (0..500).map(|_| fs::File::open("/dev/null").expect("a file")).collect();
        let memory = std::hint::black_box(vec![1u8; 64 << 20]); // else an optimised build leaves it out
        let after = look(std::process::id()).expect("we are there");
        assert!(after[0] >= before[0] + 400.0, "{before:?} {after:?}"); // other tests have files too
        assert!(after[1] >= before[1] + 40.0 && after[2] >= 1.0, "{before:?} {after:?}");
        drop((files, memory));
    }

    /// Servers, daemon, proxies and clients at work, and one server dies meanwhile: as in a soak, but by steps.
    #[test]
    fn a_short_run_has_flat_lines() {
        let mut samples = Samples::default();
        let mut world = World::with_proxies(2, Reach::Plain);
        world.plays(Shape { processes: 4, plain: 2, ..Shape::EIGHT }, |world| {
            samples = Samples::default();
            for step in 0..ENOUGH {
                if step == ENOUGH / 4 {
                    faults::happen(world, Kind::Killed, 0, 5);
                }
                world.works(3);
                samples.take(step as f64);
            }
        });
        // Those of the crowd, the daemon, two proxies, and the server that lived.
        assert!(samples.judged() >= 6, "{} processes", samples.judged());
        assert_eq!(samples.grown(), "");
    }
}
