//! Placement against the model: every combination of states of up to five servers, on every walk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::rules::address::Address;
use crate::rules::pool::{Distribution, Options, Server, pair_up};
use crate::rules::view::ServerView;
use proptest::prelude::*;

fn servers(count: u16) -> Vec<Server> {
    let address = |port| Address::Tcp { host: "127.0.0.1".into(), port };
    (1..=count)
        .map(|port| Server {
            name: address(port).to_string(),
            address: address(port),
            weight: 1,
            backup: None,
        })
        .collect()
}

fn pool(distribution: Distribution, servers: Vec<Server>) -> Pool {
    Pool::new("", Options { distribution, ..Options::default() }, servers)
}

fn walk(pool: &Pool, key: &[u8]) -> Vec<usize> {
    Walk::new(pool, key).map(ServerId::index).collect()
}

/// DESIGN.md's model of placement, word for word: the live servers that may hold a copy.
fn model_places(walk: &[usize], state: &[State], backup: Option<usize>) -> Vec<usize> {
    fn on_to_a_steady_one(rest: &mut Vec<usize>, asked: &mut Vec<usize>, state: &[State]) {
        while !rest.is_empty() {
            let s = rest.remove(0);
            if !asked.contains(&s) {
                asked.push(s);
                if state[s] == State::Steady {
                    return;
                }
            }
        }
    }
    let mut rest = walk.to_vec();
    let mut asked = Vec::new();
    on_to_a_steady_one(&mut rest, &mut asked, state);
    if let Some(backup) = backup {
        let backup_is_second = state[backup] == State::Steady && !asked.contains(&backup);
        if !asked.contains(&backup) {
            asked.push(backup);
        }
        if !backup_is_second {
            on_to_a_steady_one(&mut rest, &mut asked, state);
        }
    }
    asked.retain(|&s| state[s] != State::Down);
    let (draining, mut places): (Vec<_>, Vec<_>) =
        asked.into_iter().partition(|&s| state[s] == State::Draining);
    places.extend(draining);
    places
}

/// The backup, or else the next of the places; of those that do not drain, if there is one.
fn model_mirror(places: &[usize], state: &[State], backup: Option<usize>) -> Option<usize> {
    let backup = backup?;
    let mut candidates: Vec<_> = places.iter().copied().skip(1).collect();
    if candidates.iter().any(|&s| state[s] != State::Draining) {
        candidates.retain(|&s| state[s] != State::Draining);
    }
    let chosen = candidates.iter().find(|&&s| s == backup);
    chosen.or(candidates.first()).copied()
}

/// What is promised of a draining server, apart from how it is done.
fn check_draining(walk: &[usize], state: &[State], backup: Option<usize>, placement: &Placement) {
    let drains = |id: ServerId| state[id.index()] == State::Draining;
    let live = |wanted: bool| {
        walk.iter().filter(move |&&s| state[s] != State::Down && (state[s] == State::Draining) == wanted)
    };
    let gets = placement.acting().into_iter().chain(placement.mirror);
    let drained = gets.clone().filter(|&id| drains(id)).count();
    let wanted = gets.count();
    assert!(drained <= wanted.saturating_sub(live(false).count()), "{walk:?} {state:?} {placement:?}");
    // What it may hold is read and cleared wherever a returned server's would be.
    let as_returned: Vec<_> =
        state.iter().map(|&s| if s == State::Draining { State::Returned } else { s }).collect();
    let mut expected = model_places(walk, &as_returned, backup);
    let mut places: Vec<_> = placement.places.iter().map(|id| id.index()).collect();
    expected.sort_unstable();
    places.sort_unstable();
    assert_eq!(places, expected, "{walk:?} {state:?}");
}

fn all_states(count: usize) -> impl Iterator<Item = Vec<State>> {
    (0..4usize.pow(count as u32)).map(move |number| {
        (0..count)
            .map(|digit| match number / 4usize.pow(digit as u32) % 4 {
                0 => State::Steady,
                1 => State::Returned,
                2 => State::Draining,
                _ => State::Down,
            })
            .collect()
    })
}

