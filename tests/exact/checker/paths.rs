//! The order of the changes of one key. Several orders are possible while calls overlap: each is a [`Path`], and the
//! history is followed through all of them at once. A call's end is where it must have found its
//! place; a path on which it cannot have is given up, and when none is left, something is wrong.
//!
//! A change finds its place as late as possible: at its end, or when something else that ended can only be explained by
//! it. With stripes there is hardly ever more than one path; where there are too many the key is given up until
//! its next plain store, and counted as undecided.

use std::collections::HashSet;

use super::bounds::{Bounds, bounds};
use super::path::{Barrier, Link, Path, Waiting};
use super::report::Kind;
use super::steps::{Role, Seen, apply, fading, is_blind, left_by, role};
use super::{Call, State, in_words};
use crate::history::Answer;

/// What was found.
pub struct Found {
    /// What is wrong, with which call, and what could have been expected.
    pub wrong: Vec<(Kind, usize, String)>,
    /// How often a key was given up.
    pub undecided: u64,
}

/// So many paths, and steps to find the next ones, are enough.
const PATHS: usize = 500;
const STEPS: usize = 10_000;
/// More paths than this are made fewer, and those more general.
const FEW: usize = 32;
/// All orders are tried of so many changes without an answer.
const GHOSTS: usize = 6;

/// Follows the calls of one key, which are in the order of their starts.
pub fn follow(calls: &[Call]) -> Found {
    let mut events: Vec<(u64, bool, usize)> = Vec::with_capacity(2 * calls.len());
    for (at, call) in calls.iter().enumerate() {
        events.push((call.start, false, at));
        if call.end != u64::MAX {
            events.push((call.end, true, at));
        }
    }
    events.sort_unstable();
    let mut key = Key {
        calls,
        fading: fading(calls),
        paths: vec![Path::new(State::Absent, Vec::new())],
        open: Vec::new(),
        once: HashSet::new(),
        unknown_until: None,
        found: Found { wrong: Vec::new(), undecided: 0 },
    };
    for (now, ends, at) in events {
        if ends {
            key.ended(at, now);
        } else {
            key.began(at);
        }
    }
    key.found
}

/// The paths on from where something ended.
struct Search {
    now: u64,
    steps: usize,
    paths: Vec<Path>,
}

/// A key on its way.
struct Key<'a> {
    calls: &'a [Call],
    fading: Vec<u64>,
    paths: Vec<Path>,
    /// Reads that have begun and not ended.
    open: Vec<usize>,
    /// What was there once.
    once: HashSet<State>,
    /// The key was given up; what began before this says nothing.
    unknown_until: Option<u64>,
    found: Found,
}

