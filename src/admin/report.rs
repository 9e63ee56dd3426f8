//! How a pool is, as data: what `status` shows, and its JSON document. docs/memcachectl.md describes
//! every field; the order here is the order there.

use serde::Serialize;

use crate::config::Order;
use crate::rules::pool::Server;
use crate::rules::view::{Meta, State};
use crate::table::{Attendance, ServerEntry, Snapshot};

use super::ask::Figures;
use super::known::{Known, Table, word};
use super::progress::Sweep;
use super::text::rfc3339;

/// A pool.
#[derive(Serialize, Clone, Debug)]
pub struct Report {
    /// Its name.
    pub pool: String,
    /// The path of its file.
    pub file: String,
    /// The path of its table.
    pub table: Option<String>,
    /// Whether a daemon attends the table.
    pub attended: bool,
    /// That in words, and if not, why.
    pub attendance: String,
    /// Whose process id writes the table.
    pub writer: Option<u32>,
    /// Where the states come from.
    pub states: &'static str,
    /// Which edition of the table it is.
    pub generation: Option<u64>,
    /// When that was published.
    pub published: Option<String>,
    /// Whether somebody moves copies to where they belong.
    pub sweep: Option<&'static str>,
    /// Whether the table's servers are those of the file.
    pub lists_agree: bool,
    /// The servers, in the order of the list.
    pub servers: Vec<Line>,
    /// How far the sweep is that is under way.
    pub sweep_progress: Option<Sweep>,
}

/// A server.
#[derive(Serialize, Clone, Debug)]
pub struct Line {
    /// What it is called.
    pub name: String,
    /// Where it listens.
    pub address: String,
    /// Its state.
    pub state: &'static str,
    /// Since when.
    pub since: Option<String>,
    /// Why.
    pub reason: String,
    /// Who holds its second copies.
    pub backup: Option<String>,
    /// What the file orders.
    pub order: &'static str,
    /// How many slots it has.
    pub weight: u32,
    /// It answers, and only its flush is held back.
    pub held_back: bool,
    /// It is down or draining because that was ordered.
    pub ordered: bool,
    /// Why it could not be asked; the fields from here on are what it said.
    pub unreachable: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Its process id.
    pub pid: Option<u64>,
    /// When that process started.
    pub started: Option<String>,
    /// Whether it has the meta commands.
    pub meta: Option<bool>,
    /// How many values it holds.
    pub items: Option<u64>,
    /// Bytes in use.
    pub memory_used: Option<u64>,
    /// Bytes that it may use.
    pub memory_limit: Option<u64>,
    /// Reads that found something.
    pub hits: Option<u64>,
    /// Reads that found nothing.
    pub misses: Option<u64>,
    /// The former in both; from 0 to 1.
    pub hit_rate: Option<f64>,
    /// `since` as a number.
    #[serde(skip)]
    pub since_millis: Option<u64>,
}

/// An order's word.
pub fn order_word(order: Order) -> &'static str {
    match order {
        Order::Up => "up",
        Order::Draining => "draining",
        Order::Down => "down",
    }
}

/// Where the states of a pool come from.
pub fn source(known: &Known) -> &'static str {
    match known.seen() {
        Some(seen) if seen.attendance == Attendance::Attended => "table",
        Some(_) => "last",
        None => "assumed",
    }
}

/// Whether the table is attended, in words.
pub fn attendance(known: &Known) -> String {
    match &known.table {
        Table::None => "no table: the pool file names none, so each process judges by itself".to_owned(),
        Table::Refused(refusal) => format!("unattended: {}", refusal.fault),
        Table::Read(seen) if seen.attendance != Attendance::Attended && seen.reader.writer_is_gone() => {
            format!("{}; process {} is gone", seen.attendance, seen.reader.header().writer.pid)
        }
        Table::Read(seen) => seen.attendance.to_string(),
    }
}

/// `off`: nobody sweeps this pool, whatever happens; `idle`: somebody would, and nothing is to be moved; `running`: copies are
/// being moved, or are to be.
fn sweep(snapshot: &Snapshot) -> &'static str {
    let returned = |entry: &ServerEntry| entry.state == State::Returned;
    match snapshot.swept {
        _ if snapshot.sweep.is_some() => "running",
        false => "off",
        true if snapshot.previous.is_some() || snapshot.current.servers.iter().any(returned) => "running",
        true => "idle",
    }
}

