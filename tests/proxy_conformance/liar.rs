//! A relay that lies now and then: a comparison that does not find it out is worth nothing.
//!
//! Every connection has a thread of its own here, and none of them need be quick. So that what is sent in
//! fragments is read in fragments, a `version` is passed on when nothing lies unread on any connection:
//! that is what [`crate::play`] asks between two fragments.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use crate::play::{Kind, Subject};
use crate::support::server::free_port;
use crate::support::wait;

/// What it does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    /// Nothing.
    None,
    /// One answer for another.
    Says(&'static str, &'static str),
    /// A request that is not whole when it arrives loses its last byte.
    LosesAByteOfFragments,
    /// Of what is more than a line it answers the first line only.
    ForgetsPipelines,
    /// All CAS numbers look the same.
    OneCas,
}

/// A relay before one server.
pub struct Liar {
    address: String,
}

impl Liar {
    /// Starts it. Its threads end with their connections; the listening one with the program.
    pub fn start(server: u16, lie: Lie) -> Liar {
        let listener =
            wait::until("a port for a relay", || TcpListener::bind(("127.0.0.1", free_port())).ok());
        let address = listener.local_addr().expect("an address").to_string();
        std::thread::spawn(move || {
            let clients = Arc::new(Mutex::new(Vec::new()));
            for client in listener.incoming().flatten() {
                let Ok(watched) = client.try_clone() else { continue };
                clients.lock().unwrap_or_else(PoisonError::into_inner).push(watched);
                let clients = Arc::clone(&clients);
                std::thread::spawn(move || relay(client, server, lie, &clients));
            }
        });
        Liar { address }
    }
}

impl Subject for Liar {
    fn address(&self) -> String {
        self.address.clone()
    }
    fn kind(&self) -> Kind {
        Kind::Memcached
    }
}

/// Waits until nothing lies unread on any connection.
fn all_is_read(clients: &Mutex<Vec<TcpStream>>) {
    wait::until("a relay that has read everything", || {
        let clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = clients.iter().map(|client| PollFd::new(client, PollFlags::IN)).collect();
        let _ = poll(&mut all, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        // One that was closed is done with.
        let unread = |client: &PollFd<'_>| client.revents() == PollFlags::IN;
        (!all.iter().any(unread)).then_some(())
    });
}

fn relay(mut client: TcpStream, server: u16, lie: Lie, clients: &Mutex<Vec<TcpStream>>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)) else { return };
    let (Ok(mut answers), Ok(mut back)) = (server.try_clone(), client.try_clone()) else { return };
    let _ = back.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let downward = std::thread::spawn(move || {
        let mut room = [0; 16 * 1024];
        while let Ok(count @ 1..) = answers.read(&mut room) {
            if back.write_all(&told(&room[..count], lie)).is_err() {
                break;
            }
        }
        let _ = back.shutdown(Shutdown::Write);
    });
    let mut room = [0; 64 * 1024];
    while let Ok(count @ 1..) = client.read(&mut room) {
        if room.starts_with(b"version") {
            all_is_read(clients);
        }
        if server.write_all(&passed(&room[..count], lie)).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Write);
    let _ = downward.join();
}

/// What becomes of a request.
fn passed(bytes: &[u8], lie: Lie) -> Vec<u8> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    match lie {
        Lie::LosesAByteOfFragments if bytes.len() > 1 && !bytes.ends_with(b"\n") => {
            bytes[..bytes.len() - 1].to_vec()
        }
        Lie::ForgetsPipelines if bytes.starts_with(b"get ") => {
            let (first, last) = (lines.next().unwrap_or_default(), lines.next_back().unwrap_or_default());
            [first, last].concat()
        }
        _ => bytes.to_vec(),
    }
}

/// What becomes of an answer.
fn told(bytes: &[u8], lie: Lie) -> Vec<u8> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let changed = lines.map(|line| match lie {
        Lie::Says(truth, lie) if line == [truth.as_bytes(), b"\r\n"].concat() => {
            [lie.as_bytes(), b"\r\n"].concat()
        }
        Lie::OneCas if line.starts_with(b"HD c") => b"HD c7\r\n".to_vec(),
        _ => line.to_vec(),
    });
    changed.collect::<Vec<_>>().concat()
}
