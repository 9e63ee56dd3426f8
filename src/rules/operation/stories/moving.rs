//! Stories of copies that are moved (rules 6 to 8), and of what a read finds displaced.

use super::*;
use crate::rules::operation::concerns;

const S1: ServerId = ServerId(0);
const S2: ServerId = ServerId(1);
const S3: ServerId = ServerId(2);
const S4: ServerId = ServerId(3);

#[test]
fn what_the_backup_holds_comes_to_a_returned_home() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut moving = Move::new(&key, S2);
    assert_eq!(story.asks(&mut moving), ["s1 lease"]);
    story.answer(&mut moving, 1, stub(Lease::Won));
    assert_eq!(story.asks(&mut moving), ["s2 fetch"], "after the lease");
    story.answer(&mut moving, 2, value(b"v"));
    assert_eq!(story.asks(&mut moving), ["s1 store-leased 60 c5"]);
    story.answer(&mut moving, 1, Reply::Stored);
    assert_eq!(moving.outcome(), Some(Outcome::Stored));
}

#[test]
fn what_a_steady_home_holds_comes_to_its_returned_backup() {
    let mut story = Story::new([STEADY, RETURNED, STEADY, STEADY]);
    let key = key(&story);
    let mut moving = Move::new(&key, S1);
    assert_eq!(story.asks(&mut moving), ["s2 lease"]);
    story.answer(&mut moving, 2, stub(Lease::Won));
    assert_eq!(story.asks(&mut moving), ["s1 fetch"]);
    story.answer(&mut moving, 1, value(b"v"));
    assert_eq!(story.asks(&mut moving), ["s2 store-leased 60 c5"]);
    story.answer(&mut moving, 2, Reply::Stored);
    assert_eq!(moving.outcome(), Some(Outcome::Stored));
}

#[test]
fn what_a_stand_in_holds_comes_home_and_leaves_the_stand_in() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut moving = Move::new(&key, S3);
    assert_eq!(story.asks(&mut moving), ["s1 lease", "s2 lease"]);
    story.answer(&mut moving, 1, stub(Lease::Won));
    story.answer(&mut moving, 2, value(b"v"));
    assert_eq!(story.asks(&mut moving), ["s3 fetch"]);
    story.answer(&mut moving, 3, value(b"v"));
    assert_eq!(story.asks(&mut moving), ["s1 store-leased 60 c5"], "the backup has it");
    story.answer(&mut moving, 1, Reply::Stored);
    assert_eq!(story.asks(&mut moving), ["s3 delete"]);
    story.answer(&mut moving, 3, Reply::Deleted);
    assert_eq!(moving.outcome(), Some(Outcome::Stored));
}

#[test]
fn what_is_in_its_place_is_asked_of_one_server() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut moving = Move::new(&key, S2);
    story.asks(&mut moving);
    story.answer(&mut moving, 1, value(b"v"));
    assert!(story.asks(&mut moving).is_empty());
    assert_eq!(moving.outcome(), Some(Outcome::NotStored));
}

/// The copy is on its way to a returned home, whose answer is this.
fn stored_under_the_lease<'a>(story: &mut Story, key: &'a [u8], reply: Reply<'_>) -> Move<'a> {
    let mut moving = Move::new(key, S2);
    story.asks(&mut moving);
    story.answer(&mut moving, 1, stub(Lease::Won));
    story.asks(&mut moving);
    story.answer(&mut moving, 2, value(b"v"));
    story.asks(&mut moving);
    story.answer(&mut moving, 1, reply);
    assert_eq!(story.asks(&mut moving), ["s1 lease"], "what happened meanwhile is looked at");
    moving
}

#[test]
fn who_wrote_meanwhile_counts() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut moving = stored_under_the_lease(&mut story, &key, Reply::Exists);
    story.answer(&mut moving, 1, value(b"newer"));
    assert!(story.asks(&mut moving).is_empty());
    assert_eq!(moving.outcome(), Some(Outcome::NotStored));
}