/// One key for each order in which the pool's servers can be walked; all orders are found.
fn a_key_for_every_walk(pool: &Pool) -> BTreeMap<Vec<usize>, Vec<u8>> {
    let orders: usize = (1..=pool.servers().len()).product();
    let mut keys = BTreeMap::new();
    for number in 0..20_000 {
        let key = format!("key:{number}").into_bytes();
        keys.entry(walk(pool, &key)).or_insert(key);
        if keys.len() == orders {
            return keys;
        }
    }
    panic!("{} of {orders} walks found", keys.len());
}

fn compare_with_the_model(pool: Pool) {
    let keys = a_key_for_every_walk(&pool);
    let mut view = View::new(Arc::new(pool));
    for states in all_states(view.pool.servers().len()) {
        let seen = |&state: &State| ServerView { state, ..ServerView::default() };
        view.refresh(1, states.iter().map(seen));
        for (walk, key) in &keys {
            let backup = view.pool.servers()[walk[0]].backup.map(ServerId::index);
            let expected = model_places(walk, &states, backup);
            let placement = Placement::of(&view, key);
            let Some(placement) = placement else {
                assert!(expected.is_empty(), "{walk:?} {states:?}");
                assert!(states.iter().all(|&state| state == State::Down));
                continue;
            };
            let places: Vec<_> = placement.places.iter().map(|id| id.index()).collect();
            assert_eq!(places, expected, "places of {walk:?} {states:?} backup {backup:?}");
            let mirror = placement.mirror.map(ServerId::index);
            assert_eq!(
                mirror,
                model_mirror(&expected, &states, backup),
                "mirror of {walk:?} {states:?} {backup:?}"
            );
            assert_eq!(placement.home.index(), walk[0]);
            let live = |&&s: &&usize| states[s] != State::Down;
            let first_live = walk.iter().filter(live).find(|&&s| states[s] != State::Draining);
            let first_live = first_live.or(walk.iter().find(live));
            assert_eq!(placement.acting().map(ServerId::index).as_ref(), first_live);
            check_draining(walk, &states, backup, &placement);
        }
    }
}

/// Every way in which a pool of so many servers gives them backups, of those worth having.
fn with_backups(count: u16) -> Vec<Vec<Server>> {
    let none = servers(count);
    let mut pairs = servers(count);
    pair_up(&mut pairs);
    let mut next = servers(count);
    let mut all_first = servers(count);
    for id in 0..count {
        next[usize::from(id)].backup = (count > 1).then_some(ServerId((id + 1) % count));
        // The first has none here: a pool in which only some keys have a second copy.
        all_first[usize::from(id)].backup = (id > 0).then_some(ServerId(0));
    }
    vec![none, pairs, next, all_first]
}

#[test]
fn every_state_on_every_walk_is_as_in_the_model() {
    for count in 1..=5 {
        for list in with_backups(count) {
            compare_with_the_model(pool(Distribution::Modulo, list));
        }
    }
}

#[test]
fn every_state_on_every_walk_along_a_ring_is_as_in_the_model() {
    for count in 1..=4 {
        for list in with_backups(count) {
            compare_with_the_model(pool(Distribution::Ketama, list));
        }
    }
}

#[test]
fn without_servers_or_slots_or_anything_live_there_is_no_placement() {
    for distribution in [Distribution::Modulo, Distribution::Ketama] {
        let weightless = servers(3).into_iter().map(|server| Server { weight: 0, ..server }).collect();
        for list in [Vec::new(), weightless] {
            let empty = pool(distribution, list);
            assert_eq!(home(&empty, b"key"), None);
            assert_eq!(Walk::new(&empty, b"key").next(), None);
            let mut view = View::new(Arc::new(empty));
            assert_eq!(Placement::of(&view, b"key"), None);
            let returned = ServerView { state: State::Returned, ..ServerView::default() };
            let count = view.pool.servers().len();
            view.refresh(1, std::iter::repeat_n(returned, count));
            assert_eq!(Placement::of(&view, b"key"), None);
        }
        let mut view = View::new(Arc::new(pool(distribution, servers(3))));
        assert!(view.any_live());
        let down = ServerView { state: State::Down, ..ServerView::default() };
        view.refresh(1, [down; 3].into_iter());
        assert!(!view.any_live());
        assert_eq!(Placement::of(&view, b"key"), None);
    }
}

