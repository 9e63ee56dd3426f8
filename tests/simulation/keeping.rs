//! A server that keeps what was not changed meanwhile, in the smallest world there is: one key, a server that hangs, its
//! mirror, two writers that take turns at the key, and a daemon that lets the server fall and brings it back. *Every* order of
//! their steps is gone through; what is read of the server once its return is published must never be older than what was
//! acknowledged.
//!
//! The steps are those of docs/one-view.md, "What a server may keep". With any one of them in the wrong place some order goes
//! wrong, which is asked for here too.

use std::collections::HashSet;

/// What is built wrongly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    Nothing,
    /// A writer notes the key when it was stored elsewhere.
    NotesLate,
    /// A writer who finds the journal closed goes on.
    GoesOn,
    /// The journal is not closed before the return is published.
    NotClosed,
    /// What was noted since the first reading is not read.
    ReadOnce,
    /// The keys are deleted before the server has executed what lay in its sockets.
    NoProbes,
    /// The server is published as down before its journal is open.
    OpensLate,
    /// A writer does not look at the table once more when its last answer came.
    NoLook,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Table {
    Steady,
    Down,
    Returned,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Journal {
    None,
    Open,
    Closed,
}

/// Where a writer is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum At {
    /// Before it has the stripe.
    Outside,
    /// It has the stripe, and has not looked.
    Inside,
    /// It goes by this view, and has sent nothing under it.
    Looked(Table),
    /// It has noted what it must.
    Noted(Table),
    /// It sent its value.
    Stored(Table),
    Over,
}

/// One server's value of the key: a version, 0 is from before; `None`: it holds none.
type Value = Option<u8>;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct World {
    table: Table,
    journal: Journal,
    noted: bool,
    server: Value,
    /// What lies in the hung server's sockets, oldest first.
    sockets: Vec<u8>,
    hangs: bool,
    mirror: u8,
    acknowledged: u8,
    /// The newest that anybody has read.
    read: u8,
    /// Who has the stripe. The first one writes version 1, the second one 2.
    stripe: Option<usize>,
    version: u8,
    writers: [At; 2],
    /// The daemon's next step.
    daemon: usize,
}

/// The daemon's steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Open,
    Fall,
    /// The server wakes, executes what lies there, and answers its probes.
    Wake,
    Weed,
    Close,
    Publish,
    End,
}

fn steps(fault: Fault) -> Vec<Step> {
    use Step::*;
    match fault {
        Fault::NotClosed => vec![Open, Fall, Wake, Weed, Weed, Publish, End],
        Fault::ReadOnce => vec![Open, Fall, Wake, Weed, Close, Publish, End],
        Fault::NoProbes => vec![Open, Fall, Weed, Close, Weed, Wake, Publish, End],
        Fault::OpensLate => vec![Fall, Open, Wake, Weed, Close, Weed, Publish, End],
        _ => vec![Open, Fall, Wake, Weed, Close, Weed, Publish, End],
    }
}

impl World {
    fn new() -> World {
        World {
            table: Table::Steady,
            journal: Journal::None,
            noted: false,
            server: Some(0),
            sockets: Vec::new(),
            hangs: true,
            mirror: 0,
            acknowledged: 0,
            read: 0,
            stripe: None,
            version: 0,
            writers: [At::Outside; 2],
            daemon: 0,
        }
    }

    /// What can come next.
    fn next(&self, fault: Fault) -> Vec<World> {
        let mut next: Vec<World> = (0..2).filter_map(|writer| self.write(writer, fault)).collect();
        next.extend(self.watch(fault));
        if self.shown() > self.read {
            next.push(World { read: self.shown(), ..self.clone() });
        }
        next
    }

    fn watch(&self, fault: Fault) -> Option<World> {
        let step = *steps(fault).get(self.daemon)?;
        let mut next = World { daemon: self.daemon + 1, ..self.clone() };
        match step {
            Step::Open => next.journal = Journal::Open,
            Step::Fall => next.table = Table::Down,
            Step::Wake => {
                next.server = self.sockets.last().copied().or(self.server);
                (next.hangs, next.sockets) = (false, Vec::new());
            }
            Step::Weed if self.noted => next.server = None,
            Step::Weed => {}
            Step::Close => next.journal = Journal::Closed,
            Step::Publish => next.table = Table::Returned,
            Step::End => next.journal = Journal::None,
        }
        Some(next)
    }

