//! Files that cannot be read, and the environment.

use std::path::{Path, PathBuf};
use std::process::Command;

use memcache::config::{self, VARIABLE};

use super::*;

/// A directory that is gone when the test is over, also when it failed.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("memcache-config-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn unread(path: &Path) -> String {
    let message = config::read(path).unwrap_err().to_string();
    message.strip_prefix(&format!("{}:", path.display())).unwrap_or(&message).to_owned()
}

#[test]
fn what_cannot_be_read_says_why() {
    let scratch = Scratch::new("unread");
    let missing = unread(&scratch.0.join("missing.toml"));
    assert!(missing.starts_with(" cannot be opened: No such file"), "{missing}");
    let irregular = " is not a regular file; a pool file must be one";
    assert_eq!(unread(&scratch.0), irregular);
    assert_eq!(unread(Path::new("/dev/zero")), irregular);
    // Nobody writes into this pipe: a plain open would wait for ever.
    let pipe = scratch.0.join("pipe.toml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(unread(&pipe), irregular);
    let bytes = b"[pool]\nname = \"\xff\"\n";
    assert_eq!(
        unread(&scratch.file("latin.toml", bytes)),
        "2: a byte that is not UTF-8; a pool file is UTF-8 text"
    );
}

#[test]
fn a_file_may_have_a_mebibyte_and_no_more() {
    let scratch = Scratch::new("size");
    let mut bytes = MINIMAL.as_bytes().to_vec();
    bytes.resize(1024 * 1024, b'\n');
    let path = scratch.file("large.toml", &bytes);
    assert_eq!(config::read(&path).unwrap().pool.name, "large");
    bytes.push(b'\n');
    assert_eq!(unread(&scratch.file("larger.toml", &bytes)), " is larger than 1 MiB; a pool file is smaller");
}

/// Set in the process that says what its environment gives.
const ASKED: &str = "ASKED_WHAT_THE_ENVIRONMENT_GIVES";

fn say_what_the_environment_gives() {
    match config::from_environment() {
        None => println!("<nothing>"),
        Some(Ok(file)) => println!("<pool {}>", file.pool.name),
        Some(Err(error)) => println!("<refused {error}>"),
    }
}

/// In a process with an environment of its own: this test's program once more.
fn in_environment(value: Option<&Path>) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "files::the_environment_names_the_file", "--nocapture"]);
    command.env(ASKED, "1").env_remove(VARIABLE).envs(value.map(|value| (VARIABLE, value)));
    let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let said = output.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    said.map_or_else(|| panic!("{output}"), |(said, _)| said.to_owned())
}

#[test]
fn the_environment_names_the_file() {
    if std::env::var_os(ASKED).is_some() {
        return say_what_the_environment_gives();
    }
    assert_eq!(in_environment(None), "nothing");
    assert_eq!(in_environment(Some(Path::new(""))), "nothing");
    assert_eq!(in_environment(Some(&sample("everything.toml"))), "pool everything");
    let missing = in_environment(Some(Path::new("/missing/pool.toml")));
    assert!(missing.starts_with("refused /missing/pool.toml: cannot be opened: "), "{missing}");
}
