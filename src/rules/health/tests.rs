//! The life of a server, told in order; then random lives, whose every step keeps the rules.

use proptest::prelude::*;

use super::*;

const FIRST: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(5);
const HOUR: Duration = Duration::from_secs(3600);

fn settings() -> Settings {
    Settings::new(&Options::default())
}

fn life(pid: u64, start: u64) -> Option<Incarnation> {
    Some(Incarnation { pid, start })
}

/// A server and a clock.
struct Story {
    health: Health,
    settings: Settings,
    now: Instant,
}

impl Story {
    fn begin() -> Story {
        Story { health: Health::new(), settings: settings(), now: Instant(1_000_000) }
    }
    fn wait(&mut self, span: Duration) -> &mut Self {
        self.now = self.now + span;
        self
    }
    fn on(&mut self, event: Event) -> bool {
        self.health.on(self.now, event, &self.settings)
    }
    fn meet(&mut self, incarnation: Option<Incarnation>) -> bool {
        self.on(Event::Met { incarnation, meta: true })
    }
    fn rejoin(&mut self, incarnation: Option<Incarnation>) -> bool {
        self.on(Event::Rejoined { incarnation, meta: true })
    }
    fn state(&self) -> State {
        self.health.state()
    }
    fn due(&self) -> bool {
        self.health.trial_due(self.now)
    }
    fn mark(&self) -> u16 {
        self.health.view().incarnation
    }
}

#[test]
fn settings_follow_the_options() {
    let quick = settings();
    assert_eq!((quick.retry_first, quick.retry_limit, quick.breaks), (FIRST, LIMIT, 2));
    assert_eq!((quick.window, quick.drain, quick.swept), (24 * HOUR, 24 * HOUR, false));
    let brief = Options { max_ttl: Some(HOUR), ..Options::default() };
    assert_eq!(Settings::new(&brief).drain, HOUR);
    let slow = Options { connect_timeout: Duration::from_secs(9), ..Options::default() };
    assert_eq!(Settings::new(&slow).retry_limit, Duration::from_secs(9), "never shorter than the first wait");
    let none = Options { connect_timeout: Duration::ZERO, ..Options::default() };
    assert!(Settings::new(&none).retry_first > Duration::ZERO, "a wait of zero would never double");
}

#[test]
fn a_start_that_jitters_by_a_second_is_the_same_life() {
    let known = Incarnation { pid: 7, start: 100 };
    for (pid, start, same) in [
        (7, 99, true),
        (7, 101, true),
        (7, 98, false),
        (7, 102, false),
        (8, 100, false),
        (7, u64::MAX, false),
    ] {
        assert_eq!(known.same_as(Incarnation { pid, start }), same, "pid {pid}, start {start}");
    }
}

#[test]
fn a_quiet_life() {
    let mut s = Story::begin();
    assert_eq!((s.state(), s.mark(), s.health.view().meta), (State::Steady, 0, Meta::Unknown));
    assert!(s.meet(life(7, 100)), "the first meeting tells the mark and the meta commands");
    assert_ne!(s.mark(), 0);
    assert_eq!(s.health.view().meta, Meta::Yes);
    assert!(!s.meet(life(7, 101)), "a second connection to the same life changes nothing");
    assert_eq!(s.health.incarnation(), life(7, 100), "the first record stays: jitter must not creep");
    assert!(!s.meet(life(7, 99)));
    assert!(!s.on(Event::Answered));
    assert!(!s.wait(48 * HOUR).on(Event::Tick));
    assert_eq!((s.state(), s.health.next_change(&s.settings)), (State::Steady, None));
}

#[test]
fn refused_or_silent_is_down_at_once() {
    for (event, reason) in [(Event::Refused, "connection refused"), (Event::Silent, "no answer in time")] {
        let mut s = Story::begin();
        assert!(s.on(event));
        assert_eq!((s.state(), s.health.reason(), s.health.since()), (State::Down, reason, s.now));
        assert!(!s.on(event), "it cannot fall twice");
    }
}

