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
const KINDS: [(&str, f64, f64); 3] =
    [("descriptors", 0.1, 8.0), ("memory that is its own, MiB", 0.1, 2.0), ("threads", 0.1, 2.0)];

/// With fewer samples nothing is said of a process: it was killed meanwhile, or begins.
const ENOUGH: usize = 60;

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
            for (kind, (what, part, amount)) in KINDS.iter().enumerate() {
                let Some((middle, end)) = process.middle_and_end(kind) else { continue };
                if end > middle * (1.0 + part) + amount {
                    let _ = writeln!(text, "{} {pid}: {what}: {middle:.1}, and then {end:.1}", process.name);
                }
            }
        }
        text
    }

    /// How many processes enough is known of to say something.
    pub fn judged(&self) -> usize {
        self.processes.values().filter(|process| process.samples.len() >= ENOUGH).count()
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

/// Takes samples all the time, until it is dropped.
pub struct Sampler {
    samples: Arc<Mutex<Samples>>,
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
        Sampler { samples, stop: Some(stop), thread: Some(thread) }
    }

    /// Demands that nothing has grown so far; and draws it.
    pub fn check(&self, drawing: &Path) {
        let samples = locked(&self.samples);
        fs::write(drawing, samples.svg()).expect("a place for a drawing");
        println!("{} processes sampled for long enough; drawn: {}", samples.judged(), drawing.display());
        let grown = samples.grown();
        assert!(grown.is_empty(), "these grow (see {}):\n{grown}", drawing.display());
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
        let samples = (0..300).map(|at| (at as f64, [figure(at), 5.0, 1.0])).collect();
        let process = Process { name: "one".to_owned(), samples };
        Samples { processes: BTreeMap::from([((1, 1), process)]) }
    }

    #[test]
    fn what_grows_is_found_and_what_warms_up_or_wavers_is_not() {
        assert_eq!(with(|at| at as f64).grown(), "one 1: descriptors: 150.0, and then 250.0\n");
        assert_eq!(with(|at| 20.0 + at as f64 / 8.0).grown(), "one 1: descriptors: 38.8, and then 51.2\n");
        for flat in [|_| 20.0, |at: usize| at.min(90) as f64, |at: usize| (at % 40) as f64] {
            assert_eq!(with(flat).grown(), "");
        }
        let svg = with(|at| at as f64).svg();
        assert!(
            svg.contains("one: descriptors, by seconds") && svg.matches("<polyline").count() == 3,
            "{svg}"
        );
    }

    #[test]
    fn what_a_process_has_is_what_is_counted() {
        let before = look(std::process::id()).expect("we are there");
        let files: Vec<_> = (0..500).map(|_| fs::File::open("/dev/null").expect("a file")).collect();
        let memory = vec![1u8; 64 << 20];
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
