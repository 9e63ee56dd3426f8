//! Trials driven by hand: every question and every kind of answer. [`world`] has a hundred at once.

mod debt;
mod keeping;
mod world;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::rules::address::Address;
use crate::rules::health::{Event, Settings};
use crate::rules::pool::{Options, Pool, Server};
use crate::rules::probe::MISSES;
use crate::rules::time::{Instant, Stamp};
use crate::rules::view::{ServerView, State};
use crate::rules::wire::Value;

const NOW: u64 = 1_764_000_100_000;
const DOWN_SINCE: u64 = NOW - 1_000;
const OLD: u64 = 1_763_000_000;

/// A pool of `count` servers of which those in `down` are down.
fn view(count: u16, down: &[u16]) -> View {
    let server = |index: u16| Server {
        name: format!("s{index}"),
        address: Address::Tcp { host: "127.0.0.1".into(), port: 20_000 + index },
        weight: 1,
        backup: None,
    };
    let pool = Pool::new("p", Options::default(), (0..count).map(server).collect());
    let mut view = View::new(Arc::new(pool));
    view.now.unix_millis = NOW;
    set_down(&mut view, down);
    view
}

fn set_down(view: &mut View, down: &[u16]) {
    let count = view.pool.servers().len() as u16;
    let state = |id| if down.contains(&id) { State::Down } else { State::Steady };
    let servers = (0..count).map(|id| ServerView { state: state(id), ..ServerView::default() });
    view.refresh(view.generation + 1, servers.collect::<Vec<_>>().into_iter());
}

/// The health of a server that was met in `life` and went down.
fn health(life: Option<Incarnation>, missed: bool) -> Health {
    let settings = Settings::new(&Options::default());
    let mut health = Health::new();
    if life.is_some() {
        health.on(Instant(1), Event::Met { incarnation: life, meta: true }, &settings);
    }
    health.on(Instant(2), Event::Silent, &settings);
    if missed {
        health.on(Instant(3), Event::MissedWrite, &settings);
    }
    health
}

fn life(pid: u64, start: u64) -> Option<Incarnation> {
    Some(Incarnation { pid, start })
}

fn stats(pid: u64, start: u64) -> String {
    stats_at(pid, start, 10)
}

/// What a process tells of itself when it is so many seconds old.
fn stats_at(pid: u64, start: u64, age: u64) -> String {
    format!("STAT pid {pid}\r\nSTAT uptime {age}\r\nSTAT time {}\r\nSTAT version 1.6.18\r\n", start + age)
}

/// A trial of server 0 and the script that answers it.
struct Trial {
    view: View,
    rejoin: Rejoin,
}

impl Trial {
    fn of(view: View, health: &Health) -> Trial {
        let rejoin = Rejoin::new(&view, ServerId(0), health, Stamp::of_wall_clock(DOWN_SINCE));
        Trial { view, rejoin }
    }

    /// One that owes a flush, in a pool of three, past its greeting and its probes.
    fn proven() -> Trial {
        let mut trial = Trial::of(view(3, &[0]), &health(life(7, OLD), true));
        trial.greet(7, OLD).probe().probe();
        trial
    }

    /// The next question, which must go to `server`, as text.
    fn question(&mut self, server: u16) -> (Tag, String) {
        let (asked, tag) = self.rejoin.next(&self.view).expect("a question");
        assert_eq!(asked, ServerId(server));
        assert_eq!(self.rejoin.next(&self.view), None, "one question at a time");
        let text = match self.rejoin.command(tag) {
            Command::Store { verb, key, exptime, value, flags: 0 } => {
                let (key, value) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
                format!("{verb:?} {key} {exptime} {value}")
            }
            Command::Get { key, meta: false } => format!("Get {}", String::from_utf8_lossy(key)),
            Command::Fetch { key } => format!("Fetch {}", String::from_utf8_lossy(key)),
            other => format!("{other:?}"),
        };
        (tag, text)
    }

    /// Asserts the next question and answers it.
    fn exchange(&mut self, server: u16, expected: &str, reply: Reply<'_>) -> &mut Self {
        let (tag, question) = self.question(server);
        assert_eq!(question, expected);
        self.rejoin.answer(&self.view, tag, &reply);
        self
    }