#[test]
fn one_break_is_forgiven_and_a_good_answer_forgets_it() {
    let mut s = Story::begin();
    assert!(!s.on(Event::Broken));
    s.on(Event::Answered);
    assert!(!s.on(Event::Broken));
    s.meet(life(7, 100));
    assert_eq!(s.state(), State::Steady);
    assert!(s.on(Event::Broken), "two in a row: greeted, but no good answer between");
    assert_eq!((s.state(), s.health.reason()), (State::Down, "connection broke"));
}

#[test]
fn a_restart_that_nobody_saw() {
    let mut s = Story::begin();
    s.meet(life(7, 100));
    let first = s.mark();
    assert!(s.wait(HOUR).meet(life(8, 200)));
    assert_eq!((s.state(), s.health.reason(), s.health.since()), (State::Returned, "restarted", s.now));
    assert_ne!(s.mark(), first);
    let second = s.mark();
    assert!(s.wait(23 * HOUR).meet(life(8, 300)), "and again, with the same process id");
    assert_ne!(s.mark(), second);
    assert_eq!(s.health.since(), s.now, "the window begins anew");
    assert!(!s.wait(23 * HOUR).on(Event::Tick));
    assert!(s.wait(HOUR).on(Event::Tick));
    assert_eq!(s.state(), State::Steady);
}

#[test]
fn a_server_that_never_tells_its_life_is_believed_until_it_tells() {
    let mut s = Story::begin();
    assert!(s.meet(None));
    assert_ne!(s.mark(), 0, "met is met");
    assert!(!s.meet(None));
    assert_eq!(s.state(), State::Steady);
    assert!(s.meet(life(7, 100)), "it tells now: another program listens there");
    assert_eq!(s.state(), State::Returned);

    let mut s = Story::begin();
    s.meet(life(7, 100));
    let first = s.mark();
    assert!(s.meet(None), "and one that stops telling may be anybody");
    assert_eq!(s.state(), State::Returned);
    assert_ne!(s.mark(), first);
}

#[test]
fn it_was_away_for_a_moment_and_missed_nothing() {
    let mut s = Story::begin();
    s.meet(life(7, 100));
    let mark = s.mark();
    s.on(Event::Refused);
    assert!(s.rejoin(life(7, 101)));
    assert_eq!((s.state(), s.mark()), (State::Steady, mark), "the same life, the same CAS values");
}

#[test]
fn it_was_away_for_a_moment_before_everything_was_back_on_it() {
    let mut s = Story::begin();
    s.meet(life(7, 100));
    s.meet(life(8, 200));
    assert_eq!(s.state(), State::Returned);
    s.on(Event::Refused);
    s.rejoin(life(8, 200));
    assert_eq!(s.state(), State::Returned, "it missed nothing more, but it is as incomplete as before");
}

#[test]
fn it_was_away_and_missed_a_write() {
    let mut s = Story::begin();
    s.meet(life(7, 100));
    s.on(Event::MissedWrite);
    assert!(!s.health.missed_write(), "a live server misses nothing");
    s.on(Event::Silent);
    assert!(!s.on(Event::MissedWrite));
    assert!(s.health.missed_write());
    assert!(s.rejoin(life(7, 100)));
    assert_eq!((s.state(), s.health.missed_write()), (State::Returned, false));
}

#[test]
fn it_died_and_came_back_as_another() {
    for (before, after) in [(life(7, 100), life(8, 200)), (life(7, 100), None), (None, None)] {
        let mut s = Story::begin();
        s.meet(before);
        let mark = s.mark();
        s.on(Event::Refused);
        assert!(s.rejoin(after));
        assert_eq!(s.state(), State::Returned, "{before:?}, {after:?}: what it holds is not certain");
        assert_ne!(s.mark(), mark);
    }
}

