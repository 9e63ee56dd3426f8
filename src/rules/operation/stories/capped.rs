//! Nothing lives longer than the pool's `max_ttl`, and nothing on a stand-in longer than the window (rule 6): also where the
//! expiry time stands in a command of a client's own.

use std::time::Duration;

use super::*;
use crate::rules::time::Stamp;

/// Nothing lives longer than a hundred seconds.
fn short_lived() -> Story {
    let options = Options { backups: true, max_ttl: Some(Duration::from_secs(100)), ..Options::default() };
    Story::with(options, [STEADY; 4])
}

/// What the server that decides is sent of a command with these flags, but for the key that we ask for beside them.
fn sent(story: &Story, letter: u8, flags: &str) -> String {
    let key = key(story);
    let passed = Passed {
        letter,
        key: (&key[..]).into(),
        name: (&key[..]).into(),
        flags: flags.as_bytes().into(),
        cas: None,
        value: (letter == b's').then_some((&b"v"[..]).into()),
        changes: true,
    };
    let mut pass = Pass::new(passed);
    let (server, tag) = pass.next(&story.view).expect("it decides alone");
    let Command::Meta { letter, flags, .. } = pass.command(tag) else { panic!("another command") };
    let flags = flags.strip_suffix(b" k").unwrap_or(flags);
    format!("s{} m{}{}", server.0 + 1, char::from(letter), String::from_utf8_lossy(flags))
}

#[test]
fn the_times_of_a_meta_command_are_no_later_than_the_pool_allows() {
    let story = short_lived();
    for (letter, flags, expected) in [
        // What is stored, found, or made when nothing is there.
        (b's', " T5000 c", "s1 ms T100 c"),
        (b'g', " v T0 t", "s1 mg v T100 t"),
        (b'g', " v N0 t", "s1 mg v N100 t"),
        (b'g', " N500 T600", "s1 mg N100 T100"),
        (b'a', " N0 J5 T200 v", "s1 ma N100 J5 T100 v"),
        (b'd', " I T3000", "s1 md I T100"),
        // Seconds since 1970, and what a server keeps of a number.
        (b's', " T2592001 c", "s1 ms T100 c"),
        (b'g', " T4294967296", "s1 mg T100"),
        // Without a time it is stored for ever.
        (b's', " c k", "s1 ms c k T100"),
        (b's', "", "s1 ms T100"),
        (b's', " L P c", "s1 ms c T100"),
        // What is soon enough, or over already, stays as it was written.
        (b's', " T100 L c", "s1 ms T100 L c"),
        (b'g', " T007 N-1", "s1 mg T007 N-1"),
        (b'g', " T-1 v", "s1 mg T-1 v"),
        // No times: an opaque, an item's flags, the time that a client wants to know of.
        (b'g', " OT0 t R30", "s1 mg OT0 t R30"),
        (b's', " F999 T1", "s1 ms F999 T1"),
        (b'd', " v I", "s1 md v I"),
        (b'a', " D5 v", "s1 ma D5 v"),
    ] {
        assert_eq!(sent(&story, letter, flags), expected, "m{}{flags}", char::from(letter));
    }
}

#[test]
fn what_nothing_limits_is_sent_as_it_was_written() {
    let story = Story::new([STEADY; 4]);
    for (letter, flags) in [(b's', " c k L"), (b'g', " T0 N0 v"), (b'a', " N4294967299")] {
        assert_eq!(sent(&story, letter, flags), format!("s1 m{}{flags}", char::from(letter)));
    }
    assert_eq!(sent(&story, b'g', "v f c T0"), "s1 mg v f c T0");
}

#[test]
fn on_a_stand_in_a_meta_command_does_not_outlive_the_window_unless_somebody_sweeps() {
    let options = Options { backups: false, ..Options::default() };
    let mut story = Story::with(options, [DOWN, STEADY, STEADY, STEADY]);
    assert_eq!(sent(&story, b's', " c"), "s3 ms c T86400");
    assert_eq!(sent(&story, b'g', " N0 T90000 v"), "s3 mg N86400 T86400 v");
    assert_eq!(sent(&story, b'g', " N30 v"), "s3 mg N30 v");
    story.view.swept = true;
    assert_eq!(sent(&story, b's', " c"), "s3 ms c");
}

