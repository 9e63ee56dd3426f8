//! What is sent by one who wakes up after his time.

use std::cell::Cell;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::rc::Rc;

use rustix::event::PollFlags;

use super::wait::Watch;
use super::*;
use crate::rules::address::Address;
use crate::rules::operation::{Failure, Tag};
use crate::rules::pool::Server;
use crate::rules::wire::{Command, Reply, Verb};

/// More than the kernel keeps of what is sent.
const MUCH: usize = 48 << 20;
/// So far off that it is not reached.
const LONG: Duration = Duration::from_secs(600);

/// A store of a value that is sent piece by piece, from where it is.
pub(super) struct Large {
    value: Vec<u8>,
    asked: bool,
    /// How many pieces were asked for.
    pieces: Rc<Cell<u32>>,
}

impl Large {
    pub(super) fn new() -> (Large, Rc<Cell<u32>>) {
        let pieces = Rc::new(Cell::new(0));
        (Large { value: vec![b'v'; MUCH], asked: false, pieces: Rc::clone(&pieces) }, pieces)
    }
}

impl Operation for Large {
    fn next(&mut self, _: &View) -> Option<(ServerId, Tag)> {
        (!std::mem::replace(&mut self.asked, true)).then_some((ServerId(0), 0))
    }
    fn command(&self, _: Tag) -> Command<'_> {
        self.pieces.set(self.pieces.get() + 1);
        Command::Store { verb: Verb::Set, key: b"k", flags: 0, exptime: 0, value: &self.value }
    }
    fn answer(&mut self, _: &View, _: Tag, _: &Reply<'_>) {}
    fn fail(&mut self, _: &View, _: Tag, _: Failure) {}
    fn outcome(&self) -> Option<Outcome> {
        None
    }
}

/// A pool of one server, which is not one.
pub(super) fn pool_of(name: &str, listener: &TcpListener) -> Arc<Pool> {
    let port = listener.local_addr().unwrap().port();
    let address = Address::Tcp { host: "127.0.0.1".to_owned(), port };
    let server = Server { name: "one".to_owned(), address, weight: 1, backup: None };
    let options = Options { timeout: LONG, connect_timeout: LONG, ..Options::default() };
    Arc::new(Pool::new(name, options, vec![server]))
}

/// Terms for a server that is not greeted.
pub(super) fn ungreeted(terms: &[Terms]) -> Vec<Terms> {
    terms.iter().map(|terms| Terms { greets: false, ..*terms }).collect()
}

/// Whether more can be sent.
pub(super) fn has_room(exchange: &Exchange) -> bool {
    let mut watch = Watch::default();
    exchange.watch(&mut watch);
    watch.wait(Duration::from_millis(20)).iter().any(|(_, flags)| flags.contains(PollFlags::OUT))
}

/// The server reads until more can be sent.
pub(super) fn make_room(exchange: &Exchange, server: &mut TcpStream) {
    let mut room = vec![0; 1 << 20];
    for _ in 0..MUCH >> 20 {
        std::io::Read::read_exact(server, &mut room).unwrap();
        if has_room(exchange) {
            return;
        }
    }
    panic!("there is no room for more");
}

#[test]
fn who_wakes_after_his_deadline_sends_no_more() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut client = Client::open(pool_of("who wakes late", &listener));
    client.terms = ungreeted(&client.terms);
    client.exchange = Exchange::new(client.connections());
    let (mut large, pieces) = Large::new();
    let (start, later) = (clock::now(), clock::now() + LONG);
    client.exchange.pump(&mut large, &mut client.views, start);
    let (mut server, _) = listener.accept().unwrap();
    while has_room(&client.exchange) {
        client.poll(&mut large, Duration::ZERO, later);
    }
    make_room(&client.exchange, &mut server);
    let sent = pieces.get();
    assert!(client.poll(&mut large, Duration::ZERO, start), "there is room");
    assert_eq!(pieces.get(), sent, "its time is up");
    client.poll(&mut large, Duration::ZERO, later);
    assert!(pieces.get() > sent, "this would have been sent");
}