#[test]
fn it_was_down_when_we_first_looked() {
    let mut s = Story::begin();
    s.on(Event::Refused);
    assert!(s.rejoin(life(7, 100)));
    assert_eq!((s.state(), s.health.incarnation()), (State::Steady, life(7, 100)));
    assert_ne!(s.mark(), 0);
}

#[test]
fn a_write_missed_during_a_trial_makes_its_pass_worthless() {
    let mut s = Story::begin();
    s.meet(life(7, 100));
    s.on(Event::Silent);
    s.wait(FIRST).on(Event::TrialBegun);
    s.on(Event::MissedWrite); // the trial was made when there was nothing to flush for
    assert!(!s.rejoin(life(7, 100)));
    assert_eq!((s.state(), s.health.missed_write(), s.due()), (State::Down, true, true));
    s.on(Event::TrialBegun);
    s.on(Event::MissedWrite); // this one flushes; what it misses meanwhile it never held
    assert!(s.rejoin(life(7, 100)));
    assert_eq!(s.state(), State::Returned);

    s.on(Event::Refused);
    s.wait(LIMIT).on(Event::TrialBegun);
    s.on(Event::MissedWrite);
    assert!(!s.rejoin(life(9, 900)), "another life than was known may be older than the fall");
    assert!(s.due());
}

#[test]
fn a_greeting_that_was_long_on_its_way_is_left_aside() {
    let mut s = Story::begin();
    let before = s.now;
    s.wait(FIRST).meet(life(9, 900));
    assert!(s.health.outdated(before, life(7, 100)), "begun before, it may tell of the life before");
    assert!(!s.health.outdated(before, life(9, 900)), "it tells what is known");
    let later = s.wait(FIRST).now;
    assert!(!s.health.outdated(later, life(11, 1100)), "begun later, it is news");
    assert!(!Health::new().outdated(before, life(7, 100)), "nobody was met before");
}

#[test]
fn a_trial_that_was_held_back_shows_that_the_server_answers() {
    let mut s = Story::begin();
    assert!(!s.health.view().held_back);
    s.on(Event::Refused);
    s.on(Event::MissedWrite);
    s.wait(FIRST).on(Event::TrialBegun);
    s.on(Event::HeldBack);
    assert_eq!((s.state(), s.health.missed_write()), (State::Down, true));
    assert!(s.health.view().held_back && !s.due());
    s.wait(FIRST);
    assert!(s.due(), "soon, not twice as late");
    s.on(Event::TrialBegun);
    s.on(Event::TrialFailed);
    assert!(!s.health.view().held_back);
}

#[test]
fn one_that_was_resumed_and_held_back_is_not_tried_without_a_pause() {
    let mut s = Story::begin();
    let down = ServerView { state: State::Down, ..s.health.view() };
    s.health = Health::resume(down, life(7, 100), s.now);
    assert!(s.due());
    s.on(Event::TrialBegun);
    s.on(Event::HeldBack);
    assert!(!s.due());
    assert!(s.wait(FIRST).due());
}

#[test]
fn the_wait_between_trials_doubles_up_to_the_limit() {
    let mut s = Story::begin();
    s.on(Event::Refused);
    assert_eq!(s.health.next_change(&s.settings), Some(s.now + FIRST));
    assert!(!s.due());
    let mut waits = Vec::new();
    for _ in 0..8 {
        let due = s.health.next_change(&s.settings).unwrap();
        waits.push((due - s.now).as_millis());
        s.now = due;
        assert!(s.due());
        s.on(Event::TrialBegun);
        assert!(!s.due(), "one trial at a time");
        s.on(Event::TrialFailed);
    }
    assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
}

#[test]
fn a_trial_that_is_never_reported_is_given_up() {
    let mut s = Story::begin();
    s.on(Event::Refused);
    s.wait(FIRST).on(Event::TrialBegun);
    assert!(!s.wait(LIMIT - FIRST).due());
    assert!(s.wait(FIRST).due());
}

