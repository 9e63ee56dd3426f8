//! Servers and the connections to them, in virtual time. Every message is one event; events at the
//! same moment are taken in the order in which they were made, so a world is its seed.
//!
//! What can happen to a server: it *crashes* (contents gone, connections reset), is *cut* off (alive,
//! unreachable, keeps its contents; what is under way is stalled, and dies with a connection that its
//! client resets meanwhile), *hangs* (accepts everything, executes nothing; when it wakes it executes
//! what lies in its sockets, also of connections reset long ago), or loses one *connection* (a part
//! of what was under way was executed, the rest never is).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use memcache::rules::time::Stamp;
use memcache::rules::view::State;

use super::memcached::{Item, Memcached};
use super::message::{Answer, Ask, show};
use super::rng::Rng;

/// The second since 1970 in which every world begins.
pub const EPOCH_MILLIS: u64 = 1_800_000_000_000;

/// Index of a connection.
pub type ConnId = usize;

#[derive(Clone, Debug)]
enum Packet {
    Syn,
    Ask(Ask),
}

/// What comes back to a client over a connection.
#[derive(Clone, Debug)]
pub enum Delivery {
    Connected,
    Refused,
    Lost,
    Answer(Answer),
}

/// What the world does at a moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Event {
    /// The next packet of a connection reaches its server.
    Reach(ConnId),
    /// The next delivery of a connection reaches its client.
    Back(ConnId),
    /// A carrier wanted to be woken.
    Timer(usize),
    /// A client begins its next call.
    Begin(usize),
    /// The next fault, or its end.
    Fault(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    No,
    /// Nothing comes back.
    Silent,
    /// A new connection is refused on the way.
    Refusing,
}

#[derive(Debug)]
pub struct Server {
    /// `None`: no process.
    pub process: Option<Memcached>,
    pub cut: Cut,
    pub hung: bool,
    pub meta: bool,
    /// The groups of owners that are cut off from it while others are not: one bit each.
    pub cut_from: u64,
    conns: Vec<ConnId>,
}

impl Server {
    /// It would answer at once.
    pub fn healthy(&self) -> bool {
        self.process.is_some() && self.cut == Cut::No && !self.hung
    }
}

#[derive(Debug)]
struct Conn {
    server: usize,
    owner: usize,
    /// The client's end is open.
    open: bool,
    /// The server's end is known to the process that lives now.
    accepted: bool,
    out: VecDeque<Packet>,
    inbox: VecDeque<Ask>,
    back: VecDeque<Delivery>,
    last_out: u64,
    last_back: u64,
    stalled_out: u32,
    stalled_back: u32,
}

/// How fast the wires are, in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Wires {
    pub least: u64,
    pub most: u64,
    /// An answer is late this many times in a thousand, by up to `late` microseconds.
    pub late_per_mille: u64,
    pub late: u64,
}

pub struct Net {
    pub now: u64,
    /// The processes' clock, and what their wall clock is set to.
    pub clock: u64,
    clock_seed: u64,
    pub rng: Rng,
    pub servers: Vec<Server>,
    pub wires: Wires,
    /// Every message and fault in words, when somebody wants to read it.
    pub trace: Option<Vec<String>>,
    /// Messages executed so far.
    pub executed: u64,
    /// Leases given so far: stubs may be about.
    pub leases: u64,
    /// Which group (a process) an owner belongs to; the first, unless told otherwise.
    pub groups: Vec<usize>,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    made: u64,
    conns: Vec<Conn>,
    pids: u64,
}

impl Net {
    pub fn new(rng: Rng, metas: &[bool], wires: Wires, trace: bool) -> Net {
        let mut net = Net {
            now: 0,
            clock: 1,
            clock_seed: rng.clone().next(),
            rng,
            servers: Vec::new(),
            wires,
            trace: trace.then(Vec::new),
            executed: 0,
            leases: 0,
            groups: Vec::new(),
            queue: BinaryHeap::new(),
            made: 0,
            conns: Vec::new(),
            pids: 1000,
        };
        for meta in metas {
            net.servers.push(Server {
                process: None,
                cut: Cut::No,
                hung: false,
                meta: *meta,
                cut_from: 0,
                conns: Vec::new(),
            });
            net.start(net.servers.len() - 1);
        }
        net
    }