#[test]
fn a_server_that_is_its_own_backup_has_none() {
    let mut list = servers(2);
    list.iter_mut().zip(0..).for_each(|(server, id)| server.backup = Some(ServerId(id)));
    let mut view = View::new(Arc::new(pool(Distribution::Modulo, list)));
    for state in [State::Steady, State::Returned, State::Draining] {
        view.refresh(1, [state; 2].map(|state| ServerView { state, ..ServerView::default() }).into_iter());
        let placement = Placement::of(&view, b"key").expect("live servers");
        assert_eq!(placement.places[0], placement.home);
        assert_eq!(placement.mirror, None);
    }
}

#[test]
fn beyond_home_the_walk_is_the_key_with_foo_behind_it() {
    let pool = pool(Distribution::Modulo, servers(8));
    for number in 0..1000 {
        let mut key = format!("key:{number}");
        let mut expected = Vec::new();
        for _ in 0..=rehashes(8) {
            let slot = crc32fast::hash(key.as_bytes()) >> 16 & 0x7fff;
            let server = slot.max(1) as usize % 8;
            if !expected.contains(&server) {
                expected.push(server);
            }
            key.push_str("foo");
        }
        let walk = walk(&pool, format!("key:{number}").as_bytes());
        assert!(walk.starts_with(&expected), "{walk:?} {expected:?}");
    }
}

#[test]
fn a_server_that_no_hash_reaches_comes_by_the_list() {
    // Only the second and the fourth have slots, and the fourth one of ten thousand.
    let slots = std::iter::repeat_n(ServerId(1), 9_999).chain([ServerId(3)]).collect();
    let pool = Pool::with_slots("", Options::default(), servers(5), slots);
    let mut orders = BTreeSet::new();
    for number in 0..1000 {
        let key = format!("key:{number}");
        let mut walk = Walk::new(&pool, key.as_bytes());
        orders.insert(walk.by_ref().map(ServerId::index).collect::<Vec<_>>());
        assert!(matches!(walk.route, Route::List), "all tries were spent");
    }
    assert!(orders.contains(&vec![1, 2, 3, 4, 0]), "on from the one found last: {orders:?}");
}

#[test]
fn the_largest_pool_is_walked_to_its_end() {
    let slots = (0..u16::MAX).map(ServerId).collect();
    let pool = Pool::with_slots("", Options::default(), servers(u16::MAX), slots);
    let mut walk = walk(&pool, b"key");
    walk.sort_unstable();
    assert!(walk.into_iter().eq(0..usize::from(u16::MAX)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_server_comes_exactly_once(
        weights in prop::collection::vec(1u32..5, 8..300), ketama: bool, key: Vec<u8>,
    ) {
        let mut list = servers(weights.len() as u16);
        list.iter_mut().zip(&weights).for_each(|(server, &weight)| server.weight = weight);
        let distribution = if ketama { Distribution::Ketama } else { Distribution::Modulo };
        let pool = pool(distribution, list);
        let mut order = walk(&pool, &key);
        prop_assert_eq!(order.first().copied(), home(&pool, &key).map(ServerId::index));
        order.sort_unstable();
        prop_assert!(order.into_iter().eq(0..weights.len()));
    }

    #[test]
    fn a_large_pool_is_as_in_the_model(
        // Mostly down, so that walks are long.
        dice in prop::collection::vec(0u8..20, 8..300), key: Vec<u8>, backups: bool, ketama: bool,
    ) {
        let mut list = servers(dice.len() as u16);
        if backups {
            pair_up(&mut list);
        }
        let distribution = if ketama { Distribution::Ketama } else { Distribution::Modulo };
        let mut view = View::new(Arc::new(pool(distribution, list)));
        let state = |&number: &u8| match number {
            0 => State::Steady,
            1 => State::Returned,
            2 => State::Draining,
            _ => State::Down,
        };
        let states: Vec<_> = dice.iter().map(state).collect();
        view.refresh(1, states.iter().map(|&state| ServerView { state, ..ServerView::default() }));
        let walk = walk(&view.pool, &key);
        let backup = view.pool.servers()[walk[0]].backup.map(ServerId::index);
        let expected = model_places(&walk, &states, backup);
        let placement = Placement::of(&view, &key);
        let places: Option<Vec<_>> =
            placement.as_ref().map(|found| found.places.iter().map(|id| id.index()).collect());
        prop_assert_eq!(places, (!expected.is_empty()).then_some(expected.clone()));
        let mirror = placement.and_then(|found| found.mirror).map(ServerId::index);
        prop_assert_eq!(mirror, model_mirror(&expected, &states, backup));
    }
}
