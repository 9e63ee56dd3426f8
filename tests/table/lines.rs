//! Other processes: this test program again, for one test only, which does what the environment says.

use std::process::{Child, Command, ExitStatus, Stdio};

use super::support::{keep, wait};

/// The variable with which a child is told what to do.
pub const VARIABLE: &str = "TABLE_TEST_CHILD";

/// What this process was started for; `None` in the test program itself.
pub fn errand() -> Option<String> {
    std::env::var(VARIABLE).ok()
}

/// A command that runs the test `test` of this program in a process of its own.
pub fn command(test: &str, errand: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(VARIABLE, errand).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A child that is killed when it is dropped.
pub struct Process(Child);

impl Process {
    pub fn start(mut command: Command) -> Process {
        Process(keep::spawn(&mut command).expect("a child process"))
    }

    /// Whether it ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.0.try_wait().expect("a child of ours")?;
        keep::ended(&self.0);
        Some(status)
    }

    /// Waits for its end, and fails with what it said when it failed.
    pub fn succeed(mut self) -> String {
        let status = wait::until("a child process ends", || self.ended());
        let said = self.said();
        assert!(status.success(), "{status}: {said}");
        said
    }

    /// All it said; waits for its end.
    pub fn said(&mut self) -> String {
        use std::io::Read;
        let mut said = String::new();
        for pipe in [
            self.0.stdout.take().map(|it| Box::new(it) as Box<dyn Read>),
            self.0.stderr.take().map(|it| Box::new(it) as Box<dyn Read>),
        ] {
            let _ = pipe.map(|mut pipe| pipe.read_to_string(&mut said));
        }
        said
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn kill(mut self) {
        keep::kill(&mut self.0);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        keep::kill(&mut self.0);
    }
}
