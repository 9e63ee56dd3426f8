//! The tests' own operation: given questions to given servers, and what became of each.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use memcache::client::Client;
use memcache::rules::address::Address;
use memcache::rules::operation::{Failure, Operation, Outcome, Tag};
use memcache::rules::pool::{Options, Pool, Server, ServerId};
use memcache::rules::view::{State, View};
use memcache::rules::wire::{Command, Reply, Verb};

/// What became of one question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Got {
    Value(Vec<u8>),
    /// It was received in the question's room.
    Placed(Vec<u8>),
    Reply(String),
    Failed(Failure),
}

/// Asks each question once. Ends as Done when every one is settled.
pub struct Questions<'a> {
    questions: Vec<(u16, Command<'a>)>,
    pub got: Vec<Option<Got>>,
    /// The state of the question's server when it failed.
    pub seen: Option<State>,
    asked: usize,
    mutates: bool,
    rooms: Vec<Vec<MaybeUninit<u8>>>,
}

impl<'a> Questions<'a> {
    pub fn new(questions: Vec<(u16, Command<'a>)>) -> Questions<'a> {
        let mutates = questions.iter().any(|(_, command)| matches!(command, Command::Store { .. }));
        Questions {
            got: vec![None; questions.len()],
            questions,
            seen: None,
            asked: 0,
            mutates,
            rooms: Vec::new(),
        }
    }

    /// Each question has room for a value of that length, and for no other.
    pub fn with_room(self, lens: impl IntoIterator<Item = usize>) -> Questions<'a> {
        let rooms = lens.into_iter().map(|len| vec![MaybeUninit::new(0); len]).collect();
        Questions { rooms, ..self }
    }

    fn settle(&mut self, tag: Tag, got: Got) {
        let slot = &mut self.got[tag as usize];
        assert!(slot.is_none(), "one answer a question: {slot:?}, then {got:?}");
        *slot = Some(got);
    }
}

impl Operation for Questions<'_> {
    fn next(&mut self, _: &View) -> Option<(ServerId, Tag)> {
        let (server, _) = self.questions.get(self.asked)?;
        self.asked += 1;
        Some((ServerId(*server), (self.asked - 1) as Tag))
    }
    fn command(&self, tag: Tag) -> Command<'_> {
        assert!(self.got[tag as usize].is_none(), "it was answered");
        self.questions[tag as usize].1
    }
    fn room(&mut self, tag: Tag, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        assert!(self.got[tag as usize].is_none(), "it was answered");
        self.rooms.get_mut(tag as usize).filter(|room| room.len() == len).map(Vec::as_mut_slice)
    }
    fn answer(&mut self, _: &View, tag: Tag, reply: &Reply<'_>) {
        let got = match reply {
            Reply::Value(value) if value.placed > 0 => {
                let room = self.rooms[tag as usize].iter();
                // SAFETY: all of it was initialised.
                Got::Placed(room.map(|byte| unsafe { byte.assume_init() }).collect())
            }
            Reply::Value(value) => Got::Value(value.data.to_vec()),
            Reply::Refused(text) => Got::Reply(String::from_utf8_lossy(text).into_owned()),
            reply => Got::Reply(format!("{reply:?}")),
        };
        self.settle(tag, got);
    }
    fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        self.seen = Some(view.state(ServerId(self.questions[tag as usize].0)));
        self.settle(tag, Got::Failed(failure));
    }
    fn outcome(&self) -> Option<Outcome> {
        self.got.iter().all(Option::is_some).then_some(Outcome::Done)
    }
    fn mutates(&self) -> bool {
        self.mutates
    }
}

/// A get of `key`.
pub fn get(key: &str) -> Command<'_> {
    Command::Get { key: key.as_bytes(), meta: false }
}

/// A set of `key`.
pub fn set<'a>(key: &'a str, value: &'a [u8]) -> Command<'a> {
    Command::Store { verb: Verb::Set, key: key.as_bytes(), flags: 0, exptime: 0, value }
}

/// Asks one server one question that must end.
pub fn ask(client: &mut Client, server: u16, command: Command<'_>) -> Got {
    let mut questions = Questions::new(vec![(server, command)]);
    assert_eq!(client.run(&mut questions), Outcome::Done);
    questions.got.remove(0).unwrap()
}

pub fn value(text: &str) -> Got {
    Got::Value(text.as_bytes().to_vec())
}

pub fn reply(text: &str) -> Got {
    Got::Reply(text.to_owned())
}

/// Programs that are much slower than they are built to be say so when they are compiled (scripts/tsan).
const SLOWER: u32 = if option_env!("SLOW_PROGRAMS").is_some() { 10 } else { 1 };

/// Time enough for a loaded machine; for tests in which nothing is to time out.
pub fn unhurried() -> Options {
    let timeout = SLOWER * Duration::from_secs(60);
    Options { connect_timeout: SLOWER * Duration::from_secs(20), timeout, ..Options::default() }
}

/// For tests in which something is to time out.
pub fn hurried() -> Options {
    let timeout = SLOWER * Duration::from_millis(300);
    Options { connect_timeout: SLOWER * Duration::from_millis(100), timeout, ..Options::default() }
}

/// A pool of its own: what one test learns of a port, another must not know.
pub fn pool<'a>(options: Options, addresses: impl IntoIterator<Item = &'a Address>) -> Arc<Pool> {
    static POOLS: AtomicUsize = AtomicUsize::new(0);
    let name = format!("test pool {}", POOLS.fetch_add(1, Ordering::Relaxed));
    let server = |address: &Address| Server {
        name: address.to_string(),
        address: address.clone(),
        weight: 1,
        backup: None,
    };
    Arc::new(Pool::new(name, options, addresses.into_iter().map(server).collect()))
}

pub fn client<'a>(options: Options, addresses: impl IntoIterator<Item = &'a Address>) -> Client {
    Client::open(pool(options, addresses))
}
