//! The library as a user has it: installed below a directory of one's own by `make install` or from the
//! packages, found by pkg-config, linked by the C compiler, and run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cc;

/// The programs that are installed with `PREFIX=/usr`.
pub const PROGRAMS: [&str; 3] =
    ["/usr/bin/memcachectl", "/usr/sbin/memcache-proxy", "/usr/sbin/memcache-watchd"];

/// Each of them, installed below `root`, says of what version it is and how it is used.
pub fn programs_run(root: &Path) {
    for path in PROGRAMS {
        let program = root.join(path.trim_start_matches('/'));
        let name = path.rsplit('/').next().unwrap_or_default();
        let says = |option| output_of(name, Command::new(&program).arg(option).env_remove("MEMCACHE_POOL"));
        assert_eq!(says("--version"), format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
        let help = says("--help");
        assert!(help.contains("--pool") && help.contains(name), "{path} --help says:\n{help}");
    }
}

/// What a command prints. `package` is Debian's, and has the command.
///
/// # Panics
/// With what it said when it failed, and with the package when it is not there.
pub fn output_of(package: &str, command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("cannot run {command:?}: {error} (is Debian's package {package} installed?)")
    });
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed ({}):\n{out}\n{err}", output.status);
    out.into_owned()
}

/// `make` with a target and variables.
pub fn make(arguments: &[&str]) -> String {
    let mut make = Command::new("make");
    make.current_dir(cc::root()).arg("--no-print-directory").args(arguments);
    output_of("make", make.env_remove("MAKEFLAGS").env_remove("MAKELEVEL"))
}

/// Everything below a directory that is no directory, relative to it and in order.
pub fn everything_below(directory: &Path) -> Vec<String> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).expect("a readable directory") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() && !path.is_symlink() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(directory, &mut found);
    let relative = |path: &PathBuf| path.strip_prefix(directory).expect("below it").display().to_string();
    let mut found: Vec<_> = found.iter().map(relative).collect();
    found.sort();
    found
}

/// An installation below `root`, with its libraries in `libdir` (as the system will see it: `/usr/lib`).
pub struct Installed {
    pub root: PathBuf,
    pub libdir: String,
}

impl Installed {
    /// `make install` with `PREFIX=/usr`.
    pub fn by_make(root: PathBuf) -> Installed {
        make(&["install", "PREFIX=/usr", &format!("DESTDIR={}", root.display())]);
        Installed { root, libdir: "/usr/lib".to_owned() }
    }

    /// A path of the installed system.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// What pkg-config says of libmemcache, asked for nothing but this installation.
    pub fn pkg_config(&self, arguments: &[&str]) -> Vec<String> {
        let mut command = Command::new("pkg-config");
        command
            .args(arguments)
            .arg("libmemcache")
            .env("PKG_CONFIG_SYSROOT_DIR", &self.root)
            .env("PKG_CONFIG_LIBDIR", self.path(&self.libdir).join("pkgconfig"))
            .env_remove("PKG_CONFIG_PATH");
        output_of("pkg-config", &mut command).split_whitespace().map(str::to_owned).collect()
    }

    /// Compiles a program of the repository with what pkg-config says and further options, which may
    /// name another standard, to `program`.
    pub fn build(&self, source: &str, program: &Path, options: &[&str], pkg_config: &[&str]) {
        let mut compiler = cc::compiler();
        compiler.args(["-O2", "-Wall", "-Wextra", "-Werror"]).args(options);
        compiler.arg("-o").arg(program).arg(cc::root().join(source)).args(self.pkg_config(pkg_config));
        output_of("build-essential", &mut compiler);
    }

    /// A command that finds the installed library, and no pool file but the one it is given.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("LD_LIBRARY_PATH", self.path(&self.libdir)).env_remove("MEMCACHE_POOL");
        command
    }
}