impl Report {
    /// Puts together what is known and what the servers said, one answer for each server of
    /// [`Known::view`]'s pool, at `now` (milliseconds since 1970).
    pub fn new(path: &str, known: &Known, answers: &[Result<Figures, String>], now: u64) -> Report {
        let seen = known.seen();
        let snapshot = seen.map(|seen| &seen.snapshot);
        let view = known.view();
        let servers = view.pool.ids().zip(answers).map(|(id, answer)| {
            let server = view.pool.server(id);
            let order = known.order_of(&server.name);
            let backup = server.backup.map(|backup| view.pool.server(backup).name.clone());
            let line = match snapshot.and_then(|snapshot| snapshot.current.servers.get(id.index())) {
                Some(entry) => Line::from_table(entry, order, backup),
                None => Line::assumed(server, order, backup, answer),
            };
            line.with(answer)
        });
        Report {
            pool: view.pool.name.clone(),
            file: path.to_owned(),
            table: known.file.table.as_ref().map(|table| table.display().to_string()),
            attended: known.attended().is_some(),
            attendance: attendance(known),
            writer: seen.map(|seen| seen.reader.header().writer.pid),
            states: source(known),
            generation: snapshot.map(|snapshot| snapshot.generation),
            published: snapshot.and_then(|snapshot| rfc3339(snapshot.published)),
            sweep: snapshot.map(sweep),
            lists_agree: known.lists_agree(),
            servers: servers.collect(),
            sweep_progress: snapshot
                .and_then(|snapshot| snapshot.sweep.as_ref())
                .map(|progress| Sweep::new(progress, now)),
        }
    }
}

impl Line {
    fn from_table(entry: &ServerEntry, order: Order, backup: Option<String>) -> Line {
        let mut line = Line::bare(&entry.server, order, backup);
        line.state = word(entry.state);
        line.since = rfc3339(entry.since.unix_millis).filter(|_| entry.since.unix_millis > 0);
        line.since_millis = Some(entry.since.unix_millis).filter(|&since| since > 0);
        line.reason.clone_from(&entry.reason);
        line.held_back = entry.held_back;
        line.ordered = entry.ordered;
        line.pid = entry.incarnation.map(|life| life.pid);
        line.started = entry.incarnation.and_then(|life| rfc3339(life.start.saturating_mul(1_000)));
        line.meta = match entry.meta {
            Meta::Unknown => None,
            meta => Some(meta == Meta::Yes),
        };
        line
    }

    /// Without a table: what is ordered, and else whether it answers.
    fn assumed(
        server: &Server,
        order: Order,
        backup: Option<String>,
        answer: &Result<Figures, String>,
    ) -> Line {
        let mut line = Line::bare(server, order, backup);
        line.ordered = order != Order::Up;
        (line.state, line.reason) = match (order, answer) {
            (Order::Down, _) => ("down", "ordered".to_owned()),
            (Order::Up, Ok(_)) => ("steady", "it answers".to_owned()),
            (Order::Draining, Ok(_)) => ("draining", "ordered".to_owned()),
            (_, Err(wrong)) => ("down", wrong.clone()),
        };
        line
    }

    fn bare(server: &Server, order: Order, backup: Option<String>) -> Line {
        Line {
            name: server.name.clone(),
            address: server.address.to_string(),
            state: "steady",
            since: None,
            reason: String::new(),
            backup,
            order: order_word(order),
            weight: server.weight,
            held_back: false,
            ordered: false,
            unreachable: None,
            version: None,
            pid: None,
            started: None,
            meta: None,
            items: None,
            memory_used: None,
            memory_limit: None,
            hits: None,
            misses: None,
            hit_rate: None,
            since_millis: None,
        }
    }

    /// What it said itself is the newest that is known of it.
    fn with(mut self, answer: &Result<Figures, String>) -> Line {
        let figures = match answer {
            Ok(figures) => figures,
            Err(wrong) => {
                self.unreachable = Some(wrong.clone());
                return self;
            }
        };
        self.version.clone_from(&figures.version);
        if let Some(life) = figures.life {
            self.pid = Some(life.pid);
            self.started = rfc3339(life.start.saturating_mul(1_000));
        }
        self.meta = Some(figures.meta);
        self.items = figures.items;
        self.memory_used = figures.used;
        self.memory_limit = figures.limit;
        self.hits = figures.hits;
        self.misses = figures.misses;
        if let (Some(hits), Some(misses)) = (figures.hits, figures.misses) {
            let all = hits as f64 + misses as f64;
            // Four digits are what anybody compares.
            self.hit_rate = (all > 0.0).then(|| (hits as f64 / all * 10_000.0).round() / 10_000.0);
        }
        self
    }
}
