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
