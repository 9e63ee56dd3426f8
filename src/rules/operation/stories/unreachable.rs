//! Servers that this process cannot reach while they are live for everybody: reads go round them,
//! and nobody says "miss" for them.

use super::*;

#[test]
fn a_read_goes_round_an_unreachable_home_and_a_hit_is_the_answer() {
    let mut story = Story::new([STEADY; 4]);
    story.mark_unreachable(&[1]);
    let mut one = One { key: key(&story), ..One::default() };
    let mut read = Read::new(&mut one);
    assert_eq!(story.asks(&mut read), ["s2 get"]);
    story.answer(&mut read, 2, value(b"v"));
    assert_eq!(read.outcome(), Some(Outcome::Hit));
}

#[test]
fn a_read_whose_home_turns_unreachable_under_it_goes_on() {
    let mut story = Story::new([STEADY; 4]);
    let mut one = One { key: key(&story), ..One::default() };
    let mut read = Read::new(&mut one);
    assert_eq!(story.asks(&mut read), ["s1 get"]);
    story.mark_unreachable(&[1]);
    story.fail(&mut read, 1, Failure::Unanswered);
    assert_eq!(story.asks(&mut read), ["s2 get"]);
    story.answer(&mut read, 2, value(b"v"));
    assert_eq!(read.outcome(), Some(Outcome::Hit));
}

#[test]
fn that_the_others_miss_it_is_no_miss_and_home_is_waited_for() {
    for found in [value(b"v"), Reply::Miss] {
        let mut story = Story::new([STEADY; 4]);
        story.mark_unreachable(&[1]);
        let mut one = One { key: key(&story), ..One::default() };
        let mut read = Read::new(&mut one);
        story.asks(&mut read);
        story.answer(&mut read, 2, Reply::Miss);
        assert_eq!(story.asks(&mut read), ["s1 get"], "which waits in the driver");
        assert_eq!(read.outcome(), None);
        story.mark_unreachable(&[]);
        story.answer(&mut read, 1, found);
        let expected = if found == Reply::Miss { Outcome::Miss } else { Outcome::Hit };
        assert_eq!(read.outcome(), Some(expected), "a steady home's word is the last");
    }
}

#[test]
fn the_word_that_it_is_down_plans_the_wait_anew() {
    let mut story = Story::new([STEADY; 4]);
    story.mark_unreachable(&[1]);
    let mut one = One { key: key(&story), ..One::default() };
    let mut read = Read::new(&mut one);
    story.asks(&mut read);
    story.answer(&mut read, 2, Reply::Miss);
    story.asks(&mut read);
    story.turn([DOWN, STEADY, STEADY, STEADY]);
    story.fail(&mut read, 1, Failure::Unsent);
    for expected in ["s3 get", "s2 get", "s3 get"] {
        assert_eq!(read.outcome(), None);
        assert_eq!(story.asks(&mut read), [expected]);
        let server = story.asked[0].0.0 + 1;
        story.answer(&mut read, server, Reply::Miss);
    }
    assert_eq!(read.outcome(), Some(Outcome::Miss));
}

#[test]
fn what_comes_to_another_place_during_the_wait_is_found() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    story.mark_unreachable(&[2]);
    let mut one = One { key: key(&story), ..One::default() };
    let mut read = Read::new(&mut one);
    for (expected, server) in [("s1 get", 1), ("s3 get", 3), ("s2 get", 2)] {
        assert_eq!(story.asks(&mut read), [expected]);
        if server == 2 {
            story.mark_unreachable(&[]);
        }
        story.answer(&mut read, server, Reply::Miss);
    }
    assert_eq!(story.asks(&mut read), ["s1 get"], "the read begins anew");
    story.answer(&mut read, 1, value(b"v"));
    assert_eq!(read.outcome(), Some(Outcome::Hit));
}

#[test]
fn when_no_place_can_be_reached_the_first_is_waited_for() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    story.mark_unreachable(&[1, 2, 3, 4]);
    let mut one = One { key: key(&story), ..One::default() };
    let mut read = Read::new(&mut one);
    assert_eq!(story.asks(&mut read), ["s1 get"]);
    story.answer(&mut read, 1, value(b"v"));
    assert_eq!(read.outcome(), Some(Outcome::Hit));
}