#[test]
fn who_deleted_meanwhile_counts_and_a_stub_whose_time_was_over_does_not() {
    for deleted in [true, false] {
        let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
        let key = key(&story);
        let mut moving = stored_under_the_lease(&mut story, &key, Reply::NotFound);
        story.answer(&mut moving, 1, stub(Lease::Won));
        assert_eq!(story.asks(&mut moving), ["s2 fetch"]);
        if deleted {
            story.answer(&mut moving, 2, Reply::Miss);
            assert_eq!(story.asks(&mut moving), ["s3 fetch"]);
        } else {
            story.answer(&mut moving, 2, value(b"v"));
            assert_eq!(story.asks(&mut moving), ["s1 store-leased 60 c5"]);
        }
    }
}

#[test]
fn what_is_gone_by_then_leaves_no_stub_behind() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut moving = Move::new(&key, S2);
    story.asks(&mut moving);
    story.answer(&mut moving, 1, stub(Lease::Won));
    for expected in ["s2 fetch", "s3 fetch"] {
        assert_eq!(story.asks(&mut moving), [expected]);
        let server = story.asked[0].0.0 + 1;
        story.answer(&mut moving, server, Reply::Miss);
    }
    assert_eq!(story.asks(&mut moving), ["s1 end-lease c5"]);
    story.answer(&mut moving, 1, Reply::Deleted);
    assert_eq!(moving.outcome(), Some(Outcome::NotStored));
}

#[test]
fn what_lies_where_nobody_looks_for_it_is_nobodys_source() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut moving = Move::new(&key, S4);
    assert_eq!(story.asks(&mut moving), ["s1 fetch", "s2 lease"], "a complete home gets no stub");
    story.answer(&mut moving, 1, Reply::Miss);
    story.answer(&mut moving, 2, stub(Lease::Won));
    assert_eq!(story.asks(&mut moving), ["s2 end-lease c5"]);
    story.answer(&mut moving, 2, Reply::Deleted);
    assert_eq!(story.asks(&mut moving), ["s4 delete"]);
    story.answer(&mut moving, 4, Reply::Deleted);
    assert_eq!(moving.outcome(), Some(Outcome::NotStored));
}

#[test]
fn a_server_that_is_no_longer_in_the_list_is_left_alone() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut moving = Move::new(&key, ServerId(4));
    assert!(story.asks(&mut moving).is_empty());
    assert_eq!(moving.outcome(), Some(Outcome::Unavailable));
}

#[test]
fn what_an_eviction_left_over_at_the_mirror_is_left_alone() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut moving = Move::new(&key, S2);
    assert_eq!(story.asks(&mut moving), ["s1 fetch"]);
    story.answer(&mut moving, 1, Reply::Miss);
    assert!(story.asks(&mut moving).is_empty());
    assert_eq!(moving.outcome(), Some(Outcome::NotStored));
}

#[test]
fn a_stand_ins_miss_proves_nothing() {
    let mut story = Story::new([DOWN, RETURNED, STEADY, STEADY]);
    let key = key(&story);
    let mut moving = Move::new(&key, S2);
    assert_eq!(story.asks(&mut moving), ["s3 lease"]);
    story.answer(&mut moving, 3, stub(Lease::Won));
    assert_eq!(story.asks(&mut moving), ["s2 fetch"]);
}

#[test]
fn a_second_copy_that_is_missing_is_made_anew() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut moving = Move::new(&key, S1);
    assert_eq!(story.asks(&mut moving), ["s2 lease"]);
    story.answer(&mut moving, 2, stub(Lease::Won));
    assert_eq!(story.asks(&mut moving), ["s1 fetch"]);
    story.answer(&mut moving, 1, value(b"v"));
    assert_eq!(story.asks(&mut moving), ["s2 store-leased 60 c5"]);
}

#[test]
fn what_would_not_be_taken_stays_where_it_is() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut moving = Move::new(&key, S3);
    story.asks(&mut moving);
    story.answer(&mut moving, 1, stub(Lease::Won));
    story.answer(&mut moving, 2, value(b"v"));
    story.asks(&mut moving);
    story.answer(&mut moving, 3, value(b"v"));
    story.asks(&mut moving);
    story.answer(&mut moving, 1, Reply::Refused(b"SERVER_ERROR out of memory storing object"));
    assert_eq!(story.asks(&mut moving), ["s1 end-lease c5"], "no stub is left behind");
    story.answer(&mut moving, 1, Reply::Deleted);
    assert!(story.asks(&mut moving).is_empty());
    assert_eq!(moving.outcome(), Some(Outcome::Refused));
    assert_eq!(moving.refusal(), Some(&b"SERVER_ERROR out of memory storing object"[..]));
}