    /// The time of day by the servers' clocks, and by the judge's.
    pub fn unix_millis(&self) -> u64 {
        EPOCH_MILLIS + self.now / 1000
    }

    /// This moment as the processes read it.
    pub fn stamp(&self) -> Stamp {
        self.stamp_of(self.now)
    }

    /// A moment as the processes read it then. Somebody sets their wall clock, up to 20 seconds off, every 3 seconds.
    pub fn stamp_of(&self, now: u64) -> Stamp {
        let set = Rng::new(self.clock_seed ^ (now / 3_000_000)).below(40_001);
        let (boot_millis, clock) = (now / 1000, self.clock);
        Stamp { unix_millis: EPOCH_MILLIS + boot_millis + set - 20_000, clock, boot_millis }
    }

    fn items<'a>(&'a self, key: &'a [u8]) -> impl Iterator<Item = Option<&'a Item>> {
        let unix_millis = self.unix_millis();
        self.servers.iter().map(move |server| server.process.as_ref()?.item(key, unix_millis))
    }

    /// The servers that hold a value (no stub) under a key which is `wanted` there: one bit each.
    pub fn holders(&self, key: &[u8], wanted: impl Fn(usize, &Item) -> bool) -> u64 {
        let holds = |(index, item): (usize, Option<&Item>)| {
            u64::from(item.is_some_and(|item| !item.is_stub() && wanted(index, item))) << index
        };
        self.items(key).enumerate().map(holds).sum()
    }

    /// What every server holds under a key, for a message.
    pub fn contents(&self, key: &[u8], state: impl Fn(usize) -> State) -> String {
        let held = |item: &Item| if item.is_stub() { "stub".to_string() } else { show(&item.data) };
        let told = self.items(key).enumerate().map(|(index, item)| {
            format!(" s{index} {:?} {};", state(index), item.map_or("-".to_string(), held))
        });
        format!("Servers:{}", told.collect::<String>())
    }

