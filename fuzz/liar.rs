//! A memcached of a few lines that answers as it should until it is told not to: in pieces, cut off, with another
//! question's answer, with too much or with nothing.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// What one life of a server holds, and the lies that it has yet to tell.
struct Shelf {
    items: HashMap<Vec<u8>, Item>,
    cas: u64,
    meta: bool,
    lies: Vec<u8>,
    /// The last answer of all.
    last: Vec<u8>,
}

struct Item {
    value: Vec<u8>,
    flags: Vec<u8>,
    cas: u64,
    /// Empty, and somebody is to fill it (`N`).
    leased: bool,
}

/// A server that lies. It hangs up on everybody when it is dropped.
pub struct Liar {
    path: PathBuf,
    over: Arc<AtomicBool>,
    shelf: Arc<Mutex<Shelf>>,
    thread: Option<JoinHandle<()>>,
}

impl Liar {
    /// `lies`: one for each answer, the first one last; when there are no more it is honest.
    pub fn start(meta: bool, lies: Vec<u8>) -> Liar {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        // The process remembers every address that it ever met, and may leave a trial of a server that was down to its
        // next client: so addresses are used again.
        let name = format!("memcache-liar-{}-{}", std::process::id(), COUNT.fetch_add(1, SeqCst) % 192);
        let path = std::env::temp_dir().join(name);
        let listener = UnixListener::bind(&path).expect("a socket of our own");
        let shelf = Shelf { items: HashMap::new(), cas: 0, meta, lies, last: Vec::new() };
        let (over, shelf) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(shelf)));
        let (seen, all) = (Arc::clone(&over), Arc::clone(&shelf));
        let thread = std::thread::spawn(move || {
            let (mut sessions, mut streams) = (Vec::new(), Vec::new());
            while let Ok((stream, _)) = listener.accept() {
                if seen.load(SeqCst) {
                    break;
                }
                let shelf = Arc::clone(&all);
                streams.push(stream.try_clone().expect("a descriptor"));
                sessions.push(std::thread::spawn(move || session(stream, &shelf)));
            }
            drop(listener);
            streams.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
            sessions.into_iter().for_each(|session| {
                session.join().expect("a server does not fail");
            });
        });
        Liar { path, over, shelf, thread: Some(thread) }
    }

    /// What it has not lied about yet it never will; a lie that it is about to send goes out still.
    pub fn be_honest(&self) {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner).lies.clear();
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
        drop(UnixStream::connect(&self.path)); // wakes it
        drop(self.thread.take().map(JoinHandle::join));
        let _ = std::fs::remove_file(&self.path);
    }
}