    fn greet(&mut self, pid: u64, start: u64) -> &mut Self {
        self.greeted_by(&stats(pid, start))
    }

    fn greeted_by(&mut self, stats: &str) -> &mut Self {
        self.exchange(0, "Stats { group: [] }", Reply::Stats(stats.as_bytes()));
        self.exchange(0, "Noop", Reply::Noop)
    }

    /// A good probe.
    fn probe(&mut self) -> &mut Self {
        let (tag, store) = self.question(0);
        let mut words = store.splitn(4, ' ');
        assert_eq!(words.next(), Some("Set"));
        let key = words.next().unwrap().to_owned();
        assert!(key.starts_with("libmemcache:probe:"));
        assert_eq!(words.next(), Some("10"));
        let data = words.next().unwrap().to_owned();
        self.rejoin.answer(&self.view, tag, &Reply::Stored);
        self.exchange(0, &format!("Get {key}"), value(&data, 0))
    }

    fn claim(&mut self, reply: Reply<'_>) -> &mut Self {
        let claim = format!("Add libmemcache:flush:s0:7 60 flushing {}", self.view.now.unix_millis);
        self.exchange(1, &claim, reply)
    }

    fn look(&mut self, reply: Reply<'_>) -> &mut Self {
        self.exchange(1, "Fetch libmemcache:flush:s0:7", reply)
    }

    fn flush(&mut self, reply: Reply<'_>) -> &mut Self {
        self.exchange(0, "FlushAll { delay: 0 }", reply)
    }

    fn fail(&mut self) -> &mut Self {
        let (_, tag) = self.rejoin.next(&self.view).expect("a question");
        self.rejoin.fail(&self.view, tag, Failure::Unanswered);
        self
    }

    fn ends(&mut self, outcome: Outcome) -> &'static str {
        assert_eq!(self.rejoin.outcome(), Some(outcome), "{}", self.rejoin.reason());
        assert_eq!(self.rejoin.next(&self.view), None, "what is over asks nothing");
        self.rejoin.reason()
    }
}

fn value(data: &str, cas: u64) -> Reply<'_> {
    Reply::Value(Value { data: data.as_bytes(), cas, ..Value::default() })
}

#[test]
fn what_missed_nothing_returns_after_two_probes() {
    let mut trial = Trial::of(view(3, &[0]), &health(life(7, OLD), false));
    trial.greet(7, OLD).probe();
    assert_eq!(trial.rejoin.outcome(), None, "one probe is not enough");
    trial.probe().ends(Outcome::Done);
    assert_eq!((trial.rejoin.incarnation(), trial.rejoin.meta()), (life(7, OLD), true));
}

#[test]
fn probes_differ_from_each_other_and_from_other_probers() {
    let mut keys = Vec::new();
    for later in [0, 1] {
        let mut view = view(3, &[0]);
        view.now.unix_millis += later;
        let mut trial = Trial::of(view, &health(None, false));
        trial.greet(7, OLD);
        for _ in 0..2 {
            keys.push(String::from_utf8(trial.rejoin.command(0).key().to_vec()).unwrap());
            trial.probe();
        }
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 4);
}

#[test]
fn the_winner_flushes_proves_and_records_when_its_probes_began() {
    let mut trial = Trial::of(view(3, &[0]), &health(life(7, OLD), true));
    trial.greet(7, OLD);
    trial.view.now.unix_millis += 50; // the probes are slow
    trial.probe().probe().claim(Reply::Stored).flush(Reply::Ok).probe();
    let record = format!("Set libmemcache:flush:s0:7 3600 flushed {NOW}");
    trial.exchange(1, &record, Reply::Stored).ends(Outcome::Done);
}

#[test]
fn a_record_that_is_not_kept_costs_only_another_flush() {
    let mut trial = Trial::proven();
    trial.claim(Reply::Stored).flush(Reply::Ok).probe().fail().ends(Outcome::Done);
    let mut trial = Trial::proven();
    trial.claim(Reply::Stored).flush(Reply::Ok);
    set_down(&mut trial.view, &[0, 1]);
    trial.probe().ends(Outcome::Done);
}