    pub fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>12} us  {}", self.now, text()));
        }
    }

    pub fn at(&mut self, time: u64, event: Event) {
        self.made += 1;
        self.queue.push(Reverse((time.max(self.now), self.made, event)));
    }

    /// Goes on to the next event. `None`: nothing will ever happen again.
    pub fn pop(&mut self) -> Option<Event> {
        let Reverse((time, _, event)) = self.queue.pop()?;
        self.now = time;
        Some(event)
    }

    fn latency(&mut self) -> u64 {
        let Wires { least, most, .. } = self.wires;
        self.rng.between(least, most)
    }

    // ---- the client's end

    pub fn connect(&mut self, server: usize, owner: usize) -> ConnId {
        let id = self.conns.len();
        self.conns.push(Conn {
            server,
            owner,
            open: true,
            accepted: false,
            out: VecDeque::new(),
            inbox: VecDeque::new(),
            back: VecDeque::new(),
            last_out: 0,
            last_back: 0,
            stalled_out: 0,
            stalled_back: 0,
        });
        self.servers[server].conns.push(id);
        self.push_out(id, Packet::Syn);
        id
    }

    pub fn owner(&self, conn: ConnId) -> usize {
        self.conns[conn].owner
    }

    pub fn server_of(&self, conn: ConnId) -> usize {
        self.conns[conn].server
    }

    /// Nothing passes over a connection at the moment.
    fn is_cut(&self, conn: ConnId) -> bool {
        let server = &self.servers[self.conns[conn].server];
        let group = self.groups.get(self.conns[conn].owner).copied().unwrap_or(0);
        server.cut != Cut::No || server.cut_from & (1 << group) != 0
    }

    pub fn send(&mut self, conn: ConnId, ask: Ask) {
        self.push_out(conn, Packet::Ask(ask));
    }

    /// The client resets the connection (linger 0). What is on its way may arrive still.
    pub fn reset(&mut self, conn: ConnId) {
        let arrives = self.rng.below(self.conns[conn].out.len() as u64 + 1) as usize;
        let cut = self.is_cut(conn);
        let c = &mut self.conns[conn];
        c.open = false;
        c.back.clear();
        c.out.truncate(if cut { 0 } else { arrives });
        if c.inbox.is_empty() && c.out.is_empty() {
            self.forget(conn);
        }
    }

    fn forget(&mut self, conn: ConnId) {
        let server = self.conns[conn].server;
        self.servers[server].conns.retain(|c| *c != conn);
    }

    fn push_out(&mut self, conn: ConnId, packet: Packet) {
        let time = (self.now + self.latency()).max(self.conns[conn].last_out);
        self.conns[conn].last_out = time;
        self.conns[conn].out.push_back(packet);
        self.at(time, Event::Reach(conn));
    }

    fn push_back(&mut self, conn: ConnId, delivery: Delivery) {
        if !self.conns[conn].open {
            return;
        }
        let late =
            if self.rng.chance(self.wires.late_per_mille) { self.rng.below(self.wires.late) } else { 0 };
        let time = (self.now + self.latency() + late).max(self.conns[conn].last_back);
        self.conns[conn].last_back = time;
        self.conns[conn].back.push_back(delivery);
        self.at(time, Event::Back(conn));
    }

    /// The peer of a connection that was lost while idle says so again to whoever writes on it.
    pub fn lost_again(&mut self, conn: ConnId) {
        self.push_back(conn, Delivery::Lost);
    }

    /// A delivery comes to its client; `None` when it was stalled, or nobody is there.
    pub fn back(&mut self, conn: ConnId) -> Option<Delivery> {
        let cut = self.is_cut(conn);
        let c = &mut self.conns[conn];
        if !c.open {
            return None;
        }
        if cut && !matches!(c.back.front(), Some(Delivery::Refused)) {
            c.stalled_back += 1;
            return None;
        }
        c.back.pop_front()
    }

    // ---- the server's end

    /// A packet comes to its server.
    pub fn reach(&mut self, conn: ConnId) {
        let severed = self.is_cut(conn);
        let c = &mut self.conns[conn];
        let server = c.server;
        let (cut, alive) = (self.servers[server].cut, self.servers[server].process.is_some());
        if cut == Cut::Refusing && matches!(c.out.front(), Some(Packet::Syn)) {
            c.out.pop_front();
            self.push_back(conn, Delivery::Refused);
            return;
        }
        if severed {
            c.stalled_out += 1;
            return;
        }
        match c.out.pop_front() {
            None => {}
            Some(Packet::Syn) if alive => {
                c.accepted = true;
                self.push_back(conn, Delivery::Connected);
            }
            Some(Packet::Syn) => self.push_back(conn, Delivery::Refused),
            Some(Packet::Ask(_)) if !c.accepted => self.push_back(conn, Delivery::Lost),
            Some(Packet::Ask(ask)) => {
                c.inbox.push_back(ask);
                if !self.servers[server].hung {
                    self.execute_next(conn);
                }
            }
        }
    }

    fn execute_next(&mut self, conn: ConnId) {
        let Some(ask) = self.conns[conn].inbox.pop_front() else { return };
        let server = self.conns[conn].server;
        let unix_millis = self.unix_millis();
        let Some(process) = &mut self.servers[server].process else { return };
        let answer = process.execute(unix_millis, &ask);
        self.executed += 1;
        self.leases += u64::from(matches!(ask, Ask::Lease { .. }));
        self.note(|| format!("s{server} c{conn}  {ask:?} -> {answer:?}"));
        self.push_back(conn, Delivery::Answer(answer));
    }

    // ---- faults

    /// A new, empty process.
    pub fn start(&mut self, server: usize) {
        self.pids += 1;
        let (pid, unix_millis) = (self.pids, self.unix_millis());
        let s = &mut self.servers[server];
        s.process = Some(Memcached::new(pid, unix_millis, s.meta));
        s.hung = false;
        self.note(|| format!("s{server} STARTS, empty"));
    }

    pub fn crash(&mut self, server: usize) {
        self.note(|| format!("s{server} CRASHES"));
        self.servers[server].process = None;
        self.servers[server].hung = false;
        for conn in std::mem::take(&mut self.servers[server].conns) {
            let c = &mut self.conns[conn];
            c.inbox.clear();
            if c.open {
                self.servers[server].conns.push(conn);
                if std::mem::take(&mut self.conns[conn].accepted) {
                    self.push_back(conn, Delivery::Lost);
                }
            }
        }
    }

    pub fn cut(&mut self, server: usize, cut: Cut) {
        self.note(|| format!("s{server} CUT OFF ({cut:?})"));
        self.servers[server].cut = cut;
    }

    /// What an owner sent and nobody acknowledged is given up, because its way is cut.
    pub fn abort_stalled(&mut self, owner: usize) {
        for conn in 0..self.conns.len() {
            if self.conns[conn].owner == owner && self.conns[conn].open && self.is_cut(conn) {
                self.conns[conn].out.clear();
                self.conns[conn].accepted = false;
            }
        }
    }

    /// Only this group is cut off from it.
    pub fn cut_from(&mut self, server: usize, group: usize) {
        self.note(|| format!("s{server} CUT OFF from group {group}"));
        self.servers[server].cut_from |= 1 << group;
    }

    /// What was stalled moves on.
    pub fn heal(&mut self, server: usize) {
        self.note(|| format!("s{server} REACHABLE AGAIN"));
        self.servers[server].cut = Cut::No;
        self.servers[server].cut_from = 0;
        for conn in self.servers[server].conns.clone() {
            let c = &mut self.conns[conn];
            let (out, back) = (std::mem::take(&mut c.stalled_out), std::mem::take(&mut c.stalled_back));
            if !c.open {
                continue;
            }
            for _ in 0..out {
                let time = (self.now + self.latency()).max(self.conns[conn].last_out);
                self.conns[conn].last_out = time;
                self.at(time, Event::Reach(conn));
            }
            for _ in 0..back {
                let time = (self.now + self.latency()).max(self.conns[conn].last_back);
                self.conns[conn].last_back = time;
                self.at(time, Event::Back(conn));
            }
        }
    }

    pub fn hang(&mut self, server: usize) {
        if self.servers[server].process.is_some() {
            self.note(|| format!("s{server} HANGS"));
            self.servers[server].hung = true;
        }
    }

    /// Everything that lies in its sockets is executed, in any order among the connections.
    pub fn wake(&mut self, server: usize) {
        if !std::mem::take(&mut self.servers[server].hung) {
            return;
        }
        self.note(|| format!("s{server} WAKES"));
        let mut full: Vec<ConnId> = self.servers[server].conns.clone();
        full.retain(|conn| !self.conns[*conn].inbox.is_empty());
        while !full.is_empty() {
            let index = self.rng.below(full.len() as u64) as usize;
            let conn = full[index];
            self.execute_next(conn);
            if self.conns[conn].inbox.is_empty() {
                full.swap_remove(index);
                if !self.conns[conn].open {
                    self.forget(conn);
                }
            }
        }
    }

    /// One established connection is lost; `index` says which.
    pub fn break_one(&mut self, server: usize) {
        let candidates: Vec<ConnId> = self.servers[server]
            .conns
            .iter()
            .copied()
            .filter(|c| self.conns[*c].open && self.conns[*c].accepted)
            .collect();
        if candidates.is_empty() {
            return;
        }
        let conn = *self.rng.pick(&candidates);
        self.note(|| format!("s{server} c{conn} BREAKS"));
        let count = self.conns[conn].out.len() as u64;
        let executed = self.rng.below(count + 1);
        for _ in 0..executed {
            if !self.is_cut(conn) {
                self.reach(conn);
            }
        }
        let c = &mut self.conns[conn];
        c.out.clear();
        c.accepted = false;
        if self.rng.chance(500) {
            // The answers that were on their way are lost as well.
            self.conns[conn].back.clear();
        }
        self.push_back(conn, Delivery::Lost);
    }
}
