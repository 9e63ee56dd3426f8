//! What the parser makes of what clients send, whole and in pieces.

use super::*;
use proptest::prelude::*;

const LIMITS: Limits = Limits { key: 250, value: 1 << 20, line: 64 << 10 };

fn whole(bytes: &[u8]) -> (Request<'_>, usize) {
    match parse(bytes, &LIMITS) {
        Parsed::Whole(request, taken) => (request, taken),
        Parsed::More(needed) => panic!("{:?} needs {needed}", bytes.escape_ascii().to_string()),
    }
}

fn said(bytes: &[u8]) -> &'static [u8] {
    match whole(bytes).0 {
        Request::Say { text, noreply: false } => text,
        other => panic!("{other:?}"),
    }
}

/// Requests, one behind the other, as a client could send them.
const SOME: &[&[u8]] = &[
    b"get a\r\n",
    b"gets a  bb \r\n",
    b"gat 10 a b\r\n",
    b"set a 1 2 3\r\nabc\r\n",
    b"set a 1 2 3 noreply\r\na\nc\r\n",
    b"cas a 1 2 0 77\r\n\r\n",
    b"append a 0 0 2\r\nxy\r\n",
    b"delete a noreply\n",
    b"incr a 5\r\n",
    b"touch a -1\r\n",
    b"flush_all 0 noreply\r\n",
    b"ms a 2 T0 F5\r\nhi\r\n",
    b"mg a v f t c k O9 q\r\n",
    b"md a q\r\n",
    b"ma a N0 J5 v\r\n",
    b"mn\r\n",
    b"nonsense\r\n",
    b"\r\n",
    b"stats proxy\r\n",
];

#[test]
fn every_piece_of_a_request_asks_for_more_and_the_whole_is_the_same() {
    for bytes in SOME {
        let (expected, taken) = whole(bytes);
        assert_eq!(taken, bytes.len(), "{}", bytes.escape_ascii());
        for end in 0..bytes.len() {
            match parse(&bytes[..end], &LIMITS) {
                Parsed::More(needed) => {
                    assert!(needed > end && needed <= bytes.len(), "{}", bytes.escape_ascii())
                }
                Parsed::Whole(..) => panic!("whole at {end}: {}", bytes.escape_ascii()),
            }
        }
        let behind = [bytes, &b"get other\r\n"[..]].concat();
        assert_eq!(whole(&behind), (expected, taken));
    }
}

#[test]
fn values_may_hold_anything() {
    let (request, _) = whole(b"set k 7 -1 6\r\n\r\nget \r\n");
    let Request::Store { verb: Verb::Set, key: b"k", flags: 7, exptime: -1, value, noreply: false } = request
    else {
        panic!("{request:?}")
    };
    assert_eq!(value, b"\r\nget ");
}

#[test]
fn memcached_s_words() {
    let long = [b"get ".as_slice(), &[b'k'; 251], b"\r\n"].concat();
    assert!(
        matches!(whole(&long).0, Request::Get { .. }),
        "a long key is refused where all keys are looked at"
    );
    assert_eq!(said(b"get\r\n"), ERROR);
    assert_eq!(said(b"set k 0 0\r\n"), ERROR);
    assert_eq!(said(b"set k 0 0 1 noreply more\r\n"), ERROR);
    assert_eq!(said(b"set k x 0 1\r\n"), BAD_LINE);
    assert_eq!(said(b"set k 0 0 -1\r\n"), BAD_LINE);
    assert_eq!(said(b"set k 0 0 3\r\nabcde\r\n"), BAD_CHUNK);
    assert_eq!(whole(b"set k 0 0 3\r\nabcde\r\n").1, 18, "exactly the block is passed over");
    assert_eq!(said(b"incr k x\r\n"), BAD_DELTA);
    assert_eq!(said(b"touch k 5abc\r\n"), BAD_EXPTIME);
    assert_eq!(said(b"delete k 5\r\n"), BAD_DELETE);
    assert!(matches!(whole(b"set k 0 x 1 noreply\r\n").0, Request::Say { noreply: true, .. }), "silent too");
    assert!(matches!(whole(b"shutdown\r\n").0, Request::Say { text: b"ERROR: shutdown not enabled", .. }));
    assert!(matches!(whole(b"quit\r\n").0, Request::Quit));
    assert!(matches!(whole(b"get k\0 rest\r\n").0, Request::Get { .. }));
}

#[test]
fn limits() {
    let limits = Limits { key: 5, value: 10, line: 100 };
    let too_large = parse(b"set k 0 0 11\r\nabc", &limits);
    assert_eq!(
        too_large,
        Parsed::Whole(Request::TooLarge { key: b"k", flags: b"", skip: 13, noreply: false }, 14)
    );
    let add = parse(b"add k 0 0 11 noreply\r\n", &limits);
    assert!(matches!(add, Parsed::Whole(Request::TooLarge { key: b"", noreply: true, .. }, 22)), "{add:?}");
    let long = parse(b"set longer 0 0 1\r\n", &limits);
    assert!(matches!(long, Parsed::Whole(Request::Say { text: BAD_LINE, .. }, 18)), "{long:?}");
    assert!(matches!(parse(&[b'x'; 2048], &limits), Parsed::More(_)));
    assert!(matches!(parse(&[b'x'; 2049], &limits), Parsed::Whole(Request::Close { .. }, 2049)));
    let gets = [b"get ".as_slice(), &[b'k'; 97]].concat();
    assert!(matches!(parse(&gets, &limits), Parsed::Whole(Request::Close { .. }, 101)));
}

#[test]
fn what_ms_refuses_is_passed_over_with_its_value() {
    assert_eq!(whole(b"ms k 1 MX\r\na\r\n").1, 14);
    assert_eq!(said(b"ms k 1 MX\r\na\r\n"), b"CLIENT_ERROR invalid mode for ms M token");
    assert_eq!(said(b"ms k 1 k k\r\na\r\n"), b"CLIENT_ERROR duplicate flag");
    assert_eq!(said(b"ms k S1\r\n"), BAD_LINE);
    let started = parse(b"ms k 100 z\r\nabc", &LIMITS);
    assert!(matches!(started, Parsed::Whole(Request::Skip { skip: 102, .. }, 12)), "{started:?}");
}

proptest! {
    /// Any bytes are something, in any pieces, and what was taken is never more than there is.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300), tail in 0usize..20) {
        let limits = Limits { key: 20, value: 64, line: 128 };
        let mut at = 0;
        let mut steps = 0;
        while at < bytes.len() {
            match parse(&bytes[at..], &limits) {
                Parsed::Whole(_, taken) => {
                    prop_assert!(taken > 0 && at + taken <= bytes.len());
                    at += taken;
                }
                Parsed::More(needed) => {
                    prop_assert!(needed > bytes.len() - at);
                    break;
                }
            }
            steps += 1;
        }
        prop_assert!(steps <= bytes.len() + tail);
    }

    /// Words of commands thrown together.
    #[test]
    fn any_words(words in proptest::collection::vec(prop_oneof![
        Just("set"), Just("ms"), Just("mg"), Just("ma"), Just("cas"), Just("k"), Just("0"), Just("-1"), Just("3"),
        Just("noreply"), Just("T5"), Just("MS"), Just("b"), Just("q"), Just("\r\n"), Just("abc\r\n"), Just("Oxx"),
    ], 0..30)) {
        let text = words.join(" ");
        let mut at = 0;
        while let Parsed::Whole(_, taken) = parse(&text.as_bytes()[at..], &LIMITS) {
            at += taken;
            prop_assert!(at <= text.len());
            if at == text.len() {
                break;
            }
        }
    }
}
