//! The bookkeeping of sweeps, as stories.

use std::sync::Arc;

use super::*;
use crate::rules::pool::{Options, Pool, Server, pair_up};
use crate::rules::view::ServerView;

const STEADY: State = State::Steady;
const RETURNED: State = State::Returned;
const DOWN: State = State::Down;
const DRAINING: State = State::Draining;

struct Story {
    view: View,
    sweep: Sweep,
    epochs: Vec<u64>,
    kept: Option<ServerId>,
}

fn pool(count: usize) -> Arc<Pool> {
    let server = |n| Server {
        name: format!("s{n}"),
        address: format!("127.0.0.1:{}", n + 1).parse().expect("an address"),
        weight: 1,
        backup: None,
    };
    let mut servers: Vec<Server> = (0..count).map(server).collect();
    pair_up(&mut servers);
    Arc::new(Pool::new("", Options { backups: true, ..Options::default() }, servers))
}

impl Story {
    fn new(states: &[State]) -> Story {
        let view = View::new(pool(states.len()));
        let mut story = Story { view, sweep: Sweep::new(), epochs: vec![0; states.len()], kept: None };
        story.see(states);
        story
    }

    /// The servers are seen so. Each fall and each return is another epoch.
    fn see(&mut self, states: &[State]) {
        for (epoch, (id, state)) in self.epochs.iter_mut().zip(self.view.pool.ids().zip(states)) {
            *epoch += u64::from((self.view.state(id) == DOWN) != (*state == DOWN));
        }
        let views = states.iter().map(|&state| ServerView { state, ..ServerView::default() });
        self.view.refresh(self.view.generation + 1, views);
        self.look();
    }

    fn look(&mut self) {
        let kept = self.kept;
        self.sweep.see(&self.view, self.epochs.iter().copied(), |id| kept == Some(id));
    }

    fn calm(&mut self) {
        let tick = self.sweep.wants_calm().expect("there is something to wait for");
        self.sweep.calmed(tick);
    }

    /// The servers whose walks begin now, and these walks.
    fn begin(&mut self) -> Vec<(ServerId, Tick)> {
        std::iter::from_fn(|| self.sweep.next_walk()).collect()
    }

    fn end(&mut self, walks: &[(ServerId, Tick)]) {
        walks.iter().for_each(|&(server, begun)| self.sweep.walked(server, begun, true));
    }

    fn reached(&mut self) -> Vec<Goal> {
        std::iter::from_fn(|| self.sweep.reached()).collect()
    }
}

fn numbers(walks: &[(ServerId, Tick)]) -> Vec<u16> {
    walks.iter().map(|walk| walk.0.0).collect()
}

fn server(number: u16) -> Goal {
    Goal::Server(ServerId(number))
}

#[test]
fn a_steady_pool_wants_nothing() {
    let mut story = Story::new(&[STEADY; 4]);
    assert!(!story.sweep.is_wanted());
    assert_eq!((story.sweep.wants_calm(), story.begin(), story.reached()), (None, vec![], vec![]));
}

#[test]
fn all_others_are_walked_for_a_server_that_came_back() {
    let mut story = Story::new(&[STEADY; 4]);
    story.see(&[STEADY, DOWN, STEADY, STEADY]);
    assert!(!story.sweep.is_wanted(), "nothing can be done for one that is down");
    story.see(&[STEADY, RETURNED, STEADY, STEADY]);
    assert!(story.begin().is_empty(), "calls of before may be under way");
    story.calm();
    let walks = story.begin();
    assert_eq!((numbers(&walks), story.sweep.left()), (vec![0, 2, 3], 3), "it came back empty itself");
    assert!(story.begin().is_empty(), "each once");
    story.end(&walks[..2]);
    assert_eq!((story.reached(), story.sweep.left()), (vec![], 1));
    story.end(&walks[2..]);
    assert_eq!((story.reached(), story.sweep.is_wanted()), (vec![server(1)], false));
}