#[test]
fn without_backups_the_only_place_is_waited_for() {
    let mut story = Story::with(Options::default(), [STEADY; 4]);
    story.mark_unreachable(&[1]);
    let mut one = One { key: key(&story), ..One::default() };
    let mut read = Read::new(&mut one);
    assert_eq!(story.asks(&mut read), ["s1 get"]);
    story.answer(&mut read, 1, Reply::Miss);
    assert_eq!(read.outcome(), Some(Outcome::Miss));
}

#[test]
fn however_long_it_lasts_a_wait_is_not_given_up() {
    let mut story = Story::new([STEADY; 4]);
    story.mark_unreachable(&[1]);
    let (key, mut one) = (key(&story), One { key: key(&story), ..One::default() });
    let mut read = Read::new(&mut one);
    let mut write = Write::new(&key, 0, 0, b"v");
    story.asks(&mut read);
    story.answer(&mut read, 2, Reply::Miss);
    for tried in 0..1000 {
        // It is tried and fails again, or the view says something new that does not help.
        assert_eq!(story.asks(&mut read), ["s1 get"], "trial {tried}");
        if tried % 2 == 0 {
            story.turn([STEADY; 4]);
            story.mark_unreachable(&[1]);
            story.fail(&mut read, 1, Failure::Unsent);
        } else {
            story.fail(&mut read, 1, Failure::Unanswered);
        }
        assert_eq!(story.asks(&mut read), ["s2 get"]);
        story.answer(&mut read, 2, Reply::Miss);
        assert_eq!(read.outcome(), None);
    }
    story.asked.clear();
    for _ in 0..1000 {
        assert_eq!(story.asks(&mut write), ["s1 set 0 v", "s2 set 0 v"]);
        story.answer(&mut write, 2, Reply::Stored);
        story.fail(&mut write, 1, Failure::Unanswered);
        assert_eq!(write.outcome(), None);
    }
}

/// The same, where nothing says that it is unreachable: a server that breaks every connection.
#[test]
fn what_fails_without_a_wait_is_given_up() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut write = Write::new(&key, 0, 0, b"v");
    for _ in 0..1000 {
        if story.asks(&mut write).is_empty() {
            break;
        }
        story.answer(&mut write, 2, Reply::Stored);
        story.fail(&mut write, 1, Failure::Unanswered);
    }
    assert_eq!(write.outcome(), Some(Outcome::Unavailable));
}

#[test]
fn what_changes_something_does_not_go_round() {
    let mut story = Story::new([STEADY; 4]);
    story.mark_unreachable(&[1]);
    let (key, mut one) = (key(&story), One { key: key(&story), ..One::default() });
    let mut write = Write::new(&key, 0, 0, b"v");
    assert_eq!(story.asks(&mut write), ["s1 set 0 v", "s2 set 0 v"]);
    let mut gat = GetAndTouch::new(&key, 9, &mut one);
    assert_eq!(story.asks(&mut gat), ["s1 gat 9"]);
    let mut add = Conditional::new(Verb::Add, &key, 0, 0, b"v");
    assert_eq!(story.asks(&mut add), ["s1 add 0 v"]);
}

#[test]
fn what_only_one_server_can_tell_is_not_waited_for() {
    let mut story = Story::new([STEADY; 4]);
    story.mark_unreachable(&[1]);
    let mut told = Vec::new();
    let mut sink = |server: ServerId, answer: Result<&[u8], Outcome>| told.push((server.0, answer.is_ok()));
    let mut stats = Broadcast::new(Everywhere::Stats { group: b"" }, None, &mut sink);
    assert_eq!(story.asks(&mut stats).len(), 3);
    for server in 2..=4 {
        story.answer(&mut stats, server, Reply::Stats(b""));
    }
    assert_eq!(stats.outcome(), Some(Outcome::Unavailable));
    assert_eq!(told, [(0, false), (1, true), (2, true), (3, true)]);
    let mut sink = |_: ServerId, _: Result<&[u8], Outcome>| {};
    let mut flush = Broadcast::new(Everywhere::FlushAll { delay: 0 }, None, &mut sink);
    assert_eq!(story.asks(&mut flush).len(), 4);
}

