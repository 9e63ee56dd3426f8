//! A wall clock for the programs that are started while it is there, which can be set: tests/c/wall_clock.c.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::cc;
use super::keep::Variable;
use super::scratch::Scratch;

/// The clock of what this thread starts.
pub struct WallClock {
    off_by: File,
    _variables: [Variable; 2],
    _scratch: Scratch,
}

impl WallClock {
    /// One that is right, until it is set.
    pub fn new() -> WallClock {
        let scratch = Scratch::new();
        let library =
            cc::compile(&scratch, "wall_clock.so", &["tests/c/wall_clock.c"], &["-shared", "-fPIC"]);
        let library = library.unwrap_or_else(|words| panic!("{words}"));
        let path = scratch.path().join("off_by");
        let off_by = File::options().write(true).create_new(true).open(&path).expect("a new file");
        let variables = [("LD_PRELOAD", &library), ("CLOCK_OFF_BY", &path)];
        off_by.write_all_at(&[0; 8], 0).expect("a file to write to");
        let variables = variables.map(|(name, path)| Variable::for_children(name, path));
        WallClock { off_by, _variables: variables, _scratch: scratch }
    }

    /// From now on it is off by so many seconds.
    pub fn set(&self, seconds: i64) {
        self.off_by.write_all_at(&seconds.to_ne_bytes(), 0).expect("a file to write to");
    }
}
