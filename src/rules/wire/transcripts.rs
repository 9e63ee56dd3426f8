//! Wire transcripts: what is sent, what comes back, and what it means. One table for the codec, for
//! everything above it, and (by path) for the test that plays it to a real memcached.
//!
//! [`STORY`] is what memcached 1.6.18 says to one client on a fresh server, line by line in this
//! order, CAS values included. [`ANSWERS`] are answers that such a server gives under other
//! circumstances, or other servers do. [`NONSENSE`] is what no parser may take for an answer.

use super::{Command, Direction, Lease, Reply, Value, Verb};

/// One question and its answer.
pub(crate) struct Exchange {
    pub(crate) command: Command<'static>,
    /// Whether the server has meta commands.
    pub(crate) meta: bool,
    pub(crate) sent: &'static [u8],
    pub(crate) received: &'static [u8],
    pub(crate) reply: Reply<'static>,
}

const fn classic(
    command: Command<'static>,
    sent: &'static [u8],
    received: &'static [u8],
    reply: Reply<'static>,
) -> Exchange {
    Exchange { command, meta: false, sent, received, reply }
}

const fn meta(
    command: Command<'static>,
    sent: &'static [u8],
    received: &'static [u8],
    reply: Reply<'static>,
) -> Exchange {
    Exchange { command, meta: true, sent, received, reply }
}