/// One connection, until either side ends it.
fn session(stream: UnixStream, shelf: &Mutex<Shelf>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        while matches!(line.last(), Some(b'\r' | b'\n')) {
            line.pop();
        }
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
        let length = match words.first() {
            Some(&(b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas")) => words.get(4),
            Some(&b"ms") => words.get(2),
            _ => None,
        };
        let mut value = vec![0; length.map_or(0, |length| number(length) as usize + 2)];
        stream.read_exact(&mut value).ok()?;
        value.truncate(value.len().saturating_sub(2));
        let (answer, lie) = {
            let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = shelf.answer(&words, value);
            let lie = shelf.lies.pop().unwrap_or(0);
            (shelf.bent(answer, lie), lie)
        };
        say(stream.get_mut(), &answer, lie)?;
    }
}

/// Sends an answer, in pieces. `None`: and ends the connection.
fn say(stream: &mut UnixStream, answer: &[u8], lie: u8) -> Option<()> {
    let piece = match lie {
        1..64 => usize::from(lie),
        _ => answer.len().max(1),
    };
    for part in answer.chunks(piece) {
        stream.write_all(part).ok()?;
    }
    (lie < 160).then_some(())
}

fn number(text: &[u8]) -> u64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl Shelf {
    /// An answer as it is sent: an honest one in pieces (lies below 64), another one, or one before an end (from 160 on).
    fn bent(&mut self, answer: Vec<u8>, lie: u8) -> Vec<u8> {
        let before = std::mem::replace(&mut self.last, answer.clone());
        let cut = answer.len() * usize::from(lie % 16) / 16;
        match lie {
            0..64 | 240.. => answer,
            64..80 => before,
            80..96 => [answer.clone(), answer].concat(),
            96..104 => b"SERVER_ERROR out of memory storing object\r\n".to_vec(),
            104..112 => b"ERROR\r\n".to_vec(),
            112..120 => [&before[..], &answer].concat(),
            120..128 => b"VALUE other 0 3\r\nabc\r\nEND\r\n".to_vec(),
            128..136 => b"NOT_STORED\r\n".to_vec(),
            136..144 => b"END\r\n".to_vec(),
            144..152 => b"EN\r\n".to_vec(),
            152..160 => b"18446744073709551616\r\n".to_vec(),
            160..176 => answer[..cut].to_vec(),
            176..192 => vec![b'x'; 300 * usize::from(lie - 175)],
            // Too large for any client; for none, but for its trust; for neither.
            192..200 => b"VALUE key0 0 2147483648\r\n".to_vec(),
            200..204 => b"VALUE key0 0 1073741824\r\n".to_vec(),
            204..208 => b"VALUE key0 0 16777216\r\n".to_vec(),
            208..212 => b"VA 1073741823 kkey0 f0 t-1 c5\r\n".to_vec(),
            212..216 => b"VA 16777216 kkey0 f0 t-1 c5\r\n".to_vec(),
            216..224 => [&answer[..cut], b"\0\xff\r\n"].concat(),
            224..240 => Vec::new(),
        }
    }

    fn answer(&mut self, words: &[&[u8]], value: Vec<u8>) -> Vec<u8> {
        let Some((command, words)) = words.split_first() else { return b"ERROR\r\n".to_vec() };
        let key = words.first().copied().unwrap_or_default();
        let last = words.last().copied().unwrap_or_default();
        let text: &[u8] = match *command {
            b"stats" => {
                b"STAT pid 7\r\nSTAT uptime 9\r\nSTAT time 1700000009\r\nSTAT version 1.6.18\r\nEND\r\n"
            }
            b"version" => b"VERSION 1.6.18\r\n",
            b"flush_all" => {
                self.items.clear();
                b"OK\r\n"
            }
            b"get" | b"gets" => return self.values(words, *command == b"gets"),
            b"gat" | b"gats" => return self.values(&words[1..], *command == b"gats"),
            b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas" => {
                return self.store(command, key, words.get(1).copied().unwrap_or_default(), value, last);
            }
            b"touch" if self.items.contains_key(key) => b"TOUCHED\r\n",
            b"delete" if self.items.remove(key).is_some() => b"DELETED\r\n",
            b"touch" | b"delete" => b"NOT_FOUND\r\n",
            b"incr" | b"decr" => return self.count(*command == b"incr", key, number(last)),
            b"mn" if self.meta => b"MN\r\n",
            b"mg" | b"ms" | b"md" if self.meta => return self.meta(command, words, value),
            _ => b"ERROR\r\n",
        };
        text.to_vec()
    }

    fn values(&self, keys: &[&[u8]], with_cas: bool) -> Vec<u8> {
        let mut answer = Vec::new();
        for key in keys {
            let Some(item) = self.items.get(*key) else { continue };
            let cas = if with_cas { format!(" {}", item.cas) } else { String::new() };
            let tail = format!(" {}{cas}\r\n", item.value.len());
            answer.extend_from_slice(
                &[b"VALUE ", *key, b" ", &item.flags, tail.as_bytes(), &item.value, b"\r\n"].concat(),
            );
        }
        answer.extend_from_slice(b"END\r\n");
        answer
    }

    fn put(&mut self, key: &[u8], flags: &[u8], value: Vec<u8>) {
        self.cas += 1;
        let item = Item { value, flags: flags.to_vec(), cas: self.cas, leased: false };
        self.items.insert(key.to_vec(), item);
    }

    fn store(&mut self, verb: &[u8], key: &[u8], flags: &[u8], value: Vec<u8>, cas: &[u8]) -> Vec<u8> {
        let (there, flags) = match self.items.get(key) {
            Some(item) if verb.ends_with(b"pend") => {
                (Some((item.value.clone(), item.cas)), item.flags.clone())
            }
            item => (item.map(|item| (item.value.clone(), item.cas)), flags.to_vec()),
        };
        let stored = match (verb, there) {
            (b"add", Some(_)) | (b"replace" | b"append" | b"prepend", None) => {
                return b"NOT_STORED\r\n".to_vec();
            }
            (b"cas", None) => return b"NOT_FOUND\r\n".to_vec(),
            (b"cas", Some((_, has))) if has != number(cas) => return b"EXISTS\r\n".to_vec(),
            (b"append", Some((old, _))) => [old, value].concat(),
            (b"prepend", Some((old, _))) => [value, old].concat(),
            _ => value,
        };
        self.put(key, &flags, stored);
        b"STORED\r\n".to_vec()
    }

    fn count(&mut self, up: bool, key: &[u8], delta: u64) -> Vec<u8> {
        let Some(item) = self.items.get_mut(key) else { return b"NOT_FOUND\r\n".to_vec() };
        if item.value.is_empty() || !item.value.iter().all(u8::is_ascii_digit) {
            return b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n".to_vec();
        }
        let old = number(&item.value);
        item.value =
            if up { old.wrapping_add(delta) } else { old.saturating_sub(delta) }.to_string().into_bytes();
        format!("{}\r\n", number(&item.value)).into_bytes()
    }

    /// As much of the meta commands as a client of ours sends.
    fn meta(&mut self, command: &[u8], words: &[&[u8]], value: Vec<u8>) -> Vec<u8> {
        let Some((key, flags)) = words.split_first() else {
            return b"CLIENT_ERROR bad command line format\r\n".to_vec();
        };
        let flag =
            |letter: u8| flags.iter().find(|flag| flag.first() == Some(&letter)).map(|flag| &flag[1..]);
        let known = self.items.get(*key).map(|item| item.cas);
        let other = flag(b'C').is_some_and(|cas| Some(number(cas)) != known);
        let word: &[u8] = match (command, known) {
            (b"md", None) => b"NF",
            (b"ms", None) if flag(b'C').is_some() => b"NF",
            (b"md" | b"ms", Some(_)) if other => b"EX",
            (b"ms", Some(_)) if flag(b'M').is_some_and(|mode| mode == b"E") => b"NS",
            (b"ms", _) => {
                self.put(key, flag(b'F').unwrap_or(b"0"), value);
                b"HD"
            }
            (b"md", Some(_)) => {
                self.items.remove(*key);
                b"HD"
            }
            (_, None) if flag(b'N').is_none() => return b"EN\r\n".to_vec(),
            (_, known) => return self.meta_value(key, flags, known.is_none()),
        };
        [word, b"\r\n"].concat()
    }

    fn meta_value(&mut self, key: &[u8], flags: &[&[u8]], fresh: bool) -> Vec<u8> {
        if fresh {
            self.put(key, b"0", Vec::new());
        }
        let item = self.items.get_mut(key).expect("it was there, or was put just now");
        item.leased |= fresh;
        let mut answer = format!("VA {}", item.value.len()).into_bytes();
        for flag in flags {
            let told = match flag.first() {
                Some(b'f') => [b" f", &item.flags[..]].concat(),
                Some(b't') => b" t-1".to_vec(),
                Some(b'c') => format!(" c{}", item.cas).into_bytes(),
                Some(b'k') => [b" k", key].concat(),
                Some(b'b') => b" b".to_vec(),
                _ => continue,
            };
            answer.extend_from_slice(&told);
        }
        let lease: &[u8] = match (fresh, item.leased) {
            (true, _) => b" W\r\n",
            (_, true) => b" Z\r\n",
            _ => b"\r\n",
        };
        answer.extend_from_slice(lease);
        answer.extend_from_slice(&item.value);
        answer.extend_from_slice(b"\r\n");
        answer
    }
}