#[test]
fn a_move_that_is_overtaken_by_a_newer_view_begins_anew_and_knows_its_stub() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut moving = Move::new(&key, S2);
    story.asks(&mut moving);
    story.answer(&mut moving, 1, stub(Lease::Won));
    story.asks(&mut moving);
    story.turn([RETURNED, STEADY, DOWN, STEADY]);
    story.answer(&mut moving, 2, value(b"v"));
    assert_eq!(story.asks(&mut moving), ["s1 lease"]);
    story.answer(&mut moving, 1, stub(Lease::Taken));
    assert_eq!(story.asks(&mut moving), ["s2 fetch"], "the stub is ours");
}

/// The home becomes complete while a move has its own stub there.
#[test]
fn a_home_that_turns_complete_meanwhile_keeps_no_stub() {
    for found in [S2, S3] {
        let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
        let key = key(&story);
        let mut moving = Move::new(&key, found);
        story.asks(&mut moving);
        story.answer(&mut moving, 1, stub(Lease::Won));
        if found == S3 {
            story.answer(&mut moving, 2, value(b"v"));
        }
        story.asks(&mut moving);
        story.turn([STEADY; 4]);
        let source = found.0 + 1;
        story.answer(&mut moving, source, Reply::Miss);
        assert!(story.asks(&mut moving).contains(&"s1 fetch".into()), "it is complete, and is looked at");
        story.answer(&mut moving, 1, stub(Lease::Taken));
        if found == S3 {
            story.answer(&mut moving, 2, value(b"v"));
        }
        assert_eq!(
            story.asks(&mut moving),
            ["s1 end-lease c5"],
            "it decides alone, and would take it for a value"
        );
        story.answer(&mut moving, 1, Reply::Deleted);
        if found == S3 {
            assert_eq!(story.asks(&mut moving), ["s3 delete"]);
            story.answer(&mut moving, 3, Reply::NotFound);
        }
        assert!(story.asks(&mut moving).is_empty());
        assert_eq!(moving.outcome(), Some(Outcome::NotStored));
    }
}

/// The lease's answer comes after the home became complete; and so does one that never comes.
#[test]
fn a_stub_whose_lease_was_asked_for_before_the_home_was_complete_is_taken_away_too() {
    for answered in [true, false] {
        let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
        let key = key(&story);
        let mut moving = Move::new(&key, S2);
        story.asks(&mut moving);
        story.turn([STEADY; 4]);
        if answered {
            story.answer(&mut moving, 1, stub(Lease::Won));
        } else {
            story.fail(&mut moving, 1, Failure::Unanswered);
        }
        assert_eq!(story.asks(&mut moving), ["s1 fetch"]);
        story.answer(&mut moving, 1, stub(Lease::Taken));
        assert_eq!(story.asks(&mut moving), ["s1 end-lease c5"]);
        story.answer(&mut moving, 1, Reply::Deleted);
        assert_eq!(moving.outcome(), Some(Outcome::NotStored));
    }
}

#[test]
fn a_stub_that_somebody_left_behind_is_taken_away_in_the_end() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut moving = Move::new(&key, S2);
    for _ in 0..=64 {
        assert_eq!(story.asks(&mut moving), ["s1 lease"]);
        story.answer(&mut moving, 1, stub(Lease::Taken));
    }
    assert_eq!(story.asks(&mut moving), ["s1 end-lease c5"]);
    story.answer(&mut moving, 1, Reply::Deleted);
    assert_eq!(story.asks(&mut moving), ["s1 lease"]);
}