const fn get(key: &'static [u8]) -> Command<'static> {
    Command::Get { key, meta: true }
}

const fn fetch(key: &'static [u8]) -> Command<'static> {
    Command::Fetch { key }
}

const fn gat(key: &'static [u8], exptime: i64) -> Command<'static> {
    Command::GetAndTouch { key, exptime }
}

const fn store(
    verb: Verb,
    key: &'static [u8],
    flags: u32,
    exptime: i64,
    value: &'static [u8],
) -> Command<'static> {
    Command::Store { verb, key, flags, exptime, value }
}

const fn leased(key: &'static [u8], flags: u32, value: &'static [u8], lease: u64) -> Command<'static> {
    Command::StoreLeased { key, flags, exptime: 100, value, lease }
}

const fn incr(key: &'static [u8], delta: u64) -> Command<'static> {
    Command::Arithmetic { direction: Direction::Incr, key, delta }
}

const fn decr(key: &'static [u8], delta: u64) -> Command<'static> {
    Command::Arithmetic { direction: Direction::Decr, key, delta }
}

const fn stats(group: &'static [u8]) -> Command<'static> {
    Command::Stats { group }
}

/// From a classic get.
const fn plain(data: &'static [u8], flags: u32) -> Value<'static> {
    Value { data, placed: 0, flags, cas: 0, ttl: None, ttl_known: false, lease: None, stale: false }
}

/// From a fetch by a meta command.
const fn full(data: &'static [u8], flags: u32, cas: u64, ttl: Option<u32>) -> Value<'static> {
    Value { data, placed: 0, flags, cas, ttl, ttl_known: true, lease: None, stale: false }
}

const fn hit(data: &'static [u8], flags: u32) -> Reply<'static> {
    Reply::Value(plain(data, flags))
}

const ODD: &[u8] = b"END\r\n\0\xff VALUE a 0 1\r\n";

/// A server of its own for all of these, in this order.
#[rustfmt::skip]
pub(crate) const STORY: &[Exchange] = &[
    // Nothing there.
    classic(get(b"a"), b"get a\r\n", b"END\r\n", Reply::Miss),
    meta(get(b"a"), b"mg a v f k\r\n", b"EN ka\r\n", Reply::Miss),
    meta(Command::Get { key: b"a", meta: false }, b"get a\r\n", b"END\r\n", Reply::Miss),
    classic(fetch(b"a"), b"gets a\r\n", b"END\r\n", Reply::Miss),
    meta(fetch(b"a"), b"mg a v f t c k\r\n", b"EN ka\r\n", Reply::Miss),
    classic(gat(b"a", 100), b"gat 100 a\r\n", b"END\r\n", Reply::Miss),
    meta(gat(b"a", 100), b"mg a v f k T100\r\n", b"EN ka\r\n", Reply::Miss),
    classic(Command::Delete { key: b"a" }, b"delete a\r\n", b"NOT_FOUND\r\n", Reply::NotFound),
    classic(Command::Touch { key: b"a", exptime: 9 }, b"touch a 9\r\n", b"NOT_FOUND\r\n", Reply::NotFound),
    classic(incr(b"a", 1), b"incr a 1\r\n", b"NOT_FOUND\r\n", Reply::NotFound),
    classic(store(Verb::Replace, b"a", 0, 0, b"x"), b"replace a 0 0 1\r\nx\r\n", b"NOT_STORED\r\n", Reply::NotStored),
    classic(store(Verb::Append, b"a", 0, 0, b"x"), b"append a 0 0 1\r\nx\r\n", b"NOT_STORED\r\n", Reply::NotStored),
    classic(store(Verb::Prepend, b"a", 0, 0, b"x"), b"prepend a 0 0 1\r\nx\r\n", b"NOT_STORED\r\n", Reply::NotStored),
    classic(store(Verb::Cas(7), b"a", 0, 0, b"x"), b"cas a 0 0 1 7\r\nx\r\n", b"NOT_FOUND\r\n", Reply::NotFound),
    // Stored, and read in every way.
    classic(store(Verb::Set, b"a", 5, 0, b"abc"), b"set a 5 0 3\r\nabc\r\n", b"STORED\r\n", Reply::Stored),
    classic(get(b"a"), b"get a\r\n", b"VALUE a 5 3\r\nabc\r\nEND\r\n", hit(b"abc", 5)),
    meta(get(b"a"), b"mg a v f k\r\n", b"VA 3 f5 ka\r\nabc\r\n", hit(b"abc", 5)),
    classic(fetch(b"a"), b"gets a\r\n", b"VALUE a 5 3 1\r\nabc\r\nEND\r\n", Reply::Value(Value { cas: 1, ..plain(b"abc", 5) })),
    meta(fetch(b"a"), b"mg a v f t c k\r\n", b"VA 3 f5 t-1 c1 ka\r\nabc\r\n", Reply::Value(full(b"abc", 5, 1, None))),
    classic(gat(b"a", 1000), b"gat 1000 a\r\n", b"VALUE a 5 3\r\nabc\r\nEND\r\n", hit(b"abc", 5)),
    meta(fetch(b"a"), b"mg a v f t c k\r\n", b"VA 3 f5 t1000 c1 ka\r\nabc\r\n", Reply::Value(full(b"abc", 5, 1, Some(1000)))),
    meta(gat(b"a", 0), b"mg a v f k T0\r\n", b"VA 3 f5 ka\r\nabc\r\n", hit(b"abc", 5)),
    meta(fetch(b"a"), b"mg a v f t c k\r\n", b"VA 3 f5 t-1 c1 ka\r\nabc\r\n", Reply::Value(full(b"abc", 5, 1, None))),
    // Conditions.
    classic(store(Verb::Add, b"a", 0, 0, b"x"), b"add a 0 0 1\r\nx\r\n", b"NOT_STORED\r\n", Reply::NotStored),
    classic(store(Verb::Cas(99), b"a", 0, 0, b"x"), b"cas a 0 0 1 99\r\nx\r\n", b"EXISTS\r\n", Reply::Exists),
    classic(store(Verb::Cas(u64::MAX), b"a", 0, 0, b"x"), b"cas a 0 0 1 18446744073709551615\r\nx\r\n", b"EXISTS\r\n", Reply::Exists),
    classic(store(Verb::Cas(1), b"a", 6, 0, b"m"), b"cas a 6 0 1 1\r\nm\r\n", b"STORED\r\n", Reply::Stored),
    classic(store(Verb::Append, b"a", 0, 0, b"z"), b"append a 0 0 1\r\nz\r\n", b"STORED\r\n", Reply::Stored),
    classic(store(Verb::Prepend, b"a", 0, 0, b"a"), b"prepend a 0 0 1\r\na\r\n", b"STORED\r\n", Reply::Stored),
    classic(get(b"a"), b"get a\r\n", b"VALUE a 6 3\r\namz\r\nEND\r\n", hit(b"amz", 6)),
    classic(store(Verb::Replace, b"a", 0, 0, b""), b"replace a 0 0 0\r\n\r\n", b"STORED\r\n", Reply::Stored),
    classic(get(b"a"), b"get a\r\n", b"VALUE a 0 0\r\n\r\nEND\r\n", hit(b"", 0)),
    meta(get(b"a"), b"mg a v f k\r\n", b"VA 0 f0 ka\r\n\r\n", hit(b"", 0)),
    // A value that looks like an answer; the largest flags.
    classic(store(Verb::Add, b"odd", u32::MAX, 0, ODD), b"add odd 4294967295 0 21\r\nEND\r\n\0\xff VALUE a 0 1\r\n\r\n", b"STORED\r\n", Reply::Stored),
    classic(get(b"odd"), b"get odd\r\n", b"VALUE odd 4294967295 21\r\nEND\r\n\0\xff VALUE a 0 1\r\n\r\nEND\r\n", hit(ODD, u32::MAX)),
    meta(get(b"odd"), b"mg odd v f k\r\n", b"VA 21 f4294967295 kodd\r\nEND\r\n\0\xff VALUE a 0 1\r\n\r\n", hit(ODD, u32::MAX)),
    // Expiry times, and those that 32 bits cannot hold.
    classic(Command::Touch { key: b"a", exptime: 1000 }, b"touch a 1000\r\n", b"TOUCHED\r\n", Reply::Touched),
    meta(fetch(b"a"), b"mg a v f t c k\r\n", b"VA 0 f0 t1000 c5 ka\r\n\r\n", Reply::Value(full(b"", 0, 5, Some(1000)))),
    meta(gat(b"a", -1), b"mg a v f k T-1\r\n", b"VA 0 f0 ka\r\n\r\n", hit(b"", 0)),
    meta(get(b"a"), b"mg a v f k\r\n", b"EN ka\r\n", Reply::Miss),
    classic(gat(b"odd", -5), b"gat -1 odd\r\n", b"VALUE odd 4294967295 21\r\nEND\r\n\0\xff VALUE a 0 1\r\n\r\nEND\r\n", hit(ODD, u32::MAX)),
    classic(get(b"odd"), b"get odd\r\n", b"END\r\n", Reply::Miss),
    classic(store(Verb::Set, b"a", 0, i64::MIN, b"x"), b"set a 0 -1 1\r\nx\r\n", b"STORED\r\n", Reply::Stored),
    classic(get(b"a"), b"get a\r\n", b"END\r\n", Reply::Miss),
    classic(store(Verb::Set, b"a", 0, i64::MAX, b"x"), b"set a 0 2147483647 1\r\nx\r\n", b"STORED\r\n", Reply::Stored),
    classic(get(b"a"), b"get a\r\n", b"VALUE a 0 1\r\nx\r\nEND\r\n", hit(b"x", 0)),
    classic(Command::Touch { key: b"a", exptime: -9 }, b"touch a -1\r\n", b"TOUCHED\r\n", Reply::Touched),
    classic(Command::Delete { key: b"a" }, b"delete a\r\n", b"NOT_FOUND\r\n", Reply::NotFound),
    // Counters.
    classic(store(Verb::Set, b"n", 0, 0, b"10"), b"set n 0 0 2\r\n10\r\n", b"STORED\r\n", Reply::Stored),
    classic(decr(b"n", 1), b"decr n 1\r\n", b"9\r\n", Reply::Number(9)),
    classic(get(b"n"), b"get n\r\n", b"VALUE n 0 2\r\n9 \r\nEND\r\n", hit(b"9 ", 0)),
    classic(decr(b"n", u64::MAX), b"decr n 18446744073709551615\r\n", b"0\r\n", Reply::Number(0)),
    classic(incr(b"n", u64::MAX), b"incr n 18446744073709551615\r\n", b"18446744073709551615\r\n", Reply::Number(u64::MAX)),
    classic(incr(b"n", 2), b"incr n 2\r\n", b"1\r\n", Reply::Number(1)),
    classic(store(Verb::Set, b"t", 0, 0, b"text"), b"set t 0 0 4\r\ntext\r\n", b"STORED\r\n", Reply::Stored),
    classic(incr(b"t", 1), b"incr t 1\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
        Reply::Refused(b"CLIENT_ERROR cannot increment or decrement non-numeric value")),
    classic(Command::Delete { key: b"t" }, b"delete t\r\n", b"DELETED\r\n", Reply::Deleted),
    // Leases: won, taken, seen by others, given up, stored under.
    meta(Command::Lease { key: b"l", seconds: 3000 }, b"mg l v f t c k N3000\r\n", b"VA 0 f0 t-1 c15 kl W\r\n\r\n",
        Reply::Value(Value { lease: Some(Lease::Won), ..full(b"", 0, 15, None) })),
    meta(Command::Lease { key: b"l", seconds: 3000 }, b"mg l v f t c k N3000\r\n", b"VA 0 f0 t3000 c15 kl Z\r\n\r\n",
        Reply::Value(Value { lease: Some(Lease::Taken), ..full(b"", 0, 15, Some(3000)) })),
    meta(get(b"l"), b"mg l v f k\r\n", b"VA 0 f0 kl Z\r\n\r\n", Reply::Value(Value { lease: Some(Lease::Taken), ..plain(b"", 0) })),
    meta(fetch(b"l"), b"mg l v f t c k\r\n", b"VA 0 f0 t3000 c15 kl Z\r\n\r\n",
        Reply::Value(Value { lease: Some(Lease::Taken), ..full(b"", 0, 15, Some(3000)) })),
    classic(get(b"l"), b"get l\r\n", b"VALUE l 0 0\r\n\r\nEND\r\n", hit(b"", 0)),
    classic(store(Verb::Add, b"l", 0, 0, b"x"), b"add l 0 0 1\r\nx\r\n", b"NOT_STORED\r\n", Reply::NotStored),
    meta(leased(b"l", 7, b"moved", 99), b"ms l 5 T100 F7 C99\r\nmoved\r\n", b"EX\r\n", Reply::Exists),
    meta(leased(b"l", 7, b"moved", 15), b"ms l 5 T100 F7 C15\r\nmoved\r\n", b"HD\r\n", Reply::Stored),
    meta(get(b"l"), b"mg l v f k\r\n", b"VA 5 f7 kl\r\nmoved\r\n", hit(b"moved", 7)),
    meta(leased(b"none", 0, b"", 16), b"ms none 0 T100 F0 C16\r\n\r\n", b"NF\r\n", Reply::NotFound),
    meta(Command::Lease { key: b"m", seconds: 3000 }, b"mg m v f t c k N3000\r\n", b"VA 0 f0 t-1 c17 km W\r\n\r\n",
        Reply::Value(Value { lease: Some(Lease::Won), ..full(b"", 0, 17, None) })),
    meta(Command::Invalidate { key: b"none", cas: 9 }, b"md none I C9\r\n", b"NF\r\n", Reply::NotFound),
    meta(Command::EndLease { key: b"m", lease: 99 }, b"md m C99\r\n", b"EX\r\n", Reply::Exists),
    meta(Command::EndLease { key: b"m", lease: 17 }, b"md m C17\r\n", b"HD\r\n", Reply::Deleted),
    meta(Command::EndLease { key: b"m", lease: 17 }, b"md m C17\r\n", b"NF\r\n", Reply::NotFound),
    // A key with line ends, a space and a NUL: the same by meta commands, and the same replies.
    meta(get(BIN), b"mg YQ0KYiAA b v f O999318117\r\n", b"EN O999318117\r\n", Reply::Miss),
    meta(Command::Get { key: BIN, meta: false }, b"mg YQ0KYiAA b v f O999318117\r\n", b"EN O999318117\r\n", Reply::Miss),
    meta(fetch(BIN), b"mg YQ0KYiAA b v f t c O999318117\r\n", b"EN O999318117\r\n", Reply::Miss),
    meta(gat(BIN, 100), b"mg YQ0KYiAA b v f O999318117 T100\r\n", b"EN O999318117\r\n", Reply::Miss),
    meta(Command::Delete { key: BIN }, b"md YQ0KYiAA b\r\n", b"NF\r\n", Reply::NotFound),
    meta(Command::Touch { key: BIN, exptime: 9 }, b"mg YQ0KYiAA b O999318117 T9\r\n", b"EN O999318117\r\n", Reply::NotFound),
    meta(incr(BIN, 1), b"ma YQ0KYiAA b v MI D1\r\n", b"NF\r\n", Reply::NotFound),
    meta(store(Verb::Replace, BIN, 0, 0, b"x"), b"ms YQ0KYiAA 1 b F0 T0 MR\r\nx\r\n", b"NS\r\n", Reply::NotStored),
    meta(store(Verb::Append, BIN, 0, 0, b"x"), b"ms YQ0KYiAA 1 b MA\r\nx\r\n", b"NS\r\n", Reply::NotStored),
    meta(store(Verb::Prepend, BIN, 0, 0, b"x"), b"ms YQ0KYiAA 1 b MP\r\nx\r\n", b"NS\r\n", Reply::NotStored),
    meta(store(Verb::Cas(7), BIN, 0, 0, b"x"), b"ms YQ0KYiAA 1 b F0 T0 C7\r\nx\r\n", b"NF\r\n", Reply::NotFound),
    meta(store(Verb::Set, BIN, 5, 0, b"abc"), b"ms YQ0KYiAA 3 b F5 T0 MS\r\nabc\r\n", b"HD\r\n", Reply::Stored),
    meta(get(BIN), b"mg YQ0KYiAA b v f O999318117\r\n", b"VA 3 f5 O999318117\r\nabc\r\n", hit(b"abc", 5)),
    meta(fetch(BIN), b"mg YQ0KYiAA b v f t c O999318117\r\n", b"VA 3 f5 t-1 c18 O999318117\r\nabc\r\n", Reply::Value(full(b"abc", 5, 18, None))),
    meta(gat(BIN, 1000), b"mg YQ0KYiAA b v f O999318117 T1000\r\n", b"VA 3 f5 O999318117\r\nabc\r\n", hit(b"abc", 5)),
    meta(store(Verb::Add, BIN, 0, 0, b"x"), b"ms YQ0KYiAA 1 b F0 T0 ME\r\nx\r\n", b"NS\r\n", Reply::NotStored),
    meta(store(Verb::Cas(0), BIN, 0, 0, b"x"), b"ms YQ0KYiAA 1 b F0 T0 C0\r\nx\r\n", b"EX\r\n", Reply::Exists),
    meta(store(Verb::Cas(u64::MAX), BIN, 0, 0, b"x"), b"ms YQ0KYiAA 1 b F0 T0 C18446744073709551615\r\nx\r\n", b"EX\r\n", Reply::Exists),
    meta(store(Verb::Cas(18), BIN, 6, 2000, b"m"), b"ms YQ0KYiAA 1 b F6 T2000 C18\r\nm\r\n", b"HD\r\n", Reply::Stored),
    // The flags and the expiry time of what is appended to stay.
    meta(store(Verb::Append, BIN, 9, 9, b"z"), b"ms YQ0KYiAA 1 b MA\r\nz\r\n", b"HD\r\n", Reply::Stored),
    meta(store(Verb::Prepend, BIN, 9, 9, b"a"), b"ms YQ0KYiAA 1 b MP\r\na\r\n", b"HD\r\n", Reply::Stored),
    meta(fetch(BIN), b"mg YQ0KYiAA b v f t c O999318117\r\n", b"VA 3 f6 t2000 c21 O999318117\r\namz\r\n", Reply::Value(full(b"amz", 6, 21, Some(2000)))),
    meta(incr(BIN, 1), b"ma YQ0KYiAA b v MI D1\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
        Reply::Refused(b"CLIENT_ERROR cannot increment or decrement non-numeric value")),
    meta(store(Verb::Replace, BIN, 0, i64::MAX, b"10"), b"ms YQ0KYiAA 2 b F0 T2147483647 MR\r\n10\r\n", b"HD\r\n", Reply::Stored),
    meta(decr(BIN, 1), b"ma YQ0KYiAA b v MD D1\r\n", b"VA 1\r\n9\r\n", Reply::Number(9)),
    meta(get(BIN), b"mg YQ0KYiAA b v f O999318117\r\n", b"VA 2 f0 O999318117\r\n9 \r\n", hit(b"9 ", 0)),
    meta(incr(BIN, u64::MAX - 9), b"ma YQ0KYiAA b v MI D18446744073709551606\r\n", b"VA 20\r\n18446744073709551615\r\n", Reply::Number(u64::MAX)),
    meta(Command::Touch { key: BIN, exptime: i64::MIN }, b"mg YQ0KYiAA b O999318117 T-1\r\n", b"HD O999318117\r\n", Reply::Touched),
    meta(get(BIN), b"mg YQ0KYiAA b v f O999318117\r\n", b"EN O999318117\r\n", Reply::Miss),
    meta(store(Verb::Add, BIN, 0, -5, b""), b"ms YQ0KYiAA 0 b F0 T-1 ME\r\n\r\n", b"HD\r\n", Reply::Stored),
    meta(get(BIN), b"mg YQ0KYiAA b v f O999318117\r\n", b"EN O999318117\r\n", Reply::Miss),
    meta(Command::Lease { key: BIN, seconds: 3000 }, b"mg YQ0KYiAA b v f t c O999318117 N3000\r\n", b"VA 0 f0 t-1 c26 O999318117 W\r\n\r\n",
        Reply::Value(Value { lease: Some(Lease::Won), ..full(b"", 0, 26, None) })),
    meta(get(BIN), b"mg YQ0KYiAA b v f O999318117\r\n", b"VA 0 f0 O999318117 Z\r\n\r\n", Reply::Value(Value { lease: Some(Lease::Taken), ..plain(b"", 0) })),
    meta(Command::Touch { key: BIN, exptime: 2000 }, b"mg YQ0KYiAA b O999318117 T2000\r\n", b"HD O999318117 Z\r\n", Reply::Touched),
    meta(leased(BIN, 7, b"moved", 99), b"ms YQ0KYiAA 5 b F7 T100 C99\r\nmoved\r\n", b"EX\r\n", Reply::Exists),
    meta(Command::EndLease { key: BIN, lease: 99 }, b"md YQ0KYiAA b C99\r\n", b"EX\r\n", Reply::Exists),
    meta(leased(BIN, 7, b"moved", 26), b"ms YQ0KYiAA 5 b F7 T100 C26\r\nmoved\r\n", b"HD\r\n", Reply::Stored),
    meta(get(BIN), b"mg YQ0KYiAA b v f O999318117\r\n", b"VA 5 f7 O999318117\r\nmoved\r\n", hit(b"moved", 7)),
    meta(Command::Invalidate { key: BIN, cas: 99 }, b"md YQ0KYiAA b I C99\r\n", b"EX\r\n", Reply::Exists),
    meta(Command::Invalidate { key: BIN, cas: 27 }, b"md YQ0KYiAA b I C27\r\n", b"HD\r\n", Reply::Deleted),
    meta(get(BIN), b"mg YQ0KYiAA b v f O999318117\r\n", b"VA 5 f7 O999318117 X W\r\nmoved\r\n",
        Reply::Value(Value { lease: Some(Lease::Won), stale: true, ..plain(b"moved", 7) })),
    meta(Command::Delete { key: BIN }, b"md YQ0KYiAA b\r\n", b"HD\r\n", Reply::Deleted),
    meta(leased(BIN, 7, b"moved", 26), b"ms YQ0KYiAA 5 b F7 T100 C26\r\nmoved\r\n", b"NF\r\n", Reply::NotFound),
    meta(Command::EndLease { key: BIN, lease: 26 }, b"md YQ0KYiAA b C26\r\n", b"NF\r\n", Reply::NotFound),
    // The whole server.
    meta(Command::Noop, b"mn\r\n", b"MN\r\n", Reply::Noop),
    classic(Command::Version, b"version\r\n", b"VERSION 1.6.18\r\n", Reply::Version(b"1.6.18")),
    classic(stats(b"sizes"), b"stats sizes\r\n", b"STAT sizes_status disabled\r\nEND\r\n", Reply::Stats(b"STAT sizes_status disabled\r\n")),
    classic(stats(b"detail on"), b"stats detail on\r\n", b"OK\r\n", Reply::Ok),
    classic(stats(b"detail dump"), b"stats detail dump\r\n", b"END\r\n", Reply::Stats(b"")),
    classic(stats(b"reset"), b"stats reset\r\n", b"RESET\r\n", Reply::Ok),
    classic(stats(b"nothing"), b"stats nothing\r\n", b"ERROR\r\n", Reply::Refused(b"ERROR")),
    classic(Command::FlushAll { delay: 0 }, b"flush_all\r\n", b"OK\r\n", Reply::Ok),
    classic(get(b"n"), b"get n\r\n", b"END\r\n", Reply::Miss),
    classic(Command::FlushAll { delay: 1000 }, b"flush_all 1000\r\n", b"OK\r\n", Reply::Ok),
];

/// A key that no line can hold. Its checksum is 999318117.
const BIN: &[u8] = b"a\r\nb \0";

const OUT_OF_MEMORY: &[u8] = b"SERVER_ERROR out of memory storing object";

/// Other answers that make sense.
#[rustfmt::skip]
pub(crate) const ANSWERS: &[Exchange] = &[
    meta(get(b"a"), b"mg a v f k\r\n", b"EN\r\n", Reply::Miss),
    meta(get(b"a"), b"mg a v f k\r\n", b"VA 1 ka f7 X Qnew W\r\nx\r\n", Reply::Value(Value { lease: Some(Lease::Won), stale: true, ..plain(b"x", 7) })),
    // Somebody stored it in base64.
    meta(get(b"a"), b"mg a v f k\r\n", b"VA 1 f7 kYQ== b\r\nx\r\n", hit(b"x", 7)),
    meta(fetch(b"a"), b"mg a v f t c k\r\n", b"VA 1 c18446744073709551615 ka t4294967295 f0\r\nx\r\n",
        Reply::Value(full(b"x", 0, u64::MAX, Some(u32::MAX)))),
    meta(leased(b"a", 0, b"x", 1), b"ms a 1 T100 F0 C1\r\nx\r\n", b"NS\r\n", Reply::NotStored),
    meta(leased(b"a", 0, b"x", 1), b"ms a 1 T100 F0 C1\r\nx\r\n", b"SERVER_ERROR out of memory storing object\r\n", Reply::Refused(OUT_OF_MEMORY)),
    // A later server may leave out what was not asked for with a value, and tell more.
    meta(get(BIN), b"mg YQ0KYiAA b v f O999318117\r\n", b"EN\r\n", Reply::Miss),
    meta(get(BIN), b"mg YQ0KYiAA b v f O999318117\r\n", b"VA 1 O999318117 b f7 kother X\r\nx\r\n", Reply::Value(Value { stale: true, ..plain(b"x", 7) })),
    meta(Command::Touch { key: BIN, exptime: 9 }, b"mg YQ0KYiAA b O999318117 T9\r\n", b"HD\r\n", Reply::Touched),
    meta(incr(BIN, 1), b"ma YQ0KYiAA b v MI D1\r\n", b"VA 3 t0\r\n7  \r\n", Reply::Number(7)),
    meta(store(Verb::Set, BIN, 0, 0, b"x"), b"ms YQ0KYiAA 1 b F0 T0 MS\r\nx\r\n", b"SERVER_ERROR out of memory storing object\r\n", Reply::Refused(OUT_OF_MEMORY)),
    meta(store(Verb::Set, BIN, 0, 0, b"x"), b"ms YQ0KYiAA 1 b F0 T0 MS\r\nx\r\n", b"CLIENT_ERROR invalid flag\r\n", Reply::Refused(b"CLIENT_ERROR invalid flag")),
    // A stub that stayed for ever would be one nobody can store in place of.
    meta(Command::Lease { key: b"a", seconds: 0 }, b"mg a v f t c k N1\r\n", b"EN ka\r\n", Reply::Miss),
    meta(Command::Lease { key: b"a", seconds: u32::MAX }, b"mg a v f t c k N2147483647\r\n", b"SERVER_ERROR out of memory\r\n",
        Reply::Refused(b"SERVER_ERROR out of memory")),
    meta(Command::EndLease { key: b"a", lease: 1 }, b"md a C1\r\n", b"ERROR\r\n", Reply::Refused(b"ERROR")),
    classic(decr(b"n", 1), b"decr n 1\r\n", b"9  \r\n", Reply::Number(9)),
    classic(Command::Noop, b"mn\r\n", b"ERROR\r\n", Reply::Refused(b"ERROR")),
    classic(stats(b""), b"stats\r\n", b"ERROR Too many open connections\r\n", Reply::Refused(b"ERROR Too many open connections")),
    classic(stats(b""), b"stats\r\n", b"STAT pid 42\r\nSTAT argv a b  c\r\nSTAT empty \r\nEND\r\n",
        Reply::Stats(b"STAT pid 42\r\nSTAT argv a b  c\r\nSTAT empty \r\n")),
    classic(stats(b""), b"stats\r\n", b"STAT pid 42\r\nSERVER_ERROR out of memory writing stats\r\n",
        Reply::Refused(b"SERVER_ERROR out of memory writing stats")),
    classic(stats(b"cachedump 1 1"), b"stats cachedump 1 1\r\n", b"ITEM a [1 b; 0 s]\r\nEND\r\n", Reply::Stats(b"ITEM a [1 b; 0 s]\r\n")),
    classic(stats(b"detail dump"), b"stats detail dump\r\n", b"PREFIX p get 1 hit 1 set 1 del 0\r\nEND\r\n",
        Reply::Stats(b"PREFIX p get 1 hit 1 set 1 del 0\r\n")),
    classic(store(Verb::Set, b"a", 0, 0, b"x"), b"set a 0 0 1\r\nx\r\n", b"SERVER_ERROR out of memory storing object\r\n", Reply::Refused(OUT_OF_MEMORY)),
    classic(store(Verb::Set, b"a", 0, 0, b"x"), b"set a 0 0 1\r\nx\r\n", b"CLIENT_ERROR bad data chunk\r\n", Reply::Refused(b"CLIENT_ERROR bad data chunk")),
    classic(get(b"a"), b"get a\r\n", b"SERVER_ERROR out of memory writing get response\r\n",
        Reply::Refused(b"SERVER_ERROR out of memory writing get response")),
    classic(get(b"a"), b"get a\r\n", b"VALUE a 0 1\r\nx\r\nSERVER_ERROR out of memory\r\n", Reply::Refused(b"SERVER_ERROR out of memory")),
    classic(Command::FlushAll { delay: u32::MAX }, b"flush_all 2147483647\r\n", b"CLIENT_ERROR flush_all not allowed\r\n",
        Reply::Refused(b"CLIENT_ERROR flush_all not allowed")),
];

/// What is no answer to the question. Whole as it stands: the parser must not wait for more.
#[rustfmt::skip]
pub(crate) const NONSENSE: &[(Command<'static>, bool, &[u8])] = &[
    (get(b"a"), false, b"VALUE b 0 1\r\nx\r\nEND\r\n"),
    (get(b"a"), false, b"VALUE aa 0 1\r\n"),
    (get(b"a"), false, b"VALUE  0 1\r\n"),
    (get(b"a"), false, b"VALUE a 0 9223372036854775808\r\n"),
    (get(b"a"), false, b"VALUE a 0 18446744073709551615\r\n"),
    (get(b"a"), false, b"VALUE a 0 18446744073709551616\r\n"),
    (get(b"a"), false, b"VALUE a 0 1073741825\r\n"),
    (get(b"a"), false, b"VALUE a 0 -1\r\n"),
    (get(b"a"), false, b"VALUE a 0 +1\r\n"),
    (get(b"a"), false, b"VALUE a 0 \r\n"),
    (get(b"a"), false, b"VALUE a 4294967296 1\r\n"),
    (get(b"a"), false, b"VALUE a 0\r\n"),
    (get(b"a"), false, b"VALUE a 0 1 7\r\n"),
    (get(b"a"), false, b"VALUE a 0 1 \r\n"),
    (get(b"a"), false, b"VALUE\r\n"),
    (get(b"a"), false, b"VALUE a 0 1\r\nxyz"),
    (get(b"a"), false, b"VALUE a 0 1\r\nx\r\nVALUE a 0 1\r\n"),
    (get(b"a"), false, b"VALUE a 0 1\r\nx\r\nSTORED\r\n"),
    (get(b"a"), false, b"END\n"),
    (get(b"a"), false, b"END \r\n"),
    (get(b"a"), false, b"EN\r\n"),
    (get(b"a"), false, b"\r\n"),
    (get(b"a"), false, b"ERRORS\r\n"),
    (get(b"a"), false, b"HTTP/1.1 400 Bad Request\r\n"),
    (fetch(b"a"), false, b"VALUE a 0 1\r\n"),
    (fetch(b"a"), false, b"VALUE a 0 1 18446744073709551616\r\n"),
    (fetch(b"a"), false, b"VALUE a 0 1 7 7\r\n"),
    (gat(b"a", 1), false, b"TOUCHED\r\n"),
    (get(b"a"), true, b"EN kb\r\n"),
    (get(b"a"), true, b"END\r\n"),
    (get(b"a"), true, b"HD f0 ka\r\n"),
    (get(b"a"), true, b"VA 1 f0 kb\r\n"),
    (get(b"a"), true, b"VA 1 f0\r\n"),
    (get(b"a"), true, b"VA 1 ka\r\n"),
    (get(b"a"), true, b"VA\r\n"),
    (get(b"a"), true, b"VA f0 ka\r\n"),
    (get(b"a"), true, b"VA 18446744073709551616 f0 ka\r\n"),
    (get(b"a"), true, b"VA 1073741825 f0 ka\r\n"),
    (get(b"a"), true, b"VA 1 f4294967296 ka\r\n"),
    (get(b"a"), true, b"VA 1 f0 ka\r\nxyz"),
    (fetch(b"a"), true, b"VA 1 f0 t-1 ka\r\n"),
    (fetch(b"a"), true, b"VA 1 f0 c1 ka\r\n"),
    (fetch(b"a"), true, b"VA 1 f0 t-2 c1 ka\r\n"),
    (fetch(b"a"), true, b"VA 1 f0 t4294967296 c1 ka\r\n"),
    (fetch(b"a"), true, b"VA 1 f0 t-1 cx ka\r\n"),
    (Command::Lease { key: b"a", seconds: 1 }, false, b"EN\r\n"),
    (Command::EndLease { key: b"a", lease: 1 }, true, b"NS\r\n"),
    (leased(b"a", 0, b"", 1), true, b"STORED\r\n"),
    (store(Verb::Set, b"a", 0, 0, b""), false, b"EXISTS\r\n"),
    (store(Verb::Set, b"a", 0, 0, b""), false, b"NOT_FOUND\r\n"),
    (store(Verb::Set, b"a", 0, 0, b""), false, b"HD\r\n"),
    (store(Verb::Set, b"a", 0, 0, b""), false, b"stored\r\n"),
    (Command::Delete { key: b"a" }, false, b"TOUCHED\r\n"),
    (Command::Touch { key: b"a", exptime: 1 }, false, b"DELETED\r\n"),
    (incr(b"a", 1), false, b"18446744073709551616\r\n"),
    (incr(b"a", 1), false, b"-1\r\n"),
    (incr(b"a", 1), false, b"1 1\r\n"),
    (incr(b"a", 1), false, b" \r\n"),
    (Command::FlushAll { delay: 0 }, false, b"RESET\r\n"),
    (Command::Version, false, b"VERSION\r\n"),
    (Command::Noop, true, b"OK\r\n"),
    (stats(b""), false, b"STATS\r\n"),
    (stats(b""), false, b"STAT pid 42\r\nOK\r\n"),
    (stats(b""), false, b"STAT pid 42\r\n\r\nEND\r\n"),
    (get(BIN), false, b"END\r\n"),
    (get(BIN), true, b"EN O999318118\r\n"),
    (get(BIN), true, b"VA 1 f0\r\n"),
    (get(BIN), true, b"VA 1 f0 kYQ0KYiAA b\r\n"),
    (get(BIN), true, b"VA 1 f0 O0\r\n"),
    (get(BIN), true, b"VA 1 f0 O999318117 O\r\n"),
    (fetch(BIN), true, b"VA 1 f0 t-1 O999318117\r\n"),
    (Command::Touch { key: BIN, exptime: 9 }, true, b"HD O1\r\n"),
    (Command::Touch { key: BIN, exptime: 9 }, true, b"NF\r\n"),
    (Command::Touch { key: BIN, exptime: 9 }, true, b"TOUCHED\r\n"),
    (Command::Touch { key: BIN, exptime: 9 }, true, b"\r\n"),
    (store(Verb::Set, BIN, 0, 0, b""), true, b"STORED\r\n"),
    (store(Verb::Set, BIN, 0, 0, b""), true, b"EX\r\n"),
    (store(Verb::Append, BIN, 0, 0, b""), true, b"NF\r\n"),
    (Command::Delete { key: BIN }, true, b"EX\r\n"),
    (Command::Delete { key: BIN }, true, b"NS\r\n"),
    (Command::Delete { key: BIN }, true, b"DELETED\r\n"),
    (incr(BIN, 1), true, b"1\r\n"),
    (incr(BIN, 1), true, b"HD\r\n"),
    (incr(BIN, 1), true, b"VA\r\n"),
    (incr(BIN, 1), true, b"VA 65\r\n"),
    (incr(BIN, 1), true, b"VA 1\r\nx\r\n"),
    (incr(BIN, 1), true, b"VA 1\r\n12\r\n"),
    (incr(BIN, 1), true, b"VA 20\r\n18446744073709551616\r\n"),
];