#[test]
fn one_that_flaps_is_tried_ever_more_rarely_until_it_lasts() {
    let mut s = Story::begin();
    s.meet(life(7, 100));
    for expected in [100, 200, 400] {
        s.on(Event::Silent);
        assert_eq!((s.health.next_change(&s.settings).unwrap() - s.now).as_millis(), expected);
        s.wait(LIMIT).rejoin(life(7, 100));
        s.wait(FIRST);
    }
    s.wait(LIMIT).on(Event::Silent);
    assert_eq!(s.health.next_change(&s.settings), Some(s.now + FIRST), "it lasted: all is forgiven");
}

#[test]
fn in_a_swept_pool_time_alone_makes_nothing_steady() {
    let mut s = Story::begin();
    s.settings.swept = true;
    s.meet(life(7, 100));
    s.meet(life(8, 200));
    assert_eq!(s.health.next_change(&s.settings), None);
    assert!(!s.wait(1000 * HOUR).on(Event::Tick));
    assert_eq!(s.state(), State::Returned);
}

#[test]
fn old_connections_bring_no_news_of_a_server_that_is_down() {
    let mut s = Story::begin();
    s.meet(life(7, 100));
    s.on(Event::Refused);
    for event in
        [Event::Answered, Event::Broken, Event::Tick, Event::Met { incarnation: life(8, 9), meta: false }]
    {
        assert!(!s.on(event), "{event:?}");
    }
    assert_eq!(s.health.incarnation(), life(7, 100));
}

#[test]
fn marks_are_never_zero_and_never_those_of_the_life_before() {
    let mut s = Story::begin();
    for start in 0..70_000 {
        let before = s.mark();
        s.meet(life(1, start * 2));
        assert!(s.mark() != 0 && s.mark() != before, "start {start}");
    }
}

#[test]
fn a_flush_ends_a_life_and_a_trial_without_one_does_not() {
    let mut s = Story::begin();
    s.meet(life(7, 100));
    let first = s.mark();
    s.on(Event::Refused);
    s.rejoin(life(7, 100));
    assert_eq!((s.state(), s.mark()), (State::Steady, first), "it missed nothing");
    let mut marks = vec![first];
    for _ in 0..3 {
        s.on(Event::Refused);
        s.on(Event::MissedWrite);
        s.rejoin(life(7, 100));
        assert!(s.state() == State::Returned && !marks.contains(&s.mark()), "{marks:?}");
        marks.push(s.mark());
    }
}

#[test]
fn of_a_life_that_was_not_named_nothing_is_known() {
    let seen = ServerView { state: State::Steady, meta: Meta::Yes, incarnation: 9, ..ServerView::default() };
    let settings = settings();
    let mut health = Health::resume(seen, None, Instant(5));
    health.on(Instant(6), Event::Met { incarnation: life(7, 100), meta: true }, &settings);
    assert_eq!(health.state(), State::Steady, "the first one that is met is no restart");
    let mut health = Health::resume(seen, None, Instant(5));
    health.on(Instant(6), Event::Refused, &settings);
    health.on(Instant(7), Event::Rejoined { incarnation: life(7, 100), meta: true }, &settings);
    assert_eq!(health.state(), State::Returned, "after a fall it may be another one than others met");
}