#[test]
fn without_backups_the_copy_is_added_and_no_stub_is_made() {
    let mut story = Story::with(Options::default(), [RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut moving = Move::new(&key, S3);
    assert_eq!(story.asks(&mut moving), ["s1 fetch"]);
    story.answer(&mut moving, 1, Reply::Miss);
    assert_eq!(story.asks(&mut moving), ["s3 fetch"]);
    story.answer(&mut moving, 3, value(b"v"));
    assert_eq!(story.asks(&mut moving), ["s1 add 60 v"]);
    story.answer(&mut moving, 1, Reply::Stored);
    assert_eq!(story.asks(&mut moving), ["s3 delete"]);
    story.answer(&mut moving, 3, Reply::Deleted);
    assert_eq!(moving.outcome(), Some(Outcome::Stored));
}

#[test]
fn a_source_that_cannot_tell_how_long_it_lives_is_left_alone() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut moving = Move::new(&key, S2);
    story.asks(&mut moving);
    story.answer(&mut moving, 1, stub(Lease::Won));
    story.asks(&mut moving);
    story.answer(&mut moving, 2, Reply::Value(Value { data: b"v", cas: 9, ..Value::default() }));
    assert_eq!(story.asks(&mut moving), ["s1 end-lease c5"]);
    story.answer(&mut moving, 1, Reply::Deleted);
    assert!(story.asks(&mut moving).is_empty());
    assert_eq!(moving.outcome(), Some(Outcome::Refused));
}

#[test]
fn a_sweep_looks_at_what_may_have_to_be_moved() {
    let steady = Story::new([STEADY; 4]);
    let key = key(&steady);
    let nobody = |_: ServerId| false;
    assert!(!concerns(&steady.view, &key, S1, &nobody) && !concerns(&steady.view, &key, S2, &nobody));
    assert!(concerns(&steady.view, &key, S3, &nobody), "it should not be there");
    assert!(concerns(&steady.view, &key, S1, &|server| server == S2), "somebody asks for its mirror");
    assert!(!concerns(&steady.view, &key, S1, &|server| server == S4));
    let returned = Story::new([STEADY, STEADY, STEADY, RETURNED]);
    assert!(!concerns(&returned.view, &key, S1, &nobody), "nothing of it belongs there");
    let returned = Story::new([STEADY, RETURNED, STEADY, STEADY]);
    assert!(concerns(&returned.view, &key, S1, &nobody));
}

fn displaced(read: &dyn Operation) -> Vec<ServerId> {
    let mut found = Vec::new();
    read.displaced(&mut |_, server| found.push(server));
    found
}

#[test]
fn a_value_that_is_read_at_a_later_place_is_displaced() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let mut one = One { key: key(&story), ..One::default() };
    let mut read = Read::new(&mut one);
    for server in [1, 3] {
        story.asks(&mut read);
        story.answer(&mut read, server, Reply::Miss);
    }
    story.asks(&mut read);
    story.answer(&mut read, 2, value(b"v"));
    assert_eq!((read.outcome(), displaced(&read)), (Some(Outcome::Hit), vec![S2]));
}

#[test]
fn a_value_that_is_read_at_its_first_place_is_not() {
    for states in [[RETURNED, STEADY, STEADY, STEADY], [STEADY; 4], [DOWN, STEADY, STEADY, STEADY]] {
        let mut story = Story::new(states);
        let mut one = One { key: key(&story), ..One::default() };
        let mut read = Read::new(&mut one);
        story.asks(&mut read);
        let server = story.asked[0].0.0 + 1;
        story.answer(&mut read, server, value(b"v"));
        assert_eq!((read.outcome(), displaced(&read)), (Some(Outcome::Hit), vec![]));
    }
}

#[test]
fn an_acting_server_that_was_passed_by_is_not_repaired() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    story.mark_unreachable(&[1]);
    let mut one = One { key: key(&story), ..One::default() };
    let mut read = Read::new(&mut one);
    assert_eq!(story.asks(&mut read), ["s3 get"]);
    story.answer(&mut read, 3, value(b"v"));
    assert_eq!((read.outcome(), displaced(&read)), (Some(Outcome::Hit), vec![]));
}

