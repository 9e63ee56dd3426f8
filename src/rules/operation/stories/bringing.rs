//! What a call leaves of its stub when the view changes under it, or when it gives up (rules 8 to 10).

use super::*;

/// Home has returned and lacks what its backup has: an append has asked so far, up to the lease.
fn until_the_lease<'a>(story: &mut Story, key: &'a [u8]) -> Conditional<'a> {
    let mut append = Conditional::new(Verb::Append, key, 0, 0, b"b");
    let looks = [("s1 fetch", Reply::Miss), ("s3 fetch", Reply::Miss), ("s2 fetch", value(b"a"))];
    go(story, &mut append, &looks);
    assert_eq!(story.asks(&mut append), ["s1 lease"]);
    append
}

#[test]
fn a_home_that_turns_complete_meanwhile_is_freed_of_our_stub_and_decides() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut append = until_the_lease(&mut story, &key);
    story.answer(&mut append, 1, stub(Lease::Won));
    assert_eq!(story.asks(&mut append), ["s3 fetch"]);
    story.turn([STEADY; 4]);
    story.answer(&mut append, 3, Reply::Miss);
    go(
        &mut story,
        &mut append,
        &[
            ("s1 fetch", stub(Lease::Taken)),
            ("s1 end-lease c5", Reply::Deleted),
            ("s1 append 0 b", Reply::NotStored),
        ],
    );
    assert_eq!(append.outcome(), Some(Outcome::NotStored), "there is nothing to append to");
}

/// The lease's answer comes after the home became complete; or it never comes, and what was asked may be done all the same.
#[test]
fn a_stub_that_may_be_there_since_is_taken_away_too() {
    for (answered, there) in [(true, true), (false, true), (false, false)] {
        let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
        let key = key(&story);
        let mut append = until_the_lease(&mut story, &key);
        story.turn([STEADY; 4]);
        if answered {
            story.answer(&mut append, 1, stub(Lease::Won));
        } else {
            story.fail(&mut append, 1, Failure::Unanswered);
        }
        let found = if there { stub(Lease::Taken) } else { Reply::Miss };
        go(&mut story, &mut append, &[("s1 fetch", found)]);
        if there {
            go(&mut story, &mut append, &[("s1 end-lease c5", Reply::Deleted)]);
        }
        assert_eq!(story.asks(&mut append), ["s1 append 0 b"]);
    }
}

/// It may have thrown its own copy away: then what the mirror has was left over, and is not brought.
#[test]
fn a_home_that_turns_complete_meanwhile_gets_no_stub() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut append = Conditional::new(Verb::Append, &key, 0, 0, b"b");
    go(&mut story, &mut append, &[("s1 fetch", Reply::Miss), ("s3 fetch", Reply::Miss)]);
    assert_eq!(story.asks(&mut append), ["s2 fetch"]);
    story.turn([STEADY; 4]);
    story.answer(&mut append, 2, value(b"a"));
    assert_eq!(story.asks(&mut append), ["s1 append 0 b"]);
}

#[test]
fn a_stub_of_ours_from_before_is_known() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut append = until_the_lease(&mut story, &key);
    story.turn([RETURNED, STEADY, DOWN, STEADY]);
    story.answer(&mut append, 1, stub(Lease::Won));
    let script = [("s1 fetch", stub(Lease::Taken)), ("s4 fetch", Reply::Miss), ("s2 fetch", value(b"a"))];
    go(&mut story, &mut append, &script);
    assert_eq!(story.asks(&mut append), ["s1 store-leased 60 c5"]);
}

#[test]
fn who_is_refused_a_copy_leaves_no_stub() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut append = until_the_lease(&mut story, &key);
    let refusal = Reply::Refused(b"SERVER_ERROR out of memory writing get response");
    story.answer(&mut append, 1, stub(Lease::Won));
    go(
        &mut story,
        &mut append,
        &[("s3 fetch", Reply::Miss), ("s2 fetch", refusal), ("s1 end-lease c5", Reply::Deleted)],
    );
    assert_eq!((story.asks(&mut append).len(), append.outcome()), (0, Some(Outcome::Unavailable)));
}

/// A copy whose store is told under a newer view is on acting alone, as any that was brought.
#[test]
fn what_was_brought_under_an_older_view_is_mirrored_too() {
    for answered in [true, false] {
        let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
        let key = key(&story);
        let mut add = Conditional::new(Verb::Add, &key, 0, 0, b"b");
        go(
            &mut story,
            &mut add,
            &[
                ("s1 fetch", Reply::Miss),
                ("s3 fetch", value(b"a")),
                ("s1 lease", stub(Lease::Won)),
                ("s3 fetch", value(b"a")),
            ],
        );
        assert_eq!(story.asks(&mut add), ["s1 store-leased 60 c5"]);
        story.turn([STEADY; 4]);
        if answered {
            story.answer(&mut add, 1, Reply::Stored);
        } else {
            story.fail(&mut add, 1, Failure::Unanswered);
        }
        go(
            &mut story,
            &mut add,
            &[
                ("s1 fetch", value(b"a")),
                ("s1 add 0 b", Reply::NotStored),
                ("s1 fetch", value(b"a")),
                ("s2 set 60 a", Reply::Stored),
            ],
        );
        assert_eq!(add.outcome(), Some(Outcome::NotStored));
    }
}