fn lives() -> impl Strategy<Value = Option<Incarnation>> {
    prop_oneof![
        1 => Just(None),
        6 => (1u64..3, 0u64..6).prop_map(|(pid, start)| Some(Incarnation { pid, start })),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Answered),
        Just(Event::Refused),
        Just(Event::Silent),
        Just(Event::Broken),
        (lives(), any::<bool>()).prop_map(|(incarnation, meta)| Event::Met { incarnation, meta }),
        Just(Event::MissedWrite),
        Just(Event::TrialBegun),
        Just(Event::TrialFailed),
        (lives(), any::<bool>()).prop_map(|(incarnation, meta)| Event::Rejoined { incarnation, meta }),
        (lives(), any::<bool>()).prop_map(|(incarnation, meta)| Event::Kept { incarnation, meta }),
        Just(Event::Tick),
        Just(Event::Failed("it does not do what it is there for")),
        Just(Event::Returned),
        prop_oneof![Just(Order::Up), Just(Order::Draining), Just(Order::Down)].prop_map(Event::Ordered),
    ]
}

/// What must hold of every step of every life.
fn check_step(
    before: &Health,
    after: &Health,
    event: Event,
    now: Instant,
    changed: bool,
    settings: &Settings,
) {
    assert_eq!(changed, before.view() != after.view(), "true says that the view changed, and only that");
    let (was, is) = (before.state(), after.state());
    let rejoined = matches!(event, Event::Rejoined { .. } | Event::Kept { .. });
    if was == State::Down && is != State::Down {
        assert!(rejoined || event == Event::Returned, "only a trial, somebody's, ends a fall: {event:?}");
        assert!(!before.out, "one that was taken out stays out");
        assert!(!before.missed_write() || is == State::Returned, "it missed writes and is not steady");
    }
    if was == State::Returned && is == State::Steady {
        assert!(event == Event::Tick && !settings.swept && now.since(before.since()) >= settings.window);
    }
    if was != State::Down && is == State::Down {
        let failed = matches!(event, Event::Refused | Event::Silent | Event::Broken | Event::Failed(_));
        let emptied = matches!(event, Event::Tick | Event::Returned | Event::Met { .. });
        let ordered = event == Event::Ordered(Order::Down) || (emptied && was == State::Draining);
        assert!(failed != ordered, "{event:?}");
        assert_eq!(ordered, after.out, "only by order it is taken out");
    }
    assert!(is == State::Down || !after.missed_write(), "a live server owes nothing");
    assert_eq!(after.view().incarnation == 0, after.view().meta == Meta::Unknown, "met is met");
    if was != is {
        assert_eq!(after.since(), now);
    }
    if after.out && is == State::Down {
        assert!(!after.trial_due(now) && after.next_change(settings).is_none(), "nobody tries it");
        assert!(after.view().held_back);
    } else if is == State::Down {
        let due = after.next_change(settings).expect("a server that is down is tried again");
        assert!(due - now <= settings.retry_limit, "and soon");
        assert_eq!(after.trial_due(now), now >= due);
        if was != State::Down || event == Event::TrialFailed {
            assert!(due - now >= settings.retry_first, "but not at once");
        }
    } else {
        assert!(!after.trial_due(now));
    }
}

proptest! {
    #[test]
    fn random_lives_keep_the_rules(
        swept in any::<bool>(),
        steps in proptest::collection::vec((events(), 0u64..8_000_000), 0..80),
    ) {
        let settings = Settings { window: Duration::from_secs(10), swept, ..settings() };
        let (mut health, mut now) = (Health::new(), Instant(0));
        for (event, passed) in steps {
            now = now + Duration::from_micros(passed);
            let before = health.clone();
            let changed = health.on(now, event, &settings);
            check_step(&before, &health, event, now, changed, &settings);
        }
    }

    #[test]
    fn nothing_overflows_at_the_ends_of_time(event in events(), now in any::<u64>()) {
        let settings = Settings { window: Duration::MAX, retry_limit: Duration::MAX, ..settings() };
        let mut health = Health::new();
        for _ in 0..3 {
            for now in [Instant(now), Instant(u64::MAX), Instant(0)] {
                health.on(now, event, &settings);
                health.on(now, Event::Refused, &settings);
                health.on(now, Event::TrialFailed, &settings);
            }
        }
        prop_assert_eq!(health.state(), State::Down);
    }
}
