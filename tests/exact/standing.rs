//! Those that live for a whole soak: clients that use the library, a proxy, and a client of it. Every round has a crowd of its
//! own, and what is killed begins anew: none of these lives long enough to show that it grows slowly. Nothing befalls
//! the standing ones themselves; what befalls the servers reaches them as everybody. What they are answered is
//! nobody's evidence: they are there to be looked at, and to go on.

use std::path::Path;

use crate::crowd::{Crowd, Shape};
use crate::link::Door;
use crate::proxies::Proxy;
use crate::support::server::free_port;

/// What the proxy's file is called by.
const NUMBER: usize = 9;
/// The round of these: those that are played count from 1.
const ROUND: u64 = 0;
/// So few that they are no load. There is room for what fills the pool; what they do then is not kept.
const SHAPE: Shape =
    Shape { processes: 3, plain: 1, keys: 48, counters: 8, room: 1_000, pause_us: 10_000, ..Shape::EIGHT };

/// They are at work until this is dropped.
pub struct Standing {
    crowd: Crowd,
    _proxy: Proxy,
}

impl Standing {
    /// Sends them to work. `client`: the program.
    pub fn start(client: &Path, pool_file: &Path, seed: u64) -> Standing {
        let directory = pool_file.parent().expect("it lies in a directory");
        let pool = std::fs::read_to_string(pool_file).expect("the pool file");
        let proxy = Proxy::start(directory, NUMBER, Door::Port(free_port()), &pool);
        let crowd = Crowd::start(client, pool_file, std::slice::from_ref(&proxy.door), SHAPE, seed, ROUND);
        Standing { crowd, _proxy: proxy }
    }

    /// Demands that none has ended, and that each still makes steps.
    pub fn go_on(&mut self) {
        self.crowd.works(1);
    }
}
