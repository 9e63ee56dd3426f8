//! Every command of a memcache-proxy that asks a server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::operations::Case;
use crate::outcomes::{Said, What};

/// A client of the proxy must not wait for longer: then it hangs.
const PATIENCE: Duration = Duration::from_secs(15);

/// A client that takes nothing for granted.
pub struct Client {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

/// What became of a question: an answer's line, or none.
enum Line {
    Says(String),
    /// The connection is over: a call without an answer.
    Over,
    /// It never ended.
    Never,
}

impl Client {
    pub fn to(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        let reader = BufReader::new(stream.try_clone().expect("a second handle"));
        Client { stream, reader }
    }

    /// What cannot be sent is not answered either.
    fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    fn line(&mut self) -> Line {
        let mut line = Vec::new();
        match self.reader.read_until(b'\n', &mut line) {
            Ok(_) if line.ends_with(b"\r\n") => {
                line.truncate(line.len() - 2);
                Line::Says(String::from_utf8_lossy(&line).into_owned())
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Line::Never,
            _ => Line::Over,
        }
    }

    /// The data behind a value's line.
    fn value(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut value = vec![0; length.checked_add(2).filter(|length| *length < 4 << 20)?];
        self.reader.read_exact(&mut value).ok()?;
        let value = value.strip_suffix(b"\r\n")?;
        Some(value.to_vec())
    }

    /// A line and what it says; `hd`: what HD says here.
    fn answer(&mut self, hd: What) -> What {
        match self.line() {
            Line::Says(line) => word(&line, hd),
            Line::Over => What::Failed,
            Line::Never => What::Broken,
        }
    }

    /// Reads values up to END, or fails; for each key what was said of it.
    fn values(&mut self, keys: &[Vec<u8>]) -> Vec<Said> {
        let mut found: Vec<Said> = Vec::new();
        let rest = loop {
            let line = match self.line() {
                Line::Says(line) => line,
                Line::Over => break What::Failed,
                Line::Never => break What::Broken,
            };
            let words: Vec<&str> = line.split(' ').collect();
            if words[0] != "VALUE" {
                break if line == "END" { What::Miss } else { word(&line, What::Broken) };
            }
            let value = words.get(3).and_then(|length| length.parse().ok());
            match value.and_then(|length| self.value(length)) {
                Some(value) => {
                    found.push(Said { key: words[1].as_bytes().to_vec(), what: What::Hit, value });
                }
                None => break What::Failed,
            }
        };
        let of = |key: &Vec<u8>| found.iter().find(|said| said.key == *key).cloned();
        let all: Vec<Said> = keys.iter().map(|key| of(key).unwrap_or_else(|| Said::of(key, rest))).collect();
        // A value that nobody asked for.
        let strange = found.iter().filter(|said| !keys.contains(&said.key));
        let strange: Vec<Said> = strange.map(|said| Said::of(&said.key, What::Broken)).collect();
        [all, strange].concat()
    }

    pub fn get(&mut self, key: &[u8]) -> Said {
        if key.contains(&b' ') {
            return self.get_binary(key);
        }
        self.send(&[b"get ", key, b"\r\n"].concat());
        self.values(&[key.to_vec()]).remove(0)
    }

    fn get_binary(&mut self, key: &[u8]) -> Said {
        use base64::Engine as _;
        let mut room = [0; 400];
        let length = base64::engine::general_purpose::STANDARD.encode_slice(key, &mut room);
        self.send(&[b"mg ", &room[..length.expect("room for a key")], b" b v\r\n"].concat());
        self.meta_value(key)
    }

    /// The value of `mg`.
    fn meta_value(&mut self, key: &[u8]) -> Said {
        match self.line() {
            Line::Says(line) => self.meta_value_behind(key, line),
            Line::Over => Said::of(key, What::Failed),
            Line::Never => Said::of(key, What::Broken),
        }
    }

    fn meta_value_behind(&mut self, key: &[u8], line: String) -> Said {
        let mut said = Said::of(key, What::Failed);
        if line.starts_with("VA ") {
            let length = line.split(' ').nth(1).and_then(|length| length.parse().ok());
            if let Some(value) = length.and_then(|length| self.value(length)) {
                (said.what, said.value) = (What::Hit, value);
            }
        } else {
            // A server may leave out what was asked for, and say so.
            said.what = word(&line, What::Done);
        }
        said
    }
}

/// What a line says.
fn word(line: &str, hd: What) -> What {
    match line.split(' ').next().unwrap_or_default() {
        "STORED" => What::Stored,
        "NOT_STORED" | "NS" => What::NotStored,
        "EXISTS" | "EX" => What::Exists,
        "NOT_FOUND" | "NF" => What::NotFound,
        "DELETED" => What::Deleted,
        "TOUCHED" => What::Touched,
        "EN" => What::Miss,
        "OK" | "VERSION" | "END" | "RESET" | "ME" => What::Done,
        "HD" => hd,
        "MN" => What::NoMore,
        "ERROR" | "CLIENT_ERROR" | "SERVER_ERROR" => What::Failed,
        number => number.parse().map_or(What::Broken, What::Number),
    }
}

pub type Call = fn(&mut Client, &Case) -> Vec<Said>;

/// A command with a value behind it.
fn block(case: &Case, key: &[u8], head: &str, tail: &str) -> Vec<u8> {
    let length = case.value.len();
    let tail = tail.replace("LENGTH", &length.to_string());
    [head.as_bytes(), b" ", key, b" ", tail.as_bytes(), b"\r\n", &case.value, b"\r\n"].concat()
}

fn one(client: &mut Client, case: &Case, request: &[u8], hd: What) -> Vec<Said> {
    client.send(request);
    vec![Said::of(case.key(), client.answer(hd))]
}

/// A command of one line about the first key.
fn short(case: &Case, head: &str, tail: &str) -> Vec<u8> {
    [head.as_bytes(), b" ", case.key(), tail.as_bytes(), b"\r\n"].concat()
}

pub fn get(client: &mut Client, case: &Case) -> Vec<Said> {
    client.send(&short(case, "get", ""));
    client.values(&case.keys[..1])
}

pub fn gets(client: &mut Client, case: &Case) -> Vec<Said> {
    client.send(&short(case, "gets", ""));
    client.values(&case.keys[..1])
}

pub fn gats(client: &mut Client, case: &Case) -> Vec<Said> {
    client.send(&short(case, "gats 5000", ""));
    client.values(&case.keys[..1])
}

pub fn gat(client: &mut Client, case: &Case) -> Vec<Said> {
    client.send(&short(case, "gat 5000", ""));
    client.values(&case.keys[..1])
}

/// The token of a value, for `cas`.
pub fn token(client: &mut Client, key: &[u8]) -> u64 {
    client.send(&[b"mg ", key, b" c\r\n"].concat());
    match client.line() {
        Line::Says(line) => line.strip_prefix("HD c").and_then(|token| token.parse().ok()).unwrap_or(0),
        _ => 0,
    }
}

/// A classic command that stores, and a meta command that does.
macro_rules! storing {
    ($name:ident, $head:expr, $tail:expr) => {
        pub fn $name(client: &mut Client, case: &Case) -> Vec<Said> {
            one(client, case, &block(case, case.key(), $head, $tail), What::Stored)
        }
    };
}
storing!(set, "set", "0 0 LENGTH");
storing!(add, "add", "0 0 LENGTH");
storing!(replace, "replace", "0 0 LENGTH");
storing!(append, "append", "0 0 LENGTH");
storing!(prepend, "prepend", "0 0 LENGTH");
storing!(meta_set, "ms", "LENGTH");
storing!(meta_add, "ms", "LENGTH ME");
storing!(meta_append, "ms", "LENGTH MA");
storing!(meta_prepend, "ms", "LENGTH MP");
storing!(meta_replace, "ms", "LENGTH MR");

pub fn meta_cas(client: &mut Client, case: &Case) -> Vec<Said> {
    let tail = format!("LENGTH C{}", case.token);
    one(client, case, &block(case, case.key(), "ms", &tail), What::Stored)
}

/// Ends what says nothing when all is well: `well`, unless something else was said before.
fn unless_said(client: &mut Client, case: &Case, request: &[u8], well: What) -> Vec<Said> {
    client.send(&[request, b"mn\r\n"].concat());
    let mut said = client.meta_value(case.key());
    if said.what == What::NoMore {
        said.what = well;
    } else if client.answer(What::Broken) != What::NoMore {
        // It is over before its end.
        said.what = What::Failed;
    }
    vec![said]
}

pub fn meta_set_quiet(client: &mut Client, case: &Case) -> Vec<Said> {
    unless_said(client, case, &block(case, case.key(), "ms", "LENGTH q"), What::Stored)
}

pub fn meta_get_quiet(client: &mut Client, case: &Case) -> Vec<Said> {
    unless_said(client, case, &short(case, "mg", " v q"), What::Miss)
}

/// What is sent without asking for an answer is over when the next one is answered.
pub fn set_silently(client: &mut Client, case: &Case) -> Vec<Said> {
    unless_said(client, case, &block(case, case.key(), "set", "0 0 LENGTH noreply"), What::Done)
}

pub fn delete_silently(client: &mut Client, case: &Case) -> Vec<Said> {
    unless_said(client, case, &short(case, "delete", " noreply"), What::Done)
}

/// Asks for a value, and for the turn to store one where there is none: `W`.
pub fn meta_lease(client: &mut Client, case: &Case) -> Vec<Said> {
    client.send(&short(case, "mg", " v N30 R5"));
    let line = match client.line() {
        Line::Says(line) => line,
        Line::Over => return vec![Said::of(case.key(), What::Failed)],
        Line::Never => return vec![Said::of(case.key(), What::Broken)],
    };
    let has_turn = line.split(' ').any(|flag| flag == "W");
    let mut said = client.meta_value_behind(case.key(), line);
    if said.what == What::Hit && said.value.is_empty() && has_turn {
        said.what = What::Done;
    }
    vec![said]
}

pub fn cas(client: &mut Client, case: &Case) -> Vec<Said> {
    let tail = format!("0 0 LENGTH {}", case.token);
    one(client, case, &block(case, case.key(), "cas", &tail), What::Stored)
}

pub fn delete(client: &mut Client, case: &Case) -> Vec<Said> {
    one(client, case, &short(case, "delete", ""), What::Broken)
}

pub fn incr(client: &mut Client, case: &Case) -> Vec<Said> {
    one(client, case, &short(case, "incr", " 5"), What::Broken)
}

pub fn decr(client: &mut Client, case: &Case) -> Vec<Said> {
    one(client, case, &short(case, "decr", " 5"), What::Broken)
}

pub fn touch(client: &mut Client, case: &Case) -> Vec<Said> {
    one(client, case, &short(case, "touch", " 5000"), What::Broken)
}

pub fn meta_get(client: &mut Client, case: &Case) -> Vec<Said> {
    client.send(&short(case, "mg", " v f t c"));
    vec![client.meta_value(case.key())]
}

pub fn meta_get_touch(client: &mut Client, case: &Case) -> Vec<Said> {
    client.send(&short(case, "mg", " v T5000"));
    vec![client.meta_value(case.key())]
}

pub fn meta_get_binary(client: &mut Client, case: &Case) -> Vec<Said> {
    vec![client.get_binary(case.key())]
}

pub fn meta_delete(client: &mut Client, case: &Case) -> Vec<Said> {
    one(client, case, &short(case, "md", ""), What::Deleted)
}

/// Marks it as stale: it is there until somebody stores it anew.
pub fn meta_mark(client: &mut Client, case: &Case) -> Vec<Said> {
    one(client, case, &short(case, "md", " I T300"), What::Deleted)
}

pub fn meta_debug(client: &mut Client, case: &Case) -> Vec<Said> {
    client.send(&short(case, "me", ""));
    vec![client.meta_value(case.key())]
}

pub fn meta_incr(client: &mut Client, case: &Case) -> Vec<Said> {
    meta_count(client, case, " D5 v")
}

pub fn meta_decr(client: &mut Client, case: &Case) -> Vec<Said> {
    meta_count(client, case, " MD D5 v")
}

fn meta_count(client: &mut Client, case: &Case, flags: &str) -> Vec<Said> {
    client.send(&short(case, "ma", flags));
    let mut said = client.meta_value(case.key());
    if said.what == What::Hit {
        let number = String::from_utf8_lossy(&said.value).trim_end().parse();
        said.what = number.map_or(What::Broken, What::Number);
        said.value.clear();
    }
    vec![said]
}

pub fn get_many(client: &mut Client, case: &Case) -> Vec<Said> {
    client.send(&[b"get ", &case.keys.join(&b' ')[..], b"\r\n"].concat());
    client.values(&case.keys)
}

pub fn meta_get_many(client: &mut Client, case: &Case) -> Vec<Said> {
    let line = |key: &Vec<u8>| [b"mg ", &key[..], b" v\r\n"].concat();
    client.send(&case.keys.iter().flat_map(line).collect::<Vec<u8>>());
    case.keys.iter().map(|key| client.meta_value(key)).collect()
}

pub fn set_many(client: &mut Client, case: &Case) -> Vec<Said> {
    let request = |key: &Vec<u8>| block(case, key, "set", "0 0 LENGTH");
    client.send(&case.keys.iter().flat_map(request).collect::<Vec<u8>>());
    case.keys.iter().map(|key| Said::of(key, client.answer(What::Broken))).collect()
}

pub fn delete_many(client: &mut Client, case: &Case) -> Vec<Said> {
    let line = |key: &Vec<u8>| [b"delete ", &key[..], b"\r\n"].concat();
    client.send(&case.keys.iter().flat_map(line).collect::<Vec<u8>>());
    case.keys.iter().map(|key| Said::of(key, client.answer(What::Broken))).collect()
}

pub fn version(client: &mut Client, case: &Case) -> Vec<Said> {
    one(client, case, b"version\r\n", What::Broken)
}

pub fn statistics(client: &mut Client, case: &Case) -> Vec<Said> {
    group(client, case, b"stats\r\n")
}

pub fn settings(client: &mut Client, case: &Case) -> Vec<Said> {
    group(client, case, b"stats settings\r\n")
}

pub fn reset(client: &mut Client, case: &Case) -> Vec<Said> {
    group(client, case, b"stats reset\r\n")
}

/// Its value is what the library's says.
fn group(client: &mut Client, case: &Case, request: &[u8]) -> Vec<Said> {
    client.send(request);
    let (mut limit, mut sets) = (String::new(), String::new());
    let what = loop {
        match client.line() {
            Line::Says(line) if line.starts_with("STAT ") => match line[5..].split_once(' ') {
                Some(("limit_maxbytes", number)) => limit = number.to_owned(),
                Some(("cmd_set", number)) => sets = number.to_owned(),
                _ => {}
            },
            Line::Says(line) => break word(&line, What::Broken),
            Line::Over => break What::Failed,
            Line::Never => break What::Broken,
        }
    };
    vec![Said { key: case.key().to_vec(), what, value: format!("{limit} {sets}").into_bytes() }]
}

pub fn flush_all(client: &mut Client, case: &Case) -> Vec<Said> {
    one(client, case, b"flush_all\r\n", What::Broken)
}
