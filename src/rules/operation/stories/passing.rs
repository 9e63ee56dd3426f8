//! Clients' own meta commands.

use super::*;

fn passed<'a>(letter: u8, key: &'a [u8], flags: &'a [u8]) -> Passed<'a> {
    let value = (letter == b's').then(|| b"v".into());
    Passed { letter, key: key.into(), name: key.into(), flags: flags.into(), cas: None, value, changes: true }
}

fn told(line: &[u8]) -> Reply<'_> {
    Reply::Meta { line, data: None }
}

#[test]
fn a_delete_is_done_on_every_place() {
    for (line, cas, everywhere) in [
        (&b"HD"[..], None, true),
        (b"HD", Some(3), true),
        (b"NF", None, true),
        (b"NF", Some(3), false),
        (b"EX", Some(3), false),
    ] {
        let mut story = Story::new([STEADY; 4]);
        let key = key(&story);
        let mut delete = Pass::new(Passed { cas, ..passed(b'd', &key, b" k") });
        story.asks(&mut delete);
        story.answer(&mut delete, 1, told(line));
        let asked = story.asks(&mut delete);
        if everywhere {
            assert_eq!(asked, ["s1 delete", "s2 delete"], "{line:?} {cas:?}");
            story.answer(&mut delete, 1, Reply::NotFound);
            assert_eq!(delete.outcome(), None);
            story.answer(&mut delete, 2, Reply::Deleted);
        } else {
            assert!(asked.is_empty(), "{asked:?}");
        }
        assert_eq!(delete.outcome(), Some(Outcome::Done));
        assert_eq!(delete.reply(), [line, b"\r\n"].concat());
    }
}

#[test]
fn what_is_marked_as_stale_is_deleted_nowhere_by_that_name() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut mark = Pass::new(passed(b'd', &key, b" I T30"));
    assert_eq!(story.asks(&mut mark), ["s1 md I T30 k"]);
    story.answer(&mut mark, 1, told(b"HD"));
    assert_eq!(story.asks(&mut mark), ["s1 fetch"]);
    let Reply::Value(fresh) = value(b"v") else { unreachable!() };
    story.answer(&mut mark, 1, Reply::Value(Value { stale: true, lease: Some(Lease::Won), ..fresh }));
    assert_eq!(story.asks(&mut mark), ["s1 invalidate", "s2 delete"]);
}

#[test]
fn what_was_marked_as_stale_is_stored_nowhere_else() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut append = Conditional::new(Verb::Append, &key, 0, 0, b"b");
    assert_eq!(story.asks(&mut append), ["s1 append 0 b"]);
    story.answer(&mut append, 1, Reply::Stored);
    assert_eq!(story.asks(&mut append), ["s1 fetch"]);
    let Reply::Value(fresh) = value(b"ab") else { unreachable!() };
    story.answer(&mut append, 1, Reply::Value(Value { stale: true, lease: Some(Lease::Won), ..fresh }));
    assert_eq!(story.asks(&mut append), ["s1 invalidate", "s2 delete"]);
}

#[test]
fn the_key_is_asked_for_in_any_case_and_told_to_who_asked() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    for (flags, sent, reply) in [
        (&b" v t"[..], "s1 mg v t k", &b"VA 1 t5\r\nx\r\n"[..]),
        (b" k v t", "s1 mg k v t", b"VA 1 t5 kKEY b\r\nx\r\n"),
    ] {
        let mut get = Pass::new(Passed { changes: false, ..passed(b'g', &key, flags) });
        assert_eq!(story.asks(&mut get), [sent]);
        story.answer(&mut get, 1, Reply::Meta { line: b"VA 1 t5 kKEY b", data: Some(b"x") });
        assert_eq!(get.outcome(), Some(Outcome::Done));
        assert_eq!(get.reply(), reply);
    }
}

const TOO_LARGE: &[u8] = b"SERVER_ERROR object too large for cache";

/// memcached drops the value that was there when it has no room for the one of an `ms`; a key in base64 goes by that too.
#[test]
fn what_its_server_dropped_with_a_refusal_nobody_keeps() {
    for found in [Reply::Miss, value(b"old")] {
        let mut story = Story::new([STEADY; 4]);
        let (plain, coded) = (key(&story), coded_key(&story));
        let mut pass = Pass::new(passed(b's', &plain, b" c"));
        let mut add = Conditional::new(Verb::Add, &coded, 0, 0, b"v");
        let operations: [(&str, &mut dyn Operation); 2] =
            [("s1 ms c k", &mut pass), ("s1 add 0 v", &mut add)];
        for (asked, operation) in operations {
            go(&mut story, operation, &[(asked, Reply::Refused(TOO_LARGE)), ("s1 fetch", found)]);
            let end = if found == Reply::Miss {
                ("s2 delete", Reply::Deleted)
            } else {
                ("s2 set 60 old", Reply::Stored)
            };
            go(&mut story, operation, &[end]);
            let told = (operation.outcome(), operation.refusal());
            assert_eq!(told, (Some(Outcome::Refused), Some(TOO_LARGE)), "{asked}");
        }
    }
}

/// Of a classic command memcached keeps what was there.
#[test]
fn what_changed_nothing_is_told_to_nobody() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut add = Conditional::new(Verb::Add, &key, 0, 0, b"v");
    let mut count = Pass::new(passed(b'a', &key, b" c"));
    let operations: [(&str, &mut dyn Operation); 2] = [("s1 add 0 v", &mut add), ("s1 ma c k", &mut count)];
    for (asked, operation) in operations {
        go(&mut story, operation, &[(asked, Reply::Refused(TOO_LARGE))]);
        assert_eq!((story.asks(operation).len(), operation.outcome()), (0, Some(Outcome::Refused)));
    }
}

/// It refuses that too, or it falls: what it had is not to be known, and that the store was refused is.
#[test]
fn a_refusal_stands_whatever_comes_behind_it() {
    for falls in [true, false] {
        let mut story = Story::new([STEADY; 4]);
        let key = key(&story);
        let mut pass = Pass::new(passed(b's', &key, b" c"));
        go(&mut story, &mut pass, &[("s1 ms c k", Reply::Refused(TOO_LARGE))]);
        assert_eq!(story.asks(&mut pass), ["s1 fetch"]);
        if falls {
            story.turn([DOWN, STEADY, STEADY, STEADY]);
            story.fail(&mut pass, 1, Failure::Unanswered);
        } else {
            story.answer(&mut pass, 1, Reply::Refused(b"SERVER_ERROR out of memory writing get response"));
        }
        assert!(story.asks(&mut pass).is_empty());
        assert_eq!((pass.outcome(), pass.refusal()), (Some(Outcome::Refused), Some(TOO_LARGE)));
    }
}

/// What `me` says are no flags, and a key may look like one.
#[test]
fn what_is_said_of_a_key_is_told_as_it_is() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut debug = Pass::new(Passed { changes: false, ..passed(b'e', &key, b"") });
    go(&mut story, &mut debug, &[("s1 me", told(b"ME c5 exp=-1 la=0 cas=17 fetch=no cls=1 size=62"))]);
    assert_eq!(debug.reply(), b"ME c5 exp=-1 la=0 cas=17 fetch=no cls=1 size=62\r\n");
}