impl Key<'_> {
    fn began(&mut self, at: usize) {
        match role(&self.calls[at]) {
            Role::Change if self.is_unknown(at) && !self.calls[at].failed() => {
                // What comes after it in time may come before it in order: nothing is known until it has ended too.
                self.unknown_until = self.unknown_until.max(Some(self.calls[at].end));
                self.once.insert(left_by(&self.calls[at]));
                self.found.undecided += 1;
            }
            Role::Change => {
                for path in &mut self.paths {
                    path.waiting.push(Waiting { call: at, gone: false });
                }
                if self.calls[at].failed() {
                    self.once.insert(left_by(&self.calls[at]));
                }
            }
            Role::Observation(_) => self.open.push(at),
            Role::Nothing | Role::Absurd => {}
        }
    }

    fn ended(&mut self, at: usize, now: u64) {
        self.bounded(at);
        match role(&self.calls[at]) {
            Role::Change if !self.calls[at].failed() => self.changed(at, now),
            Role::Observation(seen) => {
                self.observed(at, seen, now);
                self.open.retain(|open| *open != at);
            }
            Role::Absurd => self.report(Kind::Outcome, at, "another kind of answer".to_owned()),
            Role::Change | Role::Nothing => return,
        }
        self.tidy(now);
    }

    /// Whether the key was given up before this call, and nothing is known of it yet.
    fn is_unknown(&self, at: usize) -> bool {
        self.unknown_until.is_some_and(|until| self.calls[at].start <= until)
    }

    /// A change was acknowledged: it has its place by now.
    fn changed(&mut self, at: usize, now: u64) {
        if self.is_unknown(at) {
            return;
        }
        let mut search = Search { now, steps: 0, paths: Vec::new() };
        for path in &self.paths {
            if path.state() == State::Unknown {
                search.paths.extend(path.placed(self.calls, at, now));
            } else if path.waits(at) {
                self.explore(path, &mut search, |call| call == at, |_, placed| placed == at);
            } else {
                search.paths.push(path.clone());
            }
        }
        if self.too_much(&search) {
            return;
        }
        let mut next = search.paths;
        if next.is_empty() {
            self.judge_change(at);
            let mut waiting = self.paths.swap_remove(0).waiting;
            waiting.retain(|it| it.call != at);
            next.push(Path::new(left_by(&self.calls[at]), waiting));
        }
        self.paths = next;
    }

    /// A call that changed nothing has seen something.
    fn observed(&mut self, at: usize, seen: Seen, now: u64) {
        let start = self.calls[at].start;
        let (known, others): (Vec<_>, Vec<_>) =
            self.paths.iter().partition(|path| self.explains(path, seen, start));
        let paths = known.into_iter().cloned().collect();
        let mut search = Search { now, steps: 0, paths };
        for path in others {
            let wanted = |call: usize| seen.is(left_by(&self.calls[call]));
            self.explore(path, &mut search, wanted, |path, _| self.explains(path, seen, start));
        }
        if self.too_much(&search) {
            return;
        }
        let next = search.paths;
        if next.is_empty() && self.paths.iter().any(|path| self.ghosts(path, start).count() > GHOSTS) {
            self.found.undecided += 1;
        } else if next.is_empty() {
            self.judge_observation(at, seen);
        } else {
            self.paths = next;
        }
    }

    /// Whether a read that began at `start` can have seen that: it was there, or changes without an answer make it.
    fn explains(&self, path: &Path, seen: Seen, start: u64) -> bool {
        let mut visible = path.links.iter().filter(|link| link.until >= start);
        let ghosts: Vec<usize> = self.ghosts(path, start).take(GHOSTS).collect();
        visible.any(|link| self.haunted(link.state, &ghosts, seen))
    }

    /// The changes without an answer that a read may see, or not, that began at `start`.
    fn ghosts<'a>(&'a self, path: &'a Path, start: u64) -> impl Iterator<Item = usize> + 'a {
        let unsure = move |it: &&Waiting| self.calls[it.call].failed() && self.fading[it.call] >= start;
        path.waiting.iter().filter(unsure).map(|it| it.call)
    }

    fn haunted(&self, state: State, ghosts: &[usize], seen: Seen) -> bool {
        seen.is(state)
            || ghosts.iter().enumerate().any(|(number, ghost)| {
                let Some(state) = apply(&self.calls[*ghost], state) else { return false };
                let others = [&ghosts[..number], &ghosts[number + 1..]].concat();
                self.haunted(state, &others, seen)
            })
    }

    /// All paths on from this one that end where `done` says so, of the path and the call that was placed last. A plain
    /// store that is not `wanted` itself is no step towards something else, unless a call with a condition may
    /// need it: later it can still slip in.
    fn explore(
        &self,
        from: &Path,
        into: &mut Search,
        wanted: impl Fn(usize) -> bool,
        done: impl Fn(&Path, usize) -> bool,
    ) {
        let mut seen = HashSet::new();
        let mut stack = vec![from.clone()];
        while let Some(path) = stack.pop() {
            let conditions = path.waits_with_condition(self.calls);
            for waiting in path.waiting.iter().filter(|waiting| !waiting.gone) {
                let (call, blind) = (waiting.call, is_blind(&self.calls[waiting.call]));
                if blind && !wanted(call) && !conditions {
                    continue;
                }
                let slipped =
                    (blind && !self.calls[call].failed()).then(|| path.slipped_in(self.calls, call));
                let placed = path.placed(self.calls, call, into.now);
                for next in [placed, slipped.flatten()].into_iter().flatten() {
                    into.steps += 1;
                    if into.steps > STEPS {
                        return;
                    }
                    if !seen.insert(next.clone()) {
                        continue;
                    }
                    if done(&next, call) {
                        into.paths.push(next);
                    } else {
                        stack.push(next);
                    }
                }
            }
        }
    }

    /// What is counted while the key is given up should lie within bounds still.
    fn bounded(&mut self, at: usize) {
        let number = matches!(self.calls[at].answer, Answer::Number(_) | Answer::Hit(State::Number(_)));
        if number && self.paths.iter().any(|path| path.state() == State::Unknown) {
            let kind = self.counted(at);
            if matches!(kind, Kind::CounterLow | Kind::CounterHigh) {
                self.report(kind, at, "a number within bounds".to_owned());
            }
        }
    }

    /// Gives the key up when there are too many paths, until all calls that are under way now have ended.
    fn too_much(&mut self, search: &Search) -> bool {
        let much = search.paths.len() > PATHS || search.steps > STEPS;
        if much {
            self.found.undecided += 1;
            let mut waiting = self.paths.swap_remove(0).waiting;
            for it in &waiting {
                self.once.insert(left_by(&self.calls[it.call]));
                let end = self.calls[it.call].end;
                self.unknown_until = self.unknown_until.max((end != u64::MAX).then_some(end));
            }
            waiting.retain(|it| self.calls[it.call].failed());
            self.paths = vec![Path::new(State::Unknown, waiting)];
        }
        much
    }

    /// Forgets what no read can see any more, and paths that are as good as another one.
    fn tidy(&mut self, now: u64) {
        let horizon = self.open.iter().map(|open| self.calls[*open].start).min().unwrap_or(now);
        for path in &mut self.paths {
            self.once.extend(path.links.iter().map(|link| link.state));
            let last = path.links.len() - 1;
            let kept = |(number, link): (usize, &Link)| number == last || link.until >= horizon;
            let links: Vec<_> =
                path.links.iter().enumerate().filter(|it| kept(*it)).map(|it| *it.1).collect();
            let before = path.barrier.map_or(0, |barrier| {
                path.links[..barrier.link].iter().enumerate().filter(|it| kept(*it)).count()
            });
            path.links = links;
            path.waiting.retain(|it| !it.gone || self.fading[it.call] >= horizon);
            let calls = self.calls;
            let may_slip = |barrier: &Barrier| {
                let early = |it: &Waiting| {
                    let call = &calls[it.call];
                    is_blind(call) && !call.failed() && call.start < barrier.at
                };
                path.waiting.iter().any(early)
            };
            path.barrier = path.barrier.filter(may_slip).map(|barrier| Barrier { link: before, ..barrier });
        }
        if self.paths.len() > 1 {
            let mut seen = HashSet::new();
            self.paths.retain(|path| seen.insert(path.clone()));
            let mut kept: Vec<Path> = Vec::with_capacity(self.paths.len());
            for path in self.paths.drain(..) {
                if !kept.iter().any(|other| other.covers(&path, self.calls)) {
                    kept.retain(|other| !path.covers(other, self.calls));
                    kept.push(path);
                }
            }
            self.paths = kept;
        }
        if self.paths.len() > FEW {
            let mut kept: Vec<Path> = Vec::new();
            for path in self.paths.drain(..) {
                let same = |other: &&mut Path| other.state() == path.state() && other.waiting == path.waiting;
                match kept.iter_mut().find(same) {
                    Some(other) => other.merge(&path),
                    None => kept.push(path),
                }
            }
            self.paths = kept;
        }
    }

    fn report(&mut self, kind: Kind, at: usize, expected: String) {
        self.found.wrong.push((kind, at, expected));
    }

    /// What could have been seen by a call that began at `start`.
    fn visible(&self, start: u64) -> Vec<State> {
        let links = self.paths.iter().flat_map(|path| &path.links).filter(|link| link.until >= start);
        let mut states: Vec<State> = Vec::new();
        for link in links {
            if !states.contains(&link.state) {
                states.push(link.state);
            }
        }
        states
    }

    fn expected(&self, start: u64) -> String {
        self.visible(start).into_iter().map(in_words).collect::<Vec<_>>().join(" or ")
    }

    fn judge_change(&mut self, at: usize) {
        let kind = match self.calls[at].answer {
            Answer::Number(_) => self.counted(at),
            _ => Kind::Outcome,
        };
        self.report(kind, at, self.expected(self.calls[at].start));
    }

    fn judge_observation(&mut self, at: usize, seen: Seen) {
        let call = &self.calls[at];
        let visible = self.visible(call.start);
        let countable = |state: &State| matches!(state, State::Number(_) | State::Unknown);
        let kind = match (call.answer, seen) {
            (Answer::Miss, _) => Kind::Missing,
            (Answer::Hit(State::Number(_)), _) if visible.iter().all(countable) => self.counted(at),
            (Answer::Hit(state), _) if !self.once.contains(&state) => Kind::Foreign,
            (Answer::Hit(_), _) if visible == [State::Absent] => Kind::Revived,
            (Answer::Hit(_), _) => Kind::Stale,
            _ => Kind::Outcome,
        };
        self.report(kind, at, self.expected(call.start));
    }

    /// A counter shows a number that no order explains.
    fn counted(&self, at: usize) -> Kind {
        match bounds(self.calls, at) {
            Bounds::Below => Kind::CounterLow,
            Bounds::Above => Kind::CounterHigh,
            Bounds::Within => Kind::Uncertain,
            Bounds::Exact | Bounds::Unknown => Kind::Counter,
        }
    }
}
