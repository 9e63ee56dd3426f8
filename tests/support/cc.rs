//! C programs, compiled as a user would and linked with the library that cargo has just built.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::scratch::Scratch;

/// What every C program of ours must compile with, without a word.
pub const STRICT: [&str; 5] = ["-std=gnu99", "-O2", "-Wall", "-Wextra", "-Werror"];

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The C compiler: `$CC`, or `cc`.
pub fn compiler() -> Command {
    Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
}

/// The shared library that cargo built together with the running program: it lies beside it, or
/// in the directory above.
pub fn built_library() -> PathBuf {
    let program = std::env::current_exe().expect("a program knows its path");
    program
        .ancestors()
        .skip(1)
        .take(2)
        .flat_map(|directory| [directory.join("deps/libmemcache.so"), directory.join("libmemcache.so")])
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("no libmemcache.so near {}: `cargo build` makes it", program.display()))
}

/// Compiles `sources` (paths in the repository) to a program called `name` in `scratch`, with
/// the library of [`built_library`], which it finds again when it runs.
pub fn program(scratch: &Scratch, name: &str, sources: &[&str]) -> PathBuf {
    program_with(scratch, name, sources, &[])
}

/// As [`program`], with further options for the compiler.
pub fn program_with(scratch: &Scratch, name: &str, sources: &[&str], options: &[&str]) -> PathBuf {
    let library = scratch.path().join("lib");
    if !library.exists() {
        std::fs::create_dir(&library).expect("a directory for the library");
        for link in ["libmemcache.so", "libmemcache.so.0"] {
            std::os::unix::fs::symlink(built_library(), library.join(link)).expect("a link to the library");
        }
    }
    let include = format!("-I{}", root().join("include").display());
    let search = format!("-L{}", library.display());
    let run_path = format!("-Wl,-rpath,{}", library.display());
    let all = [options, &[&include, &search, &run_path, "-lmemcache"]].concat();
    compile(scratch, name, sources, &all).unwrap_or_else(|words| panic!("{name} does not compile:\n{words}"))
}

/// Compiles `sources` (paths in the repository) to a program called `name` in `scratch`. Else what
/// the compiler said.
pub fn compile(scratch: &Scratch, name: &str, sources: &[&str], options: &[&str]) -> Result<PathBuf, String> {
    let program = scratch.path().join(name);
    let output = compiler()
        .args(STRICT)
        .arg("-o")
        .arg(&program)
        .args(sources.iter().map(|source| root().join(source)))
        .args(options)
        .output()
        .map_err(|error| format!("cannot run the C compiler: {error}"))?;
    if output.status.success() {
        Ok(program)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