/// The table that calls home steady is about to be nobody's: the generation changes before anybody has found home down.
#[test]
fn a_delete_that_waited_for_its_home_knows_that_the_mirror_had_the_value() {
    let mut story = Story::new([STEADY; 4]);
    story.mark_unreachable(&[1]);
    let key = key(&story);
    let mut delete = Spread::delete(&key);
    assert_eq!(story.asks(&mut delete), ["s1 delete", "s2 delete"]);
    story.answer(&mut delete, 2, Reply::Deleted);
    story.turn([STEADY; 4]);
    story.fail(&mut delete, 1, Failure::Unsent);
    assert_eq!(story.asks(&mut delete), ["s1 delete", "s2 delete"]);
    story.answer(&mut delete, 2, Reply::NotFound);
    story.turn([DOWN, STEADY, STEADY, STEADY]);
    story.fail(&mut delete, 1, Failure::Unsent);
    while delete.outcome().is_none() {
        let asked = story.asks(&mut delete);
        assert!(!asked.is_empty(), "it goes on");
        for n in 1..=4 {
            if asked.contains(&format!("s{n} delete")) {
                story.answer(&mut delete, n, Reply::NotFound);
            }
        }
    }
    assert_eq!(delete.outcome(), Some(Outcome::Deleted), "the mirror had it, and it was deleted there");
}

/// Whether home did it is unknown, and then home is lost with all that it did: nobody else was told, so it is done anew.
#[test]
fn what_only_a_lost_server_can_have_done_is_done_anew() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut add = Conditional::new(Verb::Add, &key, 0, 60, b"v");
    assert_eq!(story.asks(&mut add), ["s1 add 60 v"]);
    story.fail(&mut add, 1, Failure::Unanswered);
    assert_eq!(story.asks(&mut add), ["s1 fetch"], "it may have done it, and what it has goes to its mirror");
    story.turn([DOWN, STEADY, STEADY, STEADY]);
    story.fail(&mut add, 1, Failure::Unanswered);
    assert_eq!(add.outcome(), None);
    assert!(!story.asks(&mut add).is_empty(), "the stand-in decides");

    let mut counter = Counter::new(Direction::Incr, &key, 3);
    story.turn([STEADY; 4]);
    assert_eq!(story.asks(&mut counter), ["s1 incr 3", "s2 incr 3"]);
    story.fail(&mut counter, 1, Failure::Unanswered);
    story.fail(&mut counter, 2, Failure::Unsent);
    assert_eq!(story.asks(&mut counter), ["s1 fetch"]);
    story.turn([DOWN, STEADY, STEADY, STEADY]);
    story.fail(&mut counter, 1, Failure::Unanswered);
    assert_eq!(counter.outcome(), None);
    assert!(!story.asks(&mut counter).is_empty(), "the stand-in counts");
}

/// Most servers seem down, so that the network of this machine is the likelier fault: where home is not complete, what it misses
/// can be on one of them.
#[test]
fn what_a_returned_home_misses_is_no_miss_while_the_others_are_out_of_reach() {
    for (states, expected) in [
        ([RETURNED, DOWN, DOWN, DOWN], Outcome::Unavailable),
        ([DOWN, DOWN, DOWN, STEADY], Outcome::Unavailable),
        ([STEADY, DOWN, DOWN, DOWN], Outcome::Miss),
    ] {
        let mut story = Story::new(states);
        let (mut one, mut other) =
            (One { key: key(&story), ..One::default() }, One { key: key(&story), ..One::default() });
        let key = key(&story);
        let reads: [&mut dyn Operation; 2] =
            [&mut Read::new(&mut one), &mut GetAndTouch::new(&key, 9, &mut other)];
        for read in reads {
            while read.outcome().is_none() {
                let asked = story.asks(read);
                assert_eq!(asked.len(), 1, "one place after the other");
                let server = story.asked[0].0.0 + 1;
                story.answer(read, server, Reply::Miss);
            }
            assert_eq!(read.outcome(), Some(expected), "{states:?}");
        }
        assert_eq!((&one.settled[..], &other.settled[..]), (&[Err(expected)][..], &[Err(expected)][..]));
    }
}
