//! A server that may keep what was not changed meanwhile.

use super::*;

fn trial(view: View, before: Option<Incarnation>) -> Trial {
    let Trial { view, rejoin } = Trial::of(view, &health(before, true));
    Trial { view, rejoin: rejoin.keeping(true) }
}

#[test]
fn the_same_process_is_weeded_in_place_of_a_flush() {
    let mut trial = trial(view(3, &[0]), life(7, OLD));
    trial.greet(7, OLD + 1).probe();
    assert!(!trial.rejoin.weeds(), "not before it has shown that it works");
    trial.probe();
    assert!(trial.rejoin.weeds() && trial.rejoin.outcome().is_none());
    assert_eq!(trial.rejoin.next(&trial.view), None, "it is the driver's turn");
    trial.rejoin.weeded(&trial.view, Some(5));
    trial.ends(Outcome::Done);
    assert_eq!(trial.rejoin.kept(), Some(5));
}

#[test]
fn what_cannot_be_weeded_is_flushed_as_ever() {
    let mut trial = trial(view(3, &[0]), life(7, OLD));
    trial.greet(7, OLD).probe().probe();
    trial.rejoin.weeded(&trial.view, None);
    trial.claim(Reply::Stored).flush(Reply::Ok).probe();
    assert_eq!(trial.rejoin.kept(), None);
}

#[test]
fn another_process_or_one_that_may_be_another_is_not_weeded() {
    for (before, pid) in [(None, 7), (life(6, OLD), 7)] {
        let mut trial = trial(view(3, &[0]), before);
        trial.greet(pid, OLD).probe().probe();
        assert!(!trial.rejoin.weeds());
        let (asked, _) = trial.rejoin.next(&trial.view).expect("the claim to flush it");
        assert_eq!(asked, ServerId(1));
    }
}

#[test]
fn where_most_are_down_nothing_is_deleted_either() {
    let mut trial = trial(view(3, &[0, 1, 2]), life(7, OLD));
    trial.greet(7, OLD).probe().probe();
    assert!(!trial.rejoin.weeds() && trial.rejoin.held_back());
    trial.ends(Outcome::Unavailable);
}

#[test]
fn one_that_owes_nothing_is_not_weeded() {
    let Trial { view, rejoin } = Trial::of(view(3, &[0]), &health(life(7, OLD), false));
    let mut trial = Trial { view, rejoin: rejoin.keeping(true) };
    trial.greet(7, OLD).probe().probe().ends(Outcome::Done);
    assert_eq!(trial.rejoin.kept(), None);
}

#[test]
fn weeding_deletes_every_key_and_nothing_less_is_done() {
    let view = view(3, &[0]);
    let keys = [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()];
    let asked = |weeding: &mut Weeding<'_>| {
        let all: Vec<_> = std::iter::from_fn(|| weeding.next(&view)).collect();
        assert_eq!(all.iter().map(|(server, _)| server.0).collect::<Vec<_>>(), [0; 3], "all at once");
        let keys: Vec<_> = all.iter().map(|(_, tag)| weeding.command(*tag).key().to_vec()).collect();
        (all, keys)
    };
    let mut weeding = Weeding::new(ServerId(0), &keys);
    let (tags, deleted) = asked(&mut weeding);
    assert_eq!(deleted, keys);
    for ((_, tag), reply) in tags.iter().zip([Reply::Deleted, Reply::NotFound, Reply::Unsupported]) {
        assert_eq!(weeding.outcome(), None);
        weeding.answer(&view, *tag, &reply);
    }
    assert_eq!((weeding.outcome(), weeding.mutates()), (Some(Outcome::Done), false));
    for bad in [Reply::Refused(b"SERVER_ERROR"), Reply::Stored] {
        let mut weeding = Weeding::new(ServerId(0), &keys);
        let (tags, _) = asked(&mut weeding);
        weeding.answer(&view, tags[0].1, &bad);
        assert!(weeding.outcome().is_some_and(|outcome| outcome != Outcome::Done));
    }
    let mut weeding = Weeding::new(ServerId(0), &keys);
    let (tags, _) = asked(&mut weeding);
    weeding.fail(&view, tags[2].1, Failure::Unanswered);
    assert_eq!(weeding.outcome(), Some(Outcome::Unavailable));
    assert_eq!(Weeding::new(ServerId(0), &[]).outcome(), Some(Outcome::Done));
}
