//! What a counter may show when somebody failed to count: acknowledged to acknowledged and unanswered.

use super::Call;
use super::steps::{Role, role};
use crate::history::{Answer, State, What};

/// Where a number lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bounds {
    /// An acknowledged change is missing.
    Below,
    /// Something counted that was not asked for, or twice.
    Above,
    /// Within, and what is unanswered may explain it.
    Within,
    /// Within, and everything is answered: then there should be an order.
    Exact,
    /// The counter may have wrapped around, or stopped at 0; or it was stored more than once.
    Unknown,
}

/// Where the number is that call `at` of one key's calls (in the order of their starts) was answered.
pub fn bounds(calls: &[Call], at: usize) -> Bounds {
    let shown = &calls[at];
    let (Answer::Number(number) | Answer::Hit(State::Number(number))) = shown.answer else {
        return Bounds::Unknown;
    };
    let mut base = None;
    // The least and the most, of what certainly counted and of what may have.
    let (mut sure, mut less, mut more, mut unanswered) = (0i128, 0i128, 0i128, false);
    for (other, call) in calls.iter().enumerate().filter(|(_, call)| call.start <= shown.end) {
        let delta = match call.what {
            What::Set(State::Number(_)) if call.end < shown.start && base.is_some() => {
                return Bounds::Unknown;
            }
            What::Set(State::Number(number)) if call.end < shown.start => {
                base = Some(i128::from(number));
                continue;
            }
            What::Incr(delta) => i128::from(delta),
            What::Decr(delta) => -i128::from(delta),
            _ if role(call) == Role::Change => return Bounds::Unknown,
            _ => continue,
        };
        if role(call) != Role::Change {
            continue;
        }
        let counted = other == at || (!call.failed() && call.end < shown.start);
        if counted {
            sure += delta;
        } else {
            unanswered |= call.failed();
            less += delta.min(0);
            more += delta.max(0);
        }
    }
    let Some(base) = base else { return Bounds::Unknown };
    let (least, most) = (base + sure + less, base + sure + more);
    // The lowest and the highest that it can have been on the way.
    let spent: i128 = calls
        .iter()
        .filter_map(|call| match call.what {
            What::Decr(delta) => Some(i128::from(delta)),
            _ => None,
        })
        .sum();
    let gained: i128 = calls
        .iter()
        .filter_map(|call| match call.what {
            What::Incr(delta) => Some(i128::from(delta)),
            _ => None,
        })
        .sum();
    if base - spent < 0 || base + gained > i128::from(u64::MAX) {
        return Bounds::Unknown;
    }
    match i128::from(number) {
        number if number < least => Bounds::Below,
        number if number > most => Bounds::Above,
        _ if unanswered => Bounds::Within,
        _ => Bounds::Exact,
    }
}
