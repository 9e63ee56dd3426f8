//! A server that drains: it gets nothing new, what it holds is read, and whatever is written goes elsewhere.

use super::*;

/// The operation asks these questions, each alone, and gets these answers.
fn one_after_another<'r>(
    story: &mut Story,
    operation: &mut dyn Operation,
    script: impl Iterator<Item = (&'static str, Reply<'r>)>,
) {
    for (expected, reply) in script {
        assert_eq!(story.asks(operation), [expected]);
        let server = story.asked[0].0.0 + 1;
        story.answer(operation, server, reply);
    }
}

#[test]
fn a_write_leaves_a_draining_home() {
    let mut story = Story::new([DRAINING, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut write = Write::new(&key, 0, 0, b"v");
    assert_eq!(story.asks(&mut write), ["s2 set 0 v", "s3 set 86400 v"]);
    story.answer(&mut write, 2, Reply::Stored);
    story.answer(&mut write, 3, Reply::Stored);
    assert_eq!(story.asks(&mut write), ["s1 delete"], "and only then: it may be the last copy");
    story.answer(&mut write, 1, Reply::Deleted);
    assert_eq!(write.outcome(), Some(Outcome::Stored));
}

#[test]
fn a_second_copy_leaves_a_draining_backup() {
    let mut story = Story::new([STEADY, DRAINING, STEADY, STEADY]);
    let key = key(&story);
    let mut write = Write::new(&key, 0, 0, b"v");
    assert_eq!(story.asks(&mut write), ["s1 set 0 v", "s3 set 86400 v"]);
    story.answer(&mut write, 1, Reply::Stored);
    story.answer(&mut write, 3, Reply::Stored);
    assert_eq!(story.asks(&mut write), ["s2 delete"]);
    story.answer(&mut write, 2, Reply::Deleted);
    assert_eq!(write.outcome(), Some(Outcome::Stored));
}

#[test]
fn without_backups_a_write_leaves_a_draining_home_too() {
    let mut story = Story::with(Options::default(), [DRAINING, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut write = Write::new(&key, 0, 0, b"v");
    assert_eq!(story.asks(&mut write), ["s3 set 86400 v"]);
    story.answer(&mut write, 3, Reply::Stored);
    assert_eq!(story.asks(&mut write), ["s1 delete"]);
}

#[test]
fn what_it_holds_is_read() {
    for backups in [true, false] {
        let options = Options { backups, ..Options::default() };
        let mut story = Story::with(options, [DRAINING, STEADY, STEADY, STEADY]);
        let mut one = One { key: key(&story), ..One::default() };
        let mut read = Read::new(&mut one);
        let before: &[u16] = if backups { &[3, 2] } else { &[3] };
        for &server in before {
            assert_eq!(story.asks(&mut read), [format!("s{server} get")]);
            story.answer(&mut read, server, Reply::Miss);
        }
        assert_eq!(story.asks(&mut read), ["s1 get"]);
        story.answer(&mut read, 1, value(b"v"));
        assert_eq!(read.outcome(), Some(Outcome::Hit));
    }
}

/// Acting's miss proves nothing: what the draining home or its backup holds is brought first.
#[test]
fn a_draining_home_does_not_decide_alone() {
    let mut story = Story::new([DRAINING, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut counter = Counter::new(Direction::Incr, &key, 1);
    let looks = [("s3 fetch", Reply::Miss), ("s2 fetch", Reply::Miss), ("s1 fetch", value(b"41"))];
    let moves = [("s3 lease", stub(Lease::Won)), ("s2 fetch", Reply::Miss), ("s1 fetch", value(b"41"))];
    one_after_another(&mut story, &mut counter, looks.into_iter().chain(moves));
    assert_eq!(story.asks(&mut counter), ["s3 store-leased 60 c5"]);
    story.answer(&mut counter, 3, Reply::Stored);
    assert_eq!(story.asks(&mut counter), ["s3 incr 1"]);
    story.answer(&mut counter, 3, Reply::Number(42));
    assert_eq!(story.asks(&mut counter), ["s3 fetch"]);
    story.answer(&mut counter, 3, value(b"42"));
    assert_eq!(story.asks(&mut counter), ["s2 set 60 42"]);
    story.answer(&mut counter, 2, Reply::Stored);
    assert_eq!(story.asks(&mut counter), ["s1 delete"]);
    story.answer(&mut counter, 1, Reply::Deleted);
    assert_eq!(counter.outcome(), Some(Outcome::Number(42)));
}

/// A steady home decides, and the second copy of what came of it moves away from the draining backup.
#[test]
fn a_steady_home_decides_while_its_backup_drains() {
    let mut story = Story::new([STEADY, DRAINING, STEADY, STEADY]);
    let key = key(&story);
    let mut add = Conditional::new(Verb::Add, &key, 0, 0, b"v");
    assert_eq!(story.asks(&mut add), ["s1 add 0 v"]);
    story.answer(&mut add, 1, Reply::Stored);
    assert_eq!(story.asks(&mut add), ["s3 set 86400 v"]);
    story.answer(&mut add, 3, Reply::Stored);
    assert_eq!(story.asks(&mut add), ["s2 delete"]);
    story.answer(&mut add, 2, Reply::NotFound);
    assert_eq!(add.outcome(), Some(Outcome::Stored));
}

#[test]
fn a_write_that_began_before_the_order_is_planned_anew() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut write = Write::new(&key, 0, 0, b"v");
    assert_eq!(story.asks(&mut write), ["s1 set 0 v", "s2 set 0 v"]);
    story.turn([DRAINING, STEADY, STEADY, STEADY]);
    story.answer(&mut write, 1, Reply::Stored);
    story.answer(&mut write, 2, Reply::Stored);
    assert_eq!(story.asks(&mut write), ["s2 set 0 v", "s3 set 86400 v"]);
}

/// What decided holds its copy no longer once that is being deleted, though it is in the same life.
#[test]
fn an_order_that_is_taken_back_in_mid_clearing_costs_no_copy() {
    let mut story = Story::with(Options::default(), [DRAINING, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut append = Conditional::new(Verb::Append, &key, 0, 0, b"b");
    let script = [
        ("s3 fetch", Reply::Miss),
        ("s1 fetch", value(b"a")),
        ("s1 append 0 b", Reply::Stored),
        ("s1 fetch", value(b"ab")),
        ("s3 set 60 ab", Reply::Stored),
    ];
    one_after_another(&mut story, &mut append, script.into_iter());
    assert_eq!(story.asks(&mut append), ["s1 delete"]);
    story.turn([RETURNED, STEADY, STEADY, STEADY]);
    story.answer(&mut append, 1, Reply::Deleted);
    assert_eq!(story.asks(&mut append), ["s1 set 60 ab"]);
    story.answer(&mut append, 1, Reply::Stored);
    assert_eq!(story.asks(&mut append), ["s3 delete"]);
    story.answer(&mut append, 3, Reply::Deleted);
    assert_eq!(append.outcome(), Some(Outcome::Stored));
}