#[test]
fn a_get_and_touch_gives_no_more_than_the_pool_allows() {
    let mut story = short_lived();
    let key = key(&story);
    for (exptime, expected) in [(0, "s1 gat 100"), (5000, "s1 gat 100"), (7, "s1 gat 7"), (-1, "s1 gat -1")] {
        let mut one = One { key: key.clone(), ..One::default() };
        let mut gat = GetAndTouch::new(&key, exptime, &mut one);
        assert_eq!(story.asks(&mut gat), [expected]);
        story.answer(&mut gat, 1, value(b"v"));
        let touch = ["s1 touch", "s2 touch"].map(|touch| expected.replace("s1 gat", touch));
        assert_eq!(story.asks(&mut gat), touch);
    }
}

/// Home has returned, twenty hours ago: what is left over on its stand-in was stored before, and is to be gone when home's
/// window ends, in four hours, also when its time is prolonged now.
#[test]
fn what_is_left_over_on_a_stand_in_is_never_prolonged_beyond_the_window_of_who_returned() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    for (hours, exptime, expected) in [
        (20, 0, "s3 touch 14400"),
        (20, 90_000, "s3 touch 14400"),
        (20, 300, "s3 touch 300"),
        (0, 0, "s3 touch 86400"),
        (24, 0, "s3 touch 1"),
        (30, 0, "s3 touch 1"),
    ] {
        story.view.now.boot_millis = hours * 3_600_000;
        let owners = ["s1 touch", "s2 touch"].map(|touch| format!("{touch} {exptime}"));
        let mut touch = Spread::touch(&key, exptime);
        let expected = [&owners[0], &owners[1], expected].map(str::to_owned);
        assert_eq!(story.asks(&mut touch), expected, "after {hours} hours");
        story.asked.clear();
    }
    story.view.swept = true;
    let mut touch = Spread::touch(&key, 0);
    assert_eq!(story.asks(&mut touch)[2], "s3 touch 0", "where somebody sweeps, nothing is capped");
}

#[test]
fn nor_is_what_a_read_finds_there_and_touches() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    story.view.now.boot_millis = 20 * 3_600_000;
    let key = key(&story);
    let mut one = One { key: key.clone(), ..One::default() };
    let mut gat = GetAndTouch::new(&key, 0, &mut one);
    assert_eq!(story.asks(&mut gat), ["s1 gat 0"]);
    story.answer(&mut gat, 1, Reply::Miss);
    assert_eq!(story.asks(&mut gat), ["s3 gat 14400"]);
    story.answer(&mut gat, 3, value(b"v"));
    assert_eq!(story.asks(&mut gat), ["s1 touch 0", "s2 touch 0", "s3 touch 14400"]);
}

/// Who acts, and who mirrors, does so because an owner is down now: what it is given lasts for a window from now.
#[test]
fn a_stand_in_at_work_prolongs_for_a_whole_window() {
    let mut story = Story::new([DOWN, RETURNED, STEADY, STEADY]);
    story.view.now.boot_millis = 20 * 3_600_000;
    let key = key(&story);
    let mut touch = Spread::touch(&key, 0);
    let asked = story.asks(&mut touch);
    assert_eq!(asked, ["s2 touch 0", "s3 touch 86400", "s4 touch 14400"], "s4 mirrored while s2 was down");
}

/// Longer than thirty days is a time of day, and the view's is the one that counts.
#[test]
fn what_has_more_than_thirty_days_left_is_copied_with_a_time_that_is_still_to_come() {
    const NOW: u64 = 1_800_000_000;
    const DAYS: u32 = 86_400;
    for (days, expected) in [(30, 30 * 86_400), (31, NOW + 31 * 86_400), (365, NOW + 365 * 86_400)] {
        let mut story = Story::new([STEADY; 4]);
        story.view.now = Stamp::of_wall_clock(NOW * 1_000 + 999);
        let key = key(&story);
        let mut append = Conditional::new(Verb::Append, &key, 0, 0, b"b");
        assert_eq!(story.asks(&mut append), ["s1 append 0 b"]);
        story.answer(&mut append, 1, Reply::Stored);
        assert_eq!(story.asks(&mut append), ["s1 fetch"]);
        let kept = Value { data: b"ab", cas: 9, ttl: Some(days * DAYS), ttl_known: true, ..Value::default() };
        story.answer(&mut append, 1, Reply::Value(kept));
        assert_eq!(story.asks(&mut append), [format!("s2 set {expected} ab")], "{days} days");
    }
}
