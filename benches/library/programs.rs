//! The programs that are measured, and the servers that they all ask.
//!
//! Three programs from the same `work.c`: through this library, through libmemcached, and with nothing between
//! it and the sockets. Each waits for numbers on its standard input and does so much of its work.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::support::scratch::Scratch;
use crate::support::server::Memcached;
use crate::support::{cc, keep, wait};

/// As `work.c` has it: a delete cannot be done more often, because each needs a key.
const MOST_DELETES: usize = 100_000;

/// Who does the work, as the tables call them.
pub const SUBJECTS: [&str; 3] = ["ours", "libmemcached", "raw"];

/// A kind of work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Work {
    /// As the tables call it.
    pub name: &'static str,
    /// As `work.c` calls it.
    pub kind: &'static str,
    /// How long its values are.
    pub bytes: usize,
    /// So many keys are in a call.
    pub keys: usize,
}

impl Work {
    /// Whether a library that can polls.
    #[allow(dead_code, reason = "asked where counts are judged")]
    pub fn polls(&self) -> bool {
        self.kind.starts_with("busy") || self.kind.starts_with("spin")
    }
}

/// All that is measured.
pub const WORKS: [Work; 17] = [
    Work { name: "set", kind: "set", bytes: 100, keys: 1 },
    Work { name: "get", kind: "get", bytes: 100, keys: 1 },
    Work { name: "get of 100 keys", kind: "many", bytes: 100, keys: 100 },
    Work { name: "delete", kind: "delete", bytes: 100, keys: 1 },
    Work { name: "incr", kind: "incr", bytes: 100, keys: 1 },
    Work { name: "doubled set", kind: "doubled", bytes: 100, keys: 1 },
    Work { name: "doubled get", kind: "doubled-get", bytes: 100, keys: 1 },
    Work { name: "doubled 100 keys", kind: "doubled-many", bytes: 100, keys: 100 },
    Work { name: "set of 1 MiB", kind: "set", bytes: 1 << 20, keys: 1 },
    Work { name: "get of 1 MiB", kind: "get", bytes: 1 << 20, keys: 1 },
    Work { name: "doubled 1 MiB set", kind: "doubled", bytes: 1 << 20, keys: 1 },
    // Ours with busy_poll; the others sleep as ever.
    Work { name: "set, busy", kind: "busy-set", bytes: 100, keys: 1 },
    Work { name: "get, busy", kind: "busy-get", bytes: 100, keys: 1 },
    Work { name: "100 keys, busy", kind: "busy-many", bytes: 100, keys: 100 },
    // The raw loop polls too.
    Work { name: "set, both busy", kind: "spin-set", bytes: 100, keys: 1 },
    Work { name: "get, both busy", kind: "spin-get", bytes: 100, keys: 1 },
    Work { name: "100 keys, both", kind: "spin-many", bytes: 100, keys: 100 },
];

/// What a handle holds after one call of each kind.
pub const HANDLES: Work = Work { name: "handles", kind: "handles", bytes: 100, keys: 100 };

/// Compiled programs, and servers for them.
pub struct World {
    scratch: Scratch,
    programs: Vec<PathBuf>,
    /// Counts allocations where it is preloaded.
    pub allocations: PathBuf,
    servers: Vec<Memcached>,
}

impl World {
    /// With so many servers.
    ///
    /// # Panics
    /// When a program does not compile, or a server does not start.
    pub fn start(servers: usize) -> World {
        let scratch = Scratch::new();
        let program = |name: &str, options: &[&str]| {
            let own = format!("benches/library/{name}.c");
            let sources = ["benches/library/work.c", own.as_str()];
            match name {
                "ours" => cc::program(&scratch, name, &sources),
                _ => cc::compile(&scratch, name, &sources, options).unwrap_or_else(|words| panic!("{words}")),
            }
        };
        let programs =
            vec![program("ours", &[]), program("libmemcached", &["-lmemcached"]), program("raw", &[])];
        let source = ["benches/library/allocations.c"];
        let allocations = cc::compile(&scratch, "allocations.so", &source, &["-shared", "-fPIC"])
            .unwrap_or_else(|words| panic!("{words}"));
        // A value of 1 MiB is longer than the longest item of a server that nobody told.
        let servers = (0..servers).map(|_| Memcached::start_with(&["-I", "2m"])).collect();
        World { scratch, programs, allocations, servers }
    }

