//! Stories of single servers.

use std::time::Duration;

use super::*;
use crate::rules::pool::{Options, Server};
use crate::rules::time::Stamp;
use crate::table::{ServerEntry, identity};

const START: Instant = Instant(1_000_000_000);
const REJOINED: Event = Event::Rejoined { incarnation: None, meta: true };

fn settings() -> Settings {
    Settings::new(&Options::default())
}

/// Down, and its first trial begun.
fn on_trial(name: &str) -> (Arc<Known>, Begun, Instant) {
    let known = known(name, &Address::Unix("of a unit test".into()));
    known.tell(START, Event::Refused, &settings());
    assert_eq!(known.view().state, State::Down);
    assert!(!known.alarmed(START), "the first trial waits");
    assert!(known.begin_trial(START, &settings()).is_none());
    let later = START + settings().retry_limit;
    assert!(known.alarmed(later));
    let begun = known.begin_trial(later, &settings()).unwrap();
    assert!(known.begin_trial(later, &settings()).is_none(), "one at a time");
    (known, begun, later)
}

#[test]
fn one_server_of_one_pool_is_one_entry() {
    let address = Address::Unix("shared".into());
    assert!(Arc::ptr_eq(&known("one", &address), &known("one", &address)));
    assert!(!Arc::ptr_eq(&known("one", &address), &known("two", &address)));
}

#[test]
fn of_very_many_servers_those_are_forgotten_that_nobody_uses_and_that_are_well() {
    let of = |name: &str| known("ever new ones", &Address::Unix(name.to_owned()));
    let used = of("used");
    of("down").tell(START, Event::Refused, &settings());
    for number in 0..3 * ENOUGH {
        of(&format!("number {number}"));
    }
    let ours = |servers: &Vec<Arc<Known>>| servers.iter().filter(|known| known.pool == used.pool).count();
    let count = Registry::of_this_process().servers.read(ours);
    assert!((2..=ENOUGH).contains(&count), "{count}");
    assert!(Arc::ptr_eq(&used, &of("used")));
    assert_eq!(of("down").view().state, State::Down, "it owes a flush");
}

#[test]
fn every_change_of_a_view_raises_the_revision() {
    let known = known("revision", &Address::Unix("of a unit test".into()));
    let before = revision();
    known.tell(START, Event::Refused, &settings());
    assert!(revision() > before);
}

#[test]
fn a_trial_brings_a_server_back() {
    let (known, begun, now) = on_trial("back");
    assert_eq!(begun.given_up, START);
    known.end_trial(begun.number, now, REJOINED, None, &settings());
    assert_ne!(known.view().state, State::Down);
}

#[test]
fn a_trial_that_another_one_followed_is_void() {
    let (known, first, now) = on_trial("void");
    let later = now + settings().retry_limit;
    let second = known.begin_trial(later, &settings()).unwrap();
    assert!(!known.on_trial(first.number, None) && known.on_trial(second.number, None));
    known.end_trial(first.number, later, REJOINED, None, &settings());
    assert_eq!(known.view().state, State::Down);
    known.end_trial(second.number, later, REJOINED, None, &settings());
    assert_ne!(known.view().state, State::Down);
}

#[test]
fn a_doubt_that_arises_during_a_trial_voids_it() {
    let (known, begun, now) = on_trial("doubt");
    let doubt = now + Duration::from_millis(1);
    known.doubted(doubt, &settings());
    known.end_trial(begun.number, doubt, REJOINED, None, &settings());
    assert_eq!(known.view().state, State::Down);
    let next = known.begin_trial(doubt + settings().retry_limit, &settings()).unwrap();
    assert_eq!(next.given_up, doubt, "a flush counts only when it comes after that");
    assert!(next.health.missed_write());
}

#[test]
fn an_answer_is_told_only_after_a_break() {
    let known = known("breaks", &Address::Unix("of a unit test".into()));
    for _ in 0..2 * settings().breaks {
        known.tell(START, Event::Broken, &settings());
        known.answered(START, &settings());
    }
    assert_eq!(known.view().state, State::Steady);
    for _ in 0..settings().breaks {
        known.tell(START, Event::Broken, &settings());
    }
    assert_eq!(known.view().state, State::Down);
}

/// What is left over on a stand-in is not to live longer because the daemon ended meanwhile.
#[test]
fn a_window_goes_on_where_the_table_s_writer_left_it() {
    let now = crate::client::clock::now();
    let address = Address::Unix("of a unit test".into());
    let server = Server { name: "one".into(), address: address.clone(), weight: 1, backup: None };
    let hour = Duration::from_secs(3600).min(Duration::from_micros(now.0 / 2));
    let seen = ServerView { state: State::Returned, ..ServerView::default() };
    let adopted = |name: &str, seen: ServerView, since: Stamp| {
        let known = known(name, &address);
        known.adopt(&ServerEntry::new(server.clone(), seen, since), (1, 1), None, now, &settings());
        assert_eq!(known.view().state, seen.state);
        known.view().since
    };
    let ago = now.since(adopted("window", seen, identity::stamp().before(hour)));
    assert!(ago.abs_diff(hour) < Duration::from_secs(5), "{ago:?}");
    assert_eq!(adopted("of another boot", seen, Stamp::of_wall_clock(1)), now, "that is not known");
    let down = ServerView { state: State::Down, ..seen };
    assert_eq!(
        adopted("owes a flush", down, identity::stamp().before(hour)),
        now,
        "one that comes after now"
    );
}

/// A wish is noticed by all, and fulfilled once, whoever is gone meanwhile.
#[test]
fn a_name_that_leads_nowhere_is_wanted_once_in_a_while() {
    let address = Address::Tcp { host: "no host".into(), port: 1 };
    let known = known("wishes", &address);
    let now = crate::client::clock::now();
    let before = wishes();
    assert!(known.sites_to_dial(Lookup::InCall, now).is_empty());
    assert!(wishes() > before);
    assert!(known.look_up_if_wanted() && !known.look_up_if_wanted());
    assert!(known.sites_to_dial(Lookup::InCall, now).is_empty() && !known.look_up_if_wanted(), "it just was");
    let later = now + Duration::from_secs(600);
    assert!(known.sites_to_dial(Lookup::InCall, later).is_empty() && known.look_up_if_wanted());
}
