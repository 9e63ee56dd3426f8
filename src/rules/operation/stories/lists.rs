//! Stories of a changed list of servers (rule 7): what the list before placed is found, and cleared, where it was.

use super::*;
use crate::rules::places::{Placement, Walk};

/// A pool of four servers that was one of the first three before, and a key that lived on s3 and s1 (an odd last one is
/// backed up by the first), and lives on s2 and s1 now.
fn grown() -> (Story, Vec<u8>) {
    let mut story = Story::new([STEADY; 4]);
    let mut servers: Vec<Server> = story.view.pool.servers()[..3].to_vec();
    servers.iter_mut().for_each(|server| server.backup = None);
    pair_up(&mut servers);
    let before = Arc::new(Pool::new("", story.view.pool.options.clone(), servers));
    let home = |pool: &Pool, key: &[u8]| Walk::new(pool, key).next().map(|id| id.0);
    let key = (0..)
        .map(|n| format!("key-{n}").into_bytes())
        .find(|key| home(&before, key) == Some(2) && home(&story.view.pool, key) == Some(1))
        .expect("some key lives there");
    story.view.set_previous(Some(before));
    story.turn([STEADY; 4]);
    (story, key)
}

#[test]
fn the_places_of_the_list_before_come_behind_acting() {
    let (story, key) = grown();
    let placement = Placement::of(&story.view, &key).expect("a placement");
    let numbers: Vec<u16> = placement.places.iter().map(|id| id.0 + 1).collect();
    assert_eq!(numbers, [2, 3, 1]);
    assert_eq!((placement.acting(), placement.mirror), (Some(ServerId(1)), Some(ServerId(0))));
    assert!(!story.view.all_steady() && !story.view.complete(ServerId(1)));
}

#[test]
fn a_miss_is_looked_up_where_the_list_before_placed_the_key() {
    let (mut story, key) = grown();
    let mut one = One { key, ..One::default() };
    let mut read = Read::new(&mut one);
    assert_eq!(story.asks(&mut read), ["s2 get"]);
    story.answer(&mut read, 2, Reply::Miss);
    assert_eq!(story.asks(&mut read), ["s3 get"]);
    story.answer(&mut read, 3, value(b"v"));
    assert_eq!(read.outcome(), Some(Outcome::Hit));
    let mut found = Vec::new();
    read.displaced(&mut |_, server| found.push(server.0 + 1));
    assert_eq!(found, [3]);
}

#[test]
fn a_write_clears_what_the_list_before_placed() {
    let (mut story, key) = grown();
    let mut write = Write::new(&key, 0, 0, b"v");
    assert_eq!(story.asks(&mut write), ["s1 set 0 v", "s2 set 0 v"]);
    story.answer(&mut write, 1, Reply::Stored);
    story.answer(&mut write, 2, Reply::Stored);
    assert_eq!(story.asks(&mut write), ["s3 delete"]);
    story.answer(&mut write, 3, Reply::Deleted);
    assert_eq!(write.outcome(), Some(Outcome::Stored));
}

#[test]
fn a_delete_reaches_the_new_places_last() {
    let (mut story, key) = grown();
    let mut delete = Spread::delete(&key);
    assert_eq!(story.asks(&mut delete), ["s1 delete", "s3 delete"]);
    story.answer(&mut delete, 3, Reply::Deleted);
    story.answer(&mut delete, 1, Reply::NotFound);
    assert_eq!(story.asks(&mut delete), ["s2 delete"]);
    story.answer(&mut delete, 2, Reply::NotFound);
    assert_eq!(story.asks(&mut delete), ["s1 delete"], "a copy may have been on its way from acting");
    story.answer(&mut delete, 1, Reply::NotFound);
    assert_eq!(delete.outcome(), Some(Outcome::Deleted));
}

#[test]
fn a_counter_is_brought_from_where_it_was() {
    let (mut story, key) = grown();
    let mut counter = Counter::new(Direction::Incr, &key, 1);
    assert_eq!(story.asks(&mut counter), ["s2 fetch"]);
    story.answer(&mut counter, 2, Reply::Miss);
    assert_eq!(story.asks(&mut counter), ["s3 fetch"]);
    story.answer(&mut counter, 3, value(b"7"));
    assert_eq!(story.asks(&mut counter), ["s2 lease"]);
    story.answer(&mut counter, 2, stub(Lease::Won));
    assert_eq!(story.asks(&mut counter), ["s3 fetch"]);
    story.answer(&mut counter, 3, value(b"7"));
    assert_eq!(story.asks(&mut counter), ["s2 store-leased 60 c5"]);
    story.answer(&mut counter, 2, Reply::Stored);
    assert_eq!(story.asks(&mut counter), ["s2 incr 1"]);
}

#[test]
fn a_miss_under_a_list_that_is_no_longer_the_pools_is_held_back() {
    let (story, _) = grown();
    let mut story = Story { view: View::new(story.view.previous().expect("a list").clone()), asked: vec![] };
    let mut one = One { key: b"some-key".to_vec(), ..One::default() };
    let mut read = Read::new(&mut one);
    let home = |story: &mut Story, read: &mut Read<'_>, reply| {
        assert_eq!(story.asks(read).len(), 1);
        let server = story.asked[0].0.0 + 1;
        story.answer(read, server, reply);
    };
    story.view.outdated = true;
    home(&mut story, &mut read, Reply::Miss);
    assert_eq!((story.asks(&mut read), read.outcome()), (vec![], None), "it waits for the pool's list");
    story.view.outdated = false;
    home(&mut story, &mut read, value(b"v"));
    assert_eq!(read.outcome(), Some(Outcome::Hit));
}

#[test]
fn a_miss_under_a_changed_list_asked_every_place_twice() {
    let (mut story, key) = grown();
    let mut one = One { key, ..One::default() };
    let mut read = Read::new(&mut one);
    for expected in ["s2 get", "s3 get", "s1 get", "s2 get", "s3 get", "s1 get", "s2 get"] {
        assert_eq!(story.asks(&mut read), [expected]);
        let server = story.asked[0].0.0 + 1;
        story.answer(&mut read, server, Reply::Miss);
    }
    assert_eq!(read.outcome(), Some(Outcome::Miss));
}