#[test]
fn deletes_reach_the_mirror_that_copies_go_to_last() {
    let mut story = Story::new([STEADY, RETURNED, STEADY, STEADY]);
    let key = key(&story);
    let mut delete = Spread::delete(&key);
    assert_eq!(story.asks(&mut delete), ["s1 delete", "s3 delete"]);
    story.answer(&mut delete, 1, Reply::Deleted);
    story.answer(&mut delete, 3, Reply::NotFound);
    assert_eq!(story.asks(&mut delete), ["s2 delete"], "a copy may have been on its way there");
    story.answer(&mut delete, 2, Reply::NotFound);
    assert_eq!(delete.outcome(), Some(Outcome::Deleted));
}

#[test]
fn a_flush_of_all_comes_three_times_while_copies_may_be_on_their_way() {
    let mut story = Story::new([STEADY, RETURNED, STEADY, DOWN]);
    let mut told = Vec::new();
    let mut sink = |server: ServerId, answer: Result<&[u8], Outcome>| told.push((server, answer.is_ok()));
    let mut flush = Broadcast::new(Everywhere::FlushAll { delay: 0 }, None, &mut sink);
    assert_eq!(story.asks(&mut flush).len(), 3);
    for round in 0..3 {
        for server in [1, 2, 3] {
            assert_eq!(flush.outcome(), None);
            story.answer(&mut flush, server, Reply::Ok);
        }
        assert_eq!(story.asks(&mut flush).len(), if round < 2 { 3 } else { 0 });
    }
    assert_eq!(flush.outcome(), Some(Outcome::Done));
    assert_eq!(told, [(S1, true), (S2, true), (S3, true)]);
}

#[test]
fn a_flush_of_all_comes_again_to_all_when_the_view_changed_meanwhile() {
    let mut story = Story::new([STEADY, RETURNED, STEADY, DOWN]);
    let mut sink = |_: ServerId, _: Result<&[u8], Outcome>| {};
    let mut flush = Broadcast::new(Everywhere::FlushAll { delay: 0 }, None, &mut sink);
    assert_eq!(story.asks(&mut flush).len(), 3);
    story.answer(&mut flush, 2, Reply::Ok);
    story.turn([STEADY, STEADY, STEADY, DOWN]);
    story.answer(&mut flush, 1, Reply::Ok);
    story.answer(&mut flush, 3, Reply::Ok);
    for _ in 0..3 {
        assert_eq!(story.asks(&mut flush).len(), 3, "everything is begun anew");
        for server in [1, 2, 3] {
            story.answer(&mut flush, server, Reply::Ok);
        }
    }
    assert_eq!((story.asks(&mut flush).len(), flush.outcome()), (0, Some(Outcome::Done)));
}

#[test]
fn a_flush_of_all_goes_on_with_the_pools_list() {
    let mut story = Story::new([STEADY; 4]);
    let mut sink = |_: ServerId, _: Result<&[u8], Outcome>| {};
    let mut flush = Broadcast::new(Everywhere::FlushAll { delay: 0 }, None, &mut sink);
    assert_eq!(story.asks(&mut flush).len(), 4);
    story.view.outdated = true;
    for server in [1, 2, 3, 4] {
        story.answer(&mut flush, server, Reply::Ok);
    }
    assert_eq!((story.asks(&mut flush).len(), flush.outcome()), (0, None));
    story.view.outdated = false;
    assert_eq!(story.asks(&mut flush).len(), 4);
}

#[test]
fn where_a_stub_was_found_is_a_holder_that_lacks_it() {
    let mut story = Story::new([RETURNED, RETURNED, STEADY, STEADY]);
    let key = key(&story);
    let mut moving = Move::new(&key, S1);
    assert_eq!(story.asks(&mut moving), ["s2 lease"]);
    story.answer(&mut moving, 2, stub(Lease::Won));
    assert_eq!(story.asks(&mut moving), ["s1 fetch"]);
    story.answer(&mut moving, 1, stub(Lease::Taken));
    assert_eq!(story.asks(&mut moving), ["s1 lease", "s2 lease"]);
    story.answer(&mut moving, 2, stub(Lease::Taken));
    story.answer(&mut moving, 1, Reply::Miss);
    assert_eq!(story.asks(&mut moving), ["s3 fetch"]);
    story.answer(&mut moving, 3, value(b"v"));
    assert_eq!(story.asks(&mut moving), ["s1 add 60 v", "s2 store-leased 60 c5"]);
}
