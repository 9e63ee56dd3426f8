//! What one call does to a key, or tells of it.

use crate::history::{Answer, Call, State, What, printed};

/// What a call that changes nothing tells of the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// Exactly this was there.
    Exactly(State),
    /// Something was there.
    Something,
}

impl Seen {
    /// Whether `state` may be what was seen.
    pub fn is(self, state: State) -> bool {
        match (self, state) {
            (_, State::Unknown) => true,
            (Seen::Exactly(seen), state) => seen == state,
            (Seen::Something, state) => state != State::Absent,
        }
    }
}

/// What a call is to the order of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It changed the key, or may have: see [`apply`].
    Change,
    /// It saw something.
    Observation(Seen),
    /// It says nothing.
    Nothing,
    /// No such call can be answered so.
    Absurd,
}

/// The role of a call.
pub fn role(call: &Call) -> Role {
    let seen = |state| Role::Observation(Seen::Exactly(state));
    match (call.what, call.answer) {
        (What::Get | What::GetAndTouch | What::Touch, Answer::Failed(_)) => Role::Nothing,
        (What::Get | What::GetAndTouch, Answer::Hit(state)) => seen(state),
        (What::Get | What::GetAndTouch, Answer::Miss) => seen(State::Absent),
        (What::Touch, Answer::Touched) => Role::Observation(Seen::Something),
        (What::Touch, Answer::NotFound) => seen(State::Absent),
        (_, Answer::Failed(_)) => Role::Change,
        (What::Set(_) | What::Add(_) | What::Replace(_), Answer::Stored) => Role::Change,
        (What::Append(_) | What::Cas { .. }, Answer::Stored) => Role::Change,
        (What::Delete, Answer::Deleted | Answer::NotFound) => Role::Change,
        (What::Incr(_) | What::Decr(_), Answer::Number(_)) => Role::Change,
        (What::Add(_), Answer::NotStored) => Role::Observation(Seen::Something),
        (What::Replace(_) | What::Append(_), Answer::NotStored) => seen(State::Absent),
        (What::Cas { .. } | What::Incr(_) | What::Decr(_), Answer::NotFound) => seen(State::Absent),
        (What::Cas { .. }, Answer::Exists) => Role::Nothing, // the checker asks for its justification
        _ => Role::Absurd,
    }
}

/// Whether a call changed the key, or may have.
pub fn is_change(call: &Call) -> bool {
    role(call) == Role::Change
}

/// Whether it is the same whatever was there before.
pub fn is_blind(call: &Call) -> bool {
    matches!(call.what, What::Set(_))
}

/// What a change makes of `state`. `None`: not possible, given its answer; or it has none, and would do nothing.
pub fn apply(call: &Call, state: State) -> Option<State> {
    let unknown = state == State::Unknown;
    let present = !matches!(state, State::Absent);
    match call.what {
        What::Set(new) => Some(new),
        What::Add(new) => (unknown || !present).then_some(new),
        What::Replace(new) => present.then_some(new),
        What::Cas { new, old, .. } => (unknown || state == old).then_some(new),
        What::Append(name) => match state {
            State::Value(print) => Some(State::Value(printed(print, name))),
            State::Unknown => Some(State::Unknown),
            _ => None,
        },
        What::Delete => {
            let possible = match call.answer {
                Answer::NotFound => !present || unknown,
                _ => present,
            };
            possible.then_some(State::Absent)
        }
        What::Incr(delta) => count(call, state, |number| number.wrapping_add(delta)),
        What::Decr(delta) => count(call, state, |number| number.saturating_sub(delta)),
        What::Get | What::GetAndTouch | What::Touch => None,
    }
}

fn count(call: &Call, state: State, step: impl Fn(u64) -> u64) -> Option<State> {
    match (state, call.answer) {
        (State::Number(before), Answer::Number(after)) => {
            (step(before) == after).then_some(State::Number(after))
        }
        (State::Number(before), _) => Some(State::Number(step(before))),
        (State::Unknown, Answer::Number(after)) => Some(State::Number(after)),
        (State::Unknown, _) => Some(State::Unknown),
        _ => None,
    }
}

/// What there is after a change, by its answer alone.
pub fn left_by(call: &Call) -> State {
    match (call.what, call.answer) {
        (What::Set(new) | What::Add(new) | What::Replace(new) | What::Cas { new, .. }, _) => new,
        (What::Delete, _) => State::Absent,
        (_, Answer::Number(number)) => State::Number(number),
        _ => State::Unknown,
    }
}

/// Until when a change without an answer may still take effect: the end of the first acknowledged change that
/// began after it had ended. For each of these calls, which are in the order of their starts; `u64::MAX` for all others.
pub fn fading(calls: &[Call]) -> Vec<u64> {
    let firm = |call: &&Call| is_change(call) && !call.failed();
    let mut ends: Vec<(u64, u64)> = calls.iter().filter(firm).map(|call| (call.start, call.end)).collect();
    let mut earliest = u64::MAX;
    for (_, end) in ends.iter_mut().rev() {
        earliest = earliest.min(*end);
        *end = earliest;
    }
    let until = |call: &Call| {
        let next = ends.partition_point(|(start, _)| *start <= call.end);
        ends.get(next).map_or(u64::MAX, |(_, end)| *end)
    };
    calls.iter().map(|call| if call.failed() { until(call) } else { u64::MAX }).collect()
}