    /// A file that nobody else has.
    pub fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The program of a subject with its arguments, behind `before` (a tool and its arguments).
    pub fn command(&self, subject: usize, work: Work, before: &[&str], servers: usize) -> Command {
        let program = &self.programs[subject];
        let mut command = match before {
            [] => Command::new(program),
            [tool, arguments @ ..] => {
                let mut command = Command::new(tool);
                command.args(arguments).arg(program);
                command
            }
        };
        command.arg(work.kind).args([work.bytes, work.keys].map(|number| number.to_string()));
        command.args(self.servers.iter().take(servers).map(Memcached::address)).env_remove("MEMCACHE_POOL");
        command
    }

    /// So many servers there are.
    pub fn servers(&self) -> usize {
        self.servers.len()
    }

    /// Makes everything ready for so many calls: what is to be deleted must be there, on every server, because
    /// each library has its own way to choose one.
    pub fn prepare(&self, work: Work, calls: usize) {
        if work.kind != "delete" {
            return;
        }
        assert!(calls <= MOST_DELETES, "{calls} keys to delete");
        for server in &self.servers {
            let mut stream = TcpStream::connect(server.address()).expect("a server that takes connections");
            for first in (0..calls).step_by(1_000) {
                let mut text = String::new();
                for number in first..calls.min(first + 1_000) {
                    let _ = write!(text, "set key-{number:07} 0 0 1 noreply\r\nv\r\n");
                }
                stream.write_all(text.as_bytes()).expect("a server that takes commands");
            }
            // It has done all when it answers.
            stream.write_all(b"mn\r\n").expect("a server that takes commands");
            let mut answer = [0; 4];
            stream.read_exact(&mut answer).expect("an answer");
            assert_eq!(&answer, b"MN\r\n");
        }
    }
}

/// What a program says of what it did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer {
    /// How long it took, in nanoseconds.
    pub nanos: u64,
    /// How much of that its process worked.
    pub cpu: u64,
    /// How often it asked for memory.
    pub allocations: u64,
    /// And by how much that grew at most, in bytes.
    pub peak: u64,
    /// By how much the process grew, in bytes.
    pub resident: i64,
}

/// A program at work.
pub struct Running {
    name: String,
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Running {
    /// Starts it and waits until it has stored what it will read.
    pub fn start(name: &str, command: &mut Command) -> Running {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = keep::spawn(command).unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let questions = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut running = Running { name: name.to_owned(), child, questions, answers };
        let line = running.line();
        assert_eq!(line, "ready", "{name}");
        running
    }

    /// Does so many calls.
    ///
    /// # Panics
    /// When one of them went wrong: the program says which, and ends.
    pub fn work(&mut self, calls: usize) -> Answer {
        self.begin(calls);
        self.end()
    }

    /// Begins so many calls.
    pub fn begin(&mut self, calls: usize) {
        let questions = self.questions.as_mut().expect("not over yet");
        writeln!(questions, "{calls}").unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// What came of those that were begun.
    pub fn end(&mut self) -> Answer {
        let line = self.line();
        let words: Vec<i64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [nanos, cpu, allocations, peak, resident] = words[..] else { panic!("{}: `{line}'", self.name) };
        let positive = |number: i64| u64::try_from(number).unwrap_or(0);
        Answer {
            nanos: positive(nanos),
            cpu: positive(cpu),
            allocations: positive(allocations),
            peak: positive(peak),
            resident,
        }
    }

    /// Lets it end by itself.
    ///
    /// # Panics
    /// When it does not end well.
    pub fn finish(mut self) {
        self.questions = None;
        let status = wait::within(wait::PATIENCE, || self.child.try_wait().ok()?);
        assert!(status.is_some_and(|status| status.success()), "{} ended: {status:?}", self.name);
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let _ = self.answers.read_line(&mut line);
        assert!(!line.is_empty(), "{} ended in the middle of its work", self.name);
        line.trim_end().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        keep::kill(&mut self.child);
    }
}

/// Preloads what counts allocations.
pub fn counting(command: &mut Command, allocations: &Path) {
    command.env("LD_PRELOAD", allocations);
}