#[test]
fn a_flush_since_it_went_down_is_taken_for_ours() {
    let mut trial = Trial::proven();
    let marker = format!("flushed {}", DOWN_SINCE + 1);
    trial.claim(Reply::NotStored).look(value(&marker, 9)).ends(Outcome::Done);
}

#[test]
fn what_proves_nothing_is_taken_over_by_cas() {
    for found in [
        format!("flushed {}", DOWN_SINCE - 1),
        format!("flushed {DOWN_SINCE}"),        // equal is not later
        format!("flushed {}", NOW + 3_600_000), // nobody flushes in the future
        format!("flushing {}", NOW - 5_000),    // its owner died
        String::from("something else"),
        String::new(),
    ] {
        let mut trial = Trial::proven();
        trial.claim(Reply::NotStored).look(value(&found, 9));
        let take = format!("Cas(9) libmemcache:flush:s0:7 60 flushing {NOW}");
        trial.exchange(1, &take, Reply::Exists); // somebody else was quicker
        trial.look(value(&found, 9)).exchange(1, &take, Reply::NotFound); // and now it expired
        trial.claim(Reply::Stored).flush(Reply::Ok).probe();
        assert_eq!(trial.rejoin.outcome(), None, "{found:?}");
    }
}

#[test]
fn waiting_for_another_client_has_an_end() {
    let mut trial = Trial::proven();
    let marker = format!("flushing {}", NOW - 4_999);
    trial.claim(Reply::NotStored);
    for _ in 1..LOOKS {
        trial.look(value(&marker, 9));
    }
    assert_eq!(trial.ends(Outcome::Unavailable), "another client is flushing it");
}

#[test]
fn markers_that_come_and_go_cannot_hold_a_trial_forever() {
    let mut trial = Trial::proven();
    for _ in 0..LOOKS / 2 {
        trial.claim(Reply::NotStored).look(Reply::Miss);
    }
    trial.ends(Outcome::Unavailable);
}

#[test]
fn the_keeper_is_the_next_live_server_in_list_order() {
    for (server, down, keeper) in [(0, vec![0, 1], 2), (3, vec![3], 4), (4, vec![4], 0), (4, vec![4, 0], 1)] {
        let view = view(5, &down);
        let mut rejoin = Rejoin::new(
            &view,
            ServerId(server),
            &health(life(7, OLD), true),
            Stamp::of_wall_clock(DOWN_SINCE),
        );
        rejoin.ask_to_flush(&view);
        assert_eq!(rejoin.next(&view).map(|next| next.0), Some(ServerId(keeper)), "{server} {down:?}");
    }
}

#[test]
fn without_a_keeper_it_is_flushed_without_a_marker() {
    for view in [view(1, &[0]), view(2, &[0, 1])] {
        let mut trial = Trial::of(view, &health(life(7, OLD), true));
        trial.greet(7, OLD).probe().probe().flush(Reply::Ok).probe().ends(Outcome::Done);
    }
}

#[test]
fn a_keeper_that_keeps_nothing_does_not_keep_the_server_down() {
    let full = Reply::Refused(b"SERVER_ERROR out of memory storing object");
    let mut trial = Trial::proven();
    trial.claim(full).flush(Reply::Ok).probe().ends(Outcome::Done);
}

