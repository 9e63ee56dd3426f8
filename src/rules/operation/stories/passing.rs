//! Clients' own meta commands.

use std::time::Duration;

use super::*;

fn passed<'a>(letter: u8, key: &'a [u8], flags: &'a [u8]) -> Passed<'a> {
    let value = (letter == b's').then(|| b"v".into());
    Passed { letter, key: key.into(), name: key.into(), flags: flags.into(), cas: None, value, changes: true }
}

fn told(line: &[u8]) -> Reply<'_> {
    Reply::Meta { line, data: None }
}

#[test]
fn nothing_lives_longer_than_the_pool_lets_it() {
    let options = Options { backups: true, max_ttl: Some(Duration::from_secs(60)), ..Options::default() };
    let mut story = Story::with(options, [STEADY; 4]);
    let key = key(&story);
    for (letter, flags, sent) in [
        (b's', &b" c"[..], "s1 ms c T60"),
        (b's', b" T0 c", "s1 ms T60 c"),
        (b's', b" T30 c", "s1 ms T30 c"),
        (b'a', b" N0 J5", "s1 ma N60 J5"),
        (b'a', b" v", "s1 ma v"),
        (b'g', b"v f c T600", "s1 mg v f c T60"),
        (b'd', b" I T-1", "s1 md I T-1"),
    ] {
        assert_eq!(story.asks(&mut Pass::new(passed(letter, &key, flags))), [sent]);
        story.take(1);
    }
}

#[test]
fn what_a_stand_in_is_told_to_store_does_not_outlive_the_window() {
    let options = Options { backups: true, window: Duration::from_secs(60), ..Options::default() };
    let mut story = Story::with(options, [DOWN, DOWN, STEADY, STEADY]);
    let key = key(&story);
    let mut set = Pass::new(passed(b's', &key, b" c"));
    let mut asked = story.asks(&mut set);
    while asked == ["s3 fetch"] || asked == ["s4 fetch"] {
        let n = if asked == ["s3 fetch"] { 3 } else { 4 };
        story.answer(&mut set, n, Reply::Miss);
        asked = story.asks(&mut set);
    }
    assert_eq!(asked, ["s3 ms c T60"]);
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
    assert_eq!(story.asks(&mut mark), ["s1 md I T30"]);
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
fn what_is_touched_as_it_is_read_lives_no_longer_than_the_pool_lets_it() {
    let options = Options { backups: true, max_ttl: Some(Duration::from_secs(60)), ..Options::default() };
    let mut story = Story::with(options, [STEADY, DOWN, DOWN, DOWN]);
    let key = key(&story);
    let mut one = One { key: key.clone(), ..One::default() };
    let mut touch = GetAndTouch::new(&key, 0, &mut one);
    assert_eq!(story.asks(&mut touch), ["s1 gat 60"]);
}