    /// The server gets a value: at once, or when it wakes.
    fn store(&mut self, version: u8) {
        if self.hangs {
            self.sockets.push(version);
        } else {
            self.server = Some(version);
        }
    }

    /// Notes the key. False: it has to wait.
    fn note(&mut self, fault: Fault) -> bool {
        match self.journal {
            Journal::Open => self.noted = true,
            Journal::Closed => return fault == Fault::GoesOn,
            Journal::None => {}
        }
        true
    }

    /// A writer's next step; `None`: it waits, or is over.
    fn write(&self, writer: usize, fault: Fault) -> Option<World> {
        let mut next = self.clone();
        let late = fault == Fault::NotesLate;
        next.writers[writer] = match self.writers[writer] {
            At::Outside if self.stripe.is_none() => {
                next.stripe = Some(writer);
                next.version += 1;
                At::Inside
            }
            At::Inside => At::Looked(self.table),
            At::Looked(Table::Down) if !late && !next.note(fault) => match self.table {
                // It waits for word of the server.
                Table::Down => return None,
                other => At::Looked(other),
            },
            At::Looked(view) => At::Noted(view),
            At::Noted(view) => {
                next.mirror = self.version;
                if view != Table::Down {
                    next.store(self.version);
                }
                At::Stored(view)
            }
            // No answer: it waits for the table's word.
            At::Stored(Table::Steady) if self.table == Table::Steady => return None,
            // Whatever it sent to the server may still be executed. It plans anew.
            At::Stored(Table::Steady) => At::Looked(self.table),
            At::Stored(view) if view != self.table && fault != Fault::NoLook => At::Looked(self.table),
            At::Stored(Table::Down) if late && !next.note(fault) => return None,
            At::Stored(_) => {
                next.acknowledged = self.version;
                next.stripe = None;
                At::Over
            }
            At::Outside | At::Over => return None,
        };
        Some(next)
    }

    /// What one reads now who goes by the table's word.
    fn shown(&self) -> u8 {
        match self.table {
            // Who gets no answer asks the other place.
            Table::Steady | Table::Down => self.mirror,
            Table::Returned => self.server.unwrap_or(self.mirror),
        }
    }

    /// Whether that is older than what was acknowledged, or what somebody read before.
    fn is_stale(&self) -> bool {
        self.shown() < self.acknowledged.max(self.read)
    }
}

/// Goes through every order. The worlds there are, and one that went wrong.
fn explore(fault: Fault) -> (usize, Option<World>) {
    let (mut seen, mut open) = (HashSet::new(), vec![World::new()]);
    let mut ends = 0;
    while let Some(world) = open.pop() {
        if world.is_stale() {
            return (seen.len(), Some(world));
        }
        if !seen.insert(world.clone()) {
            continue;
        }
        let next = world.next(fault);
        if next.is_empty() {
            ends += 1;
            assert_eq!(world.writers, [At::Over; 2], "{world:?}: somebody waits for ever");
            assert_eq!((world.table, world.daemon), (Table::Returned, steps(fault).len()));
        }
        open.extend(next);
    }
    assert!(ends > 0);
    (seen.len(), None)
}

#[test]
fn no_order_of_steps_reads_what_was_overwritten() {
    let (worlds, wrong) = explore(Fault::Nothing);
    println!("{worlds} worlds");
    assert_eq!(wrong, None);
    assert!(worlds > 100, "{worlds}");
}

#[test]
fn a_step_in_the_wrong_place_goes_wrong() {
    for fault in [
        Fault::NotesLate,
        Fault::GoesOn,
        Fault::NotClosed,
        Fault::ReadOnce,
        Fault::NoProbes,
        Fault::OpensLate,
        Fault::NoLook,
    ] {
        let (worlds, wrong) = explore(fault);
        assert!(wrong.is_some(), "{fault:?}: {worlds} worlds, and nothing went wrong");
    }
}