#[test]
fn a_walk_that_fails_is_begun_anew() {
    let mut story = Story::new(&[STEADY, RETURNED]);
    story.calm();
    let walks = story.begin();
    assert_eq!(numbers(&walks), [0, 1], "what one holds that was met like this is unknown");
    story.end(&walks[1..]);
    story.sweep.walked(walks[0].0, walks[0].1, false);
    assert_eq!(story.reached(), []);
    let again = story.begin();
    assert_eq!(numbers(&again), [0]);
    story.end(&walks[..1]);
    assert_eq!(story.reached(), [], "the walk before no longer means anything");
    story.end(&again);
    assert_eq!(story.reached(), [], "what it was moving it may be moving still");
    story.calm();
    assert_eq!(story.reached(), [server(1)]);
}

#[test]
fn one_that_comes_back_later_costs_the_walks_that_it_needs() {
    let mut story = Story::new(&[STEADY; 4]);
    story.see(&[STEADY, DOWN, STEADY, DOWN]);
    story.see(&[STEADY, RETURNED, STEADY, DOWN]);
    story.calm();
    let first = story.begin();
    assert_eq!(numbers(&first), [0, 2]);
    story.end(&first[..1]);
    story.see(&[STEADY, RETURNED, STEADY, RETURNED]);
    story.calm();
    let second = story.begin();
    assert_eq!(numbers(&second), [0, 1], "the first one's walk still serves the one that was first");
    story.end(&first[1..]);
    assert_eq!(story.reached(), [server(1)], "who came back empty since need not be walked for it");
    let third = story.begin();
    assert_eq!(numbers(&third), [2]);
    story.end(&second);
    story.end(&third);
    assert_eq!(story.reached(), [server(3)]);
}

#[test]
fn who_falls_is_neither_a_goal_nor_a_source() {
    let mut story = Story::new(&[STEADY; 4]);
    story.see(&[STEADY, DOWN, STEADY, STEADY]);
    story.see(&[STEADY, RETURNED, STEADY, STEADY]);
    story.calm();
    let walks = story.begin();
    story.see(&[STEADY, RETURNED, DOWN, STEADY]);
    assert!(!story.sweep.walks(walks[1].0, walks[1].1));
    story.end(&[walks[0], walks[2]]);
    assert_eq!(story.reached(), [], "what its walk was moving it may be moving still");
    story.calm();
    assert_eq!(story.reached(), [server(1)], "what was on it alone is gone");
    story.see(&[STEADY, STEADY, RETURNED, STEADY]);
    story.see(&[STEADY, STEADY, DOWN, STEADY]);
    assert!(!story.sweep.is_wanted());
}

#[test]
fn a_restart_that_nobody_saw_is_a_goal_of_its_own() {
    let mut story = Story::new(&[STEADY; 3]);
    story.see(&[DOWN, STEADY, STEADY]);
    story.see(&[RETURNED, STEADY, STEADY]);
    story.calm();
    let walks = story.begin();
    story.epochs[0] += 2;
    story.look();
    story.end(&walks);
    assert_eq!(story.reached(), [], "they served the life before");
    story.calm();
    let walks = story.begin();
    assert_eq!(numbers(&walks), [1, 2]);
    story.end(&walks);
    assert_eq!(story.reached(), [server(0)]);
}

#[test]
fn one_that_kept_what_it_held_is_walked_for_those_before_it() {
    let mut story = Story::new(&[STEADY; 3]);
    story.see(&[DOWN, STEADY, DOWN]);
    story.see(&[RETURNED, STEADY, DOWN]);
    story.kept = Some(ServerId(2));
    story.see(&[RETURNED, STEADY, RETURNED]);
    story.calm();
    let walks = story.begin();
    assert_eq!(numbers(&walks), [0, 1, 2]);
    story.end(&walks);
    assert_eq!(story.reached(), [server(0), server(2)]);
}

#[test]
fn one_that_drains_is_walked_alone() {
    let mut story = Story::new(&[STEADY; 4]);
    story.see(&[STEADY, STEADY, DRAINING, STEADY]);
    story.calm();
    let walks = story.begin();
    assert_eq!(numbers(&walks), [2]);
    story.end(&walks);
    assert_eq!(story.reached(), [server(2)]);
    story.see(&[STEADY, STEADY, DOWN, STEADY]);
    assert!(!story.sweep.is_wanted());
}

