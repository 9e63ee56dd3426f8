//! Acting refuses a copy (too large for it, or out of memory) that a later place has: what its holder decided stands.

use super::*;

const FULL: Reply<'static> = Reply::Refused(b"SERVER_ERROR out of memory storing object");

/// Home has returned, and would not take the copy that its backup has: the backup decides.
fn left_to_the_backup<'a>() -> [(&'a str, Reply<'a>); 9] {
    [
        ("s1 fetch", Reply::Miss),
        ("s3 fetch", Reply::Miss),
        ("s2 fetch", value(b"5")),
        ("s1 lease", stub(Lease::Won)),
        ("s3 fetch", Reply::Miss),
        ("s2 fetch", value(b"5")),
        ("s1 store-leased 60 c5", FULL),
        ("s3 fetch", Reply::Miss),
        ("s2 fetch", value(b"5")),
    ]
}

#[test]
fn a_counter_that_acting_does_not_take_is_kept_by_its_holder() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut counter = Counter::new(Direction::Incr, &key, 1);
    go(&mut story, &mut counter, &left_to_the_backup());
    let counted = [("s2 incr 1", Reply::Number(6)), ("s2 fetch", value(b"6")), ("s1 set 60 6", FULL)];
    go(&mut story, &mut counter, &counted);
    assert_eq!(story.asks(&mut counter), ["s1 delete", "s3 delete"], "and its holder keeps it");
    story.answer(&mut counter, 1, Reply::NotFound);
    story.answer(&mut counter, 3, Reply::NotFound);
    assert_eq!(counter.outcome(), Some(Outcome::Number(6)));
}

#[test]
fn what_its_holder_appended_or_stored_is_kept_there() {
    for (verb, stored, told) in [(Verb::Append, "5v", 60), (Verb::Replace, "v", 0)] {
        let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
        let key = key(&story);
        let mut conditional = Conditional::new(verb, &key, 0, 0, b"v");
        go(&mut story, &mut conditional, &left_to_the_backup());
        let asked = format!("s2 {verb:?} 0 v").to_lowercase();
        go(&mut story, &mut conditional, &[(&asked, Reply::Stored)]);
        if verb == Verb::Append {
            go(&mut story, &mut conditional, &[("s2 fetch", value(b"5v"))]);
        }
        go(&mut story, &mut conditional, &[(&format!("s1 set {told} {stored}"), FULL)]);
        assert_eq!(story.asks(&mut conditional), ["s1 delete", "s3 delete"], "{verb:?}");
        story.answer(&mut conditional, 1, Reply::NotFound);
        story.answer(&mut conditional, 3, Reply::NotFound);
        assert_eq!(conditional.outcome(), Some(Outcome::Stored), "{verb:?}");
    }
}

/// A stand-in decided; the mirror takes the copy.
#[test]
fn the_mirror_keeps_what_it_took_beside_the_holder() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut counter = Counter::new(Direction::Incr, &key, 1);
    let script = [
        ("s1 fetch", Reply::Miss),
        ("s3 fetch", value(b"5")),
        ("s1 lease", stub(Lease::Won)),
        ("s3 fetch", value(b"5")),
        ("s1 store-leased 60 c5", FULL),
        ("s3 fetch", value(b"5")),
        ("s3 incr 1", Reply::Number(6)),
        ("s3 fetch", value(b"6")),
    ];
    go(&mut story, &mut counter, &script);
    assert_eq!(story.asks(&mut counter), ["s1 set 60 6", "s2 set 60 6"]);
    story.answer(&mut counter, 1, FULL);
    story.answer(&mut counter, 2, Reply::Stored);
    go(&mut story, &mut counter, &[("s1 delete", Reply::NotFound)]);
    assert_eq!(counter.outcome(), Some(Outcome::Number(6)));
}

/// Its miss is the answer to every read: what is kept behind it would come back when it falls.
#[test]
fn nobody_keeps_what_a_complete_home_does_not_take() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut counter = Counter::new(Direction::Incr, &key, 1);
    assert_eq!(story.asks(&mut counter), ["s1 incr 1", "s2 incr 1"]);
    story.fail(&mut counter, 1, Failure::Unanswered);
    story.answer(&mut counter, 2, Reply::Number(6));
    go(&mut story, &mut counter, &[("s2 fetch", value(b"6")), ("s1 set 60 6", FULL)]);
    assert_eq!(story.asks(&mut counter), ["s1 delete", "s2 delete"]);
    story.answer(&mut counter, 1, Reply::NotFound);
    story.answer(&mut counter, 2, Reply::Deleted);
    assert_eq!(counter.outcome(), Some(Outcome::Unavailable));
}

/// A holder that restarted meanwhile has nothing left to keep.
#[test]
fn who_lost_the_copy_meanwhile_keeps_nothing() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut counter = Counter::new(Direction::Incr, &key, 1);
    go(&mut story, &mut counter, &left_to_the_backup());
    go(&mut story, &mut counter, &[("s2 incr 1", Reply::Number(6)), ("s2 fetch", value(b"6"))]);
    assert_eq!(story.asks(&mut counter), ["s1 set 60 6"]);
    story.turn([RETURNED, DOWN, STEADY, STEADY]);
    story.answer(&mut counter, 1, FULL);
    assert_eq!(story.asks(&mut counter), ["s1 set 60 6", "s3 set 60 6"], "it is stored anew");
    story.answer(&mut counter, 1, FULL);
    story.answer(&mut counter, 3, Reply::Stored);
    assert_eq!(story.asks(&mut counter), ["s1 delete", "s3 delete", "s4 delete"]);
    story.answer(&mut counter, 1, Reply::NotFound);
    story.answer(&mut counter, 3, Reply::Deleted);
    story.answer(&mut counter, 4, Reply::NotFound);
    assert_eq!(counter.outcome(), Some(Outcome::Unavailable));
}
