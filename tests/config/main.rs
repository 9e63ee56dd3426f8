//! The pool file: what the samples mean, every refusal with its exact line and words, files that
//! cannot be read, and damage of every kind.

/// What is said to a key that `[proxy]` does not have.
const UNKNOWN_OF_PROXY: &str = "2: unknown key \"port\" in [proxy]; allowed are listen, mode, http, connections, \
                                buffer, memory, value, key and line";

mod accepted;
mod damage;
mod files;
mod refused;
mod sweeps;

use std::path::{Path, PathBuf};

use memcache::config::{self, PoolFile};

const SESSIONS: &str = include_str!("../pools/sessions.toml");
const MINIMAL: &str = include_str!("../pools/minimal.toml");
const EVERYTHING: &str = include_str!("../pools/everything.toml");

/// One server, for the files whose mistake is elsewhere.
const ONE: &str = "\n[[server]]\naddress = \"h:1\"\n";

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pools").join(name)
}

fn accepted(text: &str) -> PoolFile {
    match config::parse("/etc/memcache/pool.toml", text) {
        Ok(file) => file,
        Err(error) => panic!("refused:\n{error}\n{text}"),
    }
}

fn refusal(text: &str) -> String {
    match config::parse("pool.toml", text) {
        Ok(file) => panic!("accepted: {file:?}\n{text}"),
        Err(error) => error.to_string(),
    }
}

/// Demands exactly these messages, each without the file's name.
fn refused(text: &str, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|message| format!("pool.toml:{message}")).collect();
    assert_eq!(refusal(text), expected.join("\n"), "for the file:\n{text}");
}

/// The server of every slot.
fn slots(file: &PoolFile) -> Vec<u16> {
    file.pool.slots().iter().map(|slot| slot.0).collect()
}