#[test]
fn a_full_server_is_emptied_and_then_shows_that_it_works() {
    let full = Reply::Refused(b"SERVER_ERROR out of memory storing object");
    let mut trial = Trial::of(view(3, &[0]), &health(life(7, OLD), true));
    let (tag, _) = trial.greet(7, OLD).question(0);
    trial.rejoin.answer(&trial.view, tag, &full);
    trial.claim(Reply::Stored).flush(Reply::Ok);
    trial.view.now.unix_millis += 700;
    trial.probe().probe();
    // Who went down since it said that it was full must flush for himself.
    let (tag, asked) = trial.question(1);
    assert!(asked.contains(&NOW.to_string()) && !asked.contains(&(NOW + 700).to_string()), "{asked}");
    trial.rejoin.answer(&trial.view, tag, &Reply::Stored);
    trial.ends(Outcome::Done);

    // Another client empties it meanwhile: then too.
    let mut trial = Trial::of(view(3, &[0]), &health(life(7, OLD), true));
    let (tag, _) = trial.greet(7, OLD).question(0);
    trial.rejoin.answer(&trial.view, tag, &full);
    let flushed = format!("flushed {}", DOWN_SINCE + 1);
    trial.claim(Reply::NotStored).look(value(&flushed, 7)).probe().probe();
    let (tag, _) = trial.question(1);
    trial.rejoin.answer(&trial.view, tag, &Reply::Stored);
    trial.ends(Outcome::Done);

    // Still full after its flush, it does not do what it is there for.
    let mut trial = Trial::of(view(1, &[0]), &health(life(7, OLD), true));
    let (tag, _) = trial.greet(7, OLD).question(0);
    trial.rejoin.answer(&trial.view, tag, &full);
    let (tag, _) = trial.flush(Reply::Ok).question(0);
    trial.rejoin.answer(&trial.view, tag, &full);
    trial.ends(Outcome::Refused);
}

#[test]
fn a_keeper_that_fails_or_talks_nonsense_fails_the_trial() {
    let mut trial = Trial::proven();
    trial.fail().ends(Outcome::Unavailable);
    let mut trial = Trial::proven();
    trial.claim(Reply::NotStored).fail().ends(Outcome::Unavailable);
    let mut trial = Trial::proven();
    trial.claim(Reply::Deleted).ends(Outcome::Unavailable);
    let mut trial = Trial::proven();
    set_down(&mut trial.view, &[0, 1]);
    trial.claim(Reply::NotStored).ends(Outcome::Unavailable);
}

#[test]
fn while_the_network_is_suspect_nothing_is_flushed() {
    let down = [0, 1, 2, 3];
    let mut trial = Trial::of(view(5, &down), &health(life(7, OLD), true));
    trial.greet(7, OLD).probe().probe();
    assert!(trial.ends(Outcome::Unavailable).contains("network"));
    assert!(trial.rejoin.held_back());
    let mut trial = Trial::of(view(5, &down), &health(life(7, OLD), false));
    trial.greet(7, OLD).probe().probe().ends(Outcome::Done);
    let mut trial = Trial::of(view(5, &[0]), &health(life(7, OLD), true));
    trial.greet(7, OLD).probe().probe();
    set_down(&mut trial.view, &down[..3]); // not yet most: the one on trial does answer
    trial.claim(Reply::NotStored);
}

#[test]
fn servers_that_only_wait_for_their_flush_are_not_suspect() {
    let mut trial = Trial::of(view(5, &[0, 1, 2, 3]), &health(life(7, OLD), true));
    trial.greet(7, OLD).probe();
    let servers = (0..5).map(|id| match id {
        4 => ServerView::default(),
        id => ServerView { state: State::Down, held_back: id == 1, ..ServerView::default() },
    });
    trial.view.refresh(2, servers);
    trial.probe();
    let (tag, _) = trial.question(4);
    trial.rejoin.answer(&trial.view, tag, &Reply::Stored);
    trial.flush(Reply::Ok);
}

#[test]
fn isolation_that_begins_after_the_claim_still_stops_the_flush() {
    let mut trial = Trial::proven();
    let (tag, _) = trial.question(1);
    set_down(&mut trial.view, &[0, 1, 2]);
    trial.rejoin.answer(&trial.view, tag, &Reply::Stored);
    assert!(trial.ends(Outcome::Unavailable).contains("network"));
}

#[test]
fn a_claim_that_grew_old_is_not_used() {
    let mut trial = Trial::proven();
    let (tag, _) = trial.question(1);
    trial.view.now.unix_millis += CLAIM_MILLIS;
    trial.rejoin.answer(&trial.view, tag, &Reply::Stored);
    trial.ends(Outcome::Unavailable);
}

#[test]
fn a_server_that_is_in_use_again_is_not_flushed() {
    let mut trial = Trial::proven();
    set_down(&mut trial.view, &[]);
    trial.claim(Reply::Stored).ends(Outcome::Unavailable);
}