#[test]
fn one_that_drains_before_it_was_complete_has_all_walked() {
    let mut story = Story::new(&[STEADY, STEADY, RETURNED, STEADY]);
    story.see(&[STEADY, STEADY, DRAINING, STEADY]);
    story.calm();
    let walks = story.begin();
    assert_eq!(numbers(&walks), [0, 1, 2, 3], "the others have what it should have had, and perhaps alone");
    story.end(&walks[2..3]);
    assert_eq!(story.reached(), []);
    story.end(&walks);
    assert_eq!(story.reached(), [server(2)]);
}

#[test]
fn a_changed_list_has_every_server_walked() {
    let mut story = Story::new(&[STEADY; 3]);
    story.sweep.relist();
    story.view = View::new(pool(4));
    story.view.set_previous(Some(pool(3)));
    story.epochs = vec![0; 4];
    story.see(&[STEADY, STEADY, STEADY, DOWN]);
    story.calm();
    let walks = story.begin();
    assert_eq!(numbers(&walks), [0, 1, 2], "and nobody waits for one that is down");
    story.see(&[STEADY, STEADY, STEADY, RETURNED]);
    story.calm();
    story.end(&walks);
    assert_eq!(story.reached(), [Goal::List], "the new one came empty, and no call goes by the list before");
    story.view.set_previous(None);
    story.see(&[STEADY, STEADY, STEADY, RETURNED]);
    let walks = story.begin();
    assert_eq!(numbers(&walks), [0, 1, 2], "for the new one they are walked since it is there");
    story.end(&walks);
    assert_eq!(story.reached(), [server(3)]);
}

#[test]
fn one_that_comes_back_while_calls_go_by_the_list_before_is_walked_for_the_list() {
    let mut story = Story::new(&[STEADY; 3]);
    story.sweep.relist();
    story.view = View::new(pool(4));
    story.view.set_previous(Some(pool(3)));
    story.epochs = vec![0; 4];
    story.see(&[STEADY, DOWN, STEADY, DOWN]);
    story.see(&[STEADY, RETURNED, STEADY, DOWN]);
    story.calm();
    let walks = story.begin();
    assert_eq!(numbers(&walks), [0, 1, 2]);
    story.end(&walks);
    assert_eq!(story.reached(), [server(1), Goal::List]);
}

#[test]
fn an_administrator_can_ask_for_one() {
    let mut story = Story::new(&[STEADY, STEADY, DOWN]);
    story.sweep.request(Some(ServerId(1)));
    story.sweep.request(Some(ServerId(2)));
    assert!(story.sweep.is_goal(ServerId(1)) && !story.sweep.is_goal(ServerId(2)));
    story.calm();
    let walks = story.begin();
    assert_eq!(numbers(&walks), [0, 1]);
    story.end(&walks);
    assert_eq!((story.reached(), story.sweep.is_wanted()), (vec![server(1)], false));
}

#[test]
fn who_asks_while_it_is_under_way_gets_one_more_and_keeps_nobody_from_an_end() {
    let mut story = Story::new(&[STEADY, STEADY, RETURNED]);
    story.calm();
    let walks = story.begin();
    for _ in 0..3 {
        story.sweep.request(Some(ServerId(2)));
    }
    story.end(&walks);
    assert_eq!(story.reached(), [server(2)], "what it was walked for is done");
    // It is steady by then, and complete.
    story.see(&[STEADY; 3]);
    assert!(!story.sweep.is_wanted());

    story.sweep.request(None);
    story.calm();
    let walks = story.begin();
    story.sweep.request(Some(ServerId(1)));
    story.sweep.request(Some(ServerId(1)));
    story.end(&walks);
    assert_eq!(story.reached().len(), 3);
    story.calm();
    let walks = story.begin();
    assert_eq!(numbers(&walks), [0, 1, 2], "who asked is answered by a sweep that began after that");
    story.end(&walks);
    assert_eq!(story.reached(), [server(1)]);
    assert!(!story.sweep.is_wanted());
}

#[test]
fn after_a_gap_everything_is_walked_anew() {
    let mut story = Story::new(&[STEADY; 3]);
    story.see(&[STEADY, DOWN, STEADY]);
    story.see(&[STEADY, RETURNED, STEADY]);
    story.calm();
    let walks = story.begin();
    story.sweep.begin_anew();
    story.end(&walks);
    assert_eq!((story.reached(), story.begin()), (vec![], vec![]));
    story.calm();
    assert_eq!(numbers(&story.begin()), [0, 1, 2]);
}