#[test]
fn a_server_that_refuses_to_be_flushed_stays_down() {
    let mut trial = Trial::proven();
    let refusal = b"CLIENT_ERROR flush_all not allowed";
    trial.claim(Reply::Stored).flush(Reply::Refused(refusal));
    assert!(trial.ends(Outcome::Refused).contains("-F"));
    assert_eq!(trial.rejoin.refusal(), Some(&refusal[..]));
}

#[test]
fn a_probe_that_is_not_good_ends_the_trial() {
    type Answer = (Reply<'static>, Outcome);
    let to_store: [Answer; 3] = [
        (Reply::NotStored, Outcome::Unavailable),
        (Reply::Ok, Outcome::Unavailable),
        (Reply::Refused(b"SERVER_ERROR out of memory"), Outcome::Refused),
    ];
    for (reply, outcome) in to_store {
        let mut trial = Trial::of(view(3, &[0]), &health(None, false));
        let (tag, _) = trial.greet(7, OLD).question(0);
        trial.rejoin.answer(&trial.view, tag, &reply);
        trial.ends(outcome);
    }
    for (reply, outcome) in [
        (Reply::Stored, Outcome::Unavailable),
        (value("another value", 0), Outcome::Unavailable),
        (Reply::Refused(b"ERROR"), Outcome::Refused),
    ] {
        let mut trial = Trial::of(view(3, &[0]), &health(None, false));
        let (tag, _) = trial.greet(7, OLD).question(0);
        trial.rejoin.answer(&trial.view, tag, &Reply::Stored);
        let (tag, _) = trial.question(0);
        trial.rejoin.answer(&trial.view, tag, &reply);
        trial.ends(outcome);
    }
}

#[test]
fn a_probe_value_that_another_flush_took_is_stored_again_but_not_forever() {
    let mut trial = Trial::of(view(3, &[0]), &health(None, false));
    trial.greet(7, OLD);
    for miss in 0..=MISSES {
        assert_eq!(trial.rejoin.outcome(), None, "after {miss}");
        for reply in [Reply::Stored, Reply::Miss] {
            let (tag, _) = trial.question(0);
            trial.rejoin.answer(&trial.view, tag, &reply);
        }
    }
    trial.ends(Outcome::Unavailable);
    let mut trial = Trial::of(view(3, &[0]), &health(None, false));
    let (tag, _) = trial.greet(7, OLD).question(0);
    trial.rejoin.answer(&trial.view, tag, &Reply::Stored);
    let (tag, _) = trial.question(0);
    trial.rejoin.answer(&trial.view, tag, &Reply::Miss);
    trial.probe().probe().ends(Outcome::Done);
}

#[test]
fn silence_at_any_point_ends_the_trial() {
    let begin = || Trial::of(view(3, &[0]), &health(life(7, OLD), true));
    begin().fail().ends(Outcome::Unavailable);
    begin().greet(7, OLD).fail().ends(Outcome::Unavailable);
    begin().greet(7, OLD).probe().fail().ends(Outcome::Unavailable);
    Trial::proven().claim(Reply::Stored).fail().ends(Outcome::Unavailable);
    Trial::proven().claim(Reply::Stored).flush(Reply::Ok).fail().ends(Outcome::Unavailable);
}

#[test]
fn answers_to_other_questions_are_ignored() {
    let mut trial = Trial::proven();
    let (tag, _) = trial.question(1);
    trial.rejoin.answer(&trial.view, tag + 1, &Reply::Stored);
    trial.rejoin.fail(&trial.view, tag - 1, Failure::Unsent);
    assert_eq!(trial.rejoin.outcome(), None);
    trial.rejoin.answer(&trial.view, tag, &Reply::Stored);
    trial.rejoin.answer(&trial.view, tag, &Reply::Stored); // twice
    trial.flush(Reply::Ok);
}

#[test]
fn a_long_refusal_is_cut() {
    let mut trial = Trial::proven();
    let line = [b'E'; 4000];
    trial.claim(Reply::Stored).flush(Reply::Refused(&line));
    assert_eq!(trial.rejoin.refusal().map(<[u8]>::len), Some(REFUSAL_LEN));
    assert!(!trial.rejoin.mutates());
    assert!(Duration::from_millis(CLAIM_MILLIS) < Duration::from_secs(CLAIM_SECONDS as u64));
}
