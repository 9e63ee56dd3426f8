//! Servers that fail, and what a call makes of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use memcache::client::Client;
use memcache::rules::address::Address;
use memcache::rules::operation::{Failure, Outcome};
use memcache::rules::pool::ServerId;
use memcache::rules::view::State;

use crate::fake::{Closed, Fake};
use crate::question::{Got, Questions, ask, client, get, hurried, pool, reply, set, unhurried, value};

const SERVER: ServerId = ServerId(0);
const UNSENT: Got = Got::Failed(Failure::Unsent);
const UNANSWERED: Got = Got::Failed(Failure::Unanswered);

#[test]
fn a_refused_connection_is_a_dead_server() {
    let closed = Closed::new();
    let mut client = client(unhurried(), [&closed.address]);
    let mut questions = Questions::new(vec![(0, set("k", b"v")), (0, get("k"))]);
    assert_eq!(client.run(&mut questions), Outcome::Done);
    assert_eq!(questions.got, [Some(UNSENT), Some(UNSENT)]);
    assert_eq!(questions.seen, Some(State::Down), "the view shows it before the operation hears of it");
}

#[test]
fn what_one_client_learns_every_client_of_the_process_knows() {
    let closed = Closed::new();
    let pool = pool(unhurried(), [&closed.address]);
    let mut first = Client::open(pool.clone());
    let mut second = Client::open(pool);
    assert_eq!(ask(&mut first, 0, get("k")), UNSENT);
    assert_eq!(second.view().state(SERVER), State::Down);
}

#[test]
fn hung_is_down() {
    let fake = Fake::start(|session| {
        session.greet(1, true)?;
        while session.line().is_some() {}
        Some(())
    });
    let mut client = client(hurried(), [&fake.address]);
    assert_eq!(ask(&mut client, 0, get("k")), UNANSWERED);
    assert_eq!(client.view().state(SERVER), State::Down);
    assert_eq!(client.fd(SERVER), None);
}

#[test]
fn hung_is_down_for_one_who_polls_busily_too() {
    let fake = Fake::start(|session| {
        session.greet(1, true)?;
        while session.line().is_some() {}
        Some(())
    });
    let mut client = client(hurried(), [&fake.address]);
    client.set_busy_poll(Duration::from_millis(10));
    assert_eq!(ask(&mut client, 0, get("k")), UNANSWERED);
    assert_eq!(client.view().state(SERVER), State::Down);
}

#[test]
fn several_are_polled_busily_and_the_one_that_hangs_is_down() {
    let well = |pid| {
        Fake::start(move |session| {
            session.greet(pid, true)?;
            while session.line().is_some() {
                session.say("END\r\n");
            }
            Some(())
        })
    };
    let (one, two) = (well(1), well(2));
    let hung = Fake::start(|session| {
        session.greet(3, true)?;
        while session.line()? != "get c" {
            session.say("END\r\n");
        }
        while session.line().is_some() {}
        Some(())
    });
    let mut client = client(hurried(), [&one.address, &two.address, &hung.address]);
    client.set_busy_poll(Duration::from_millis(10));
    for (last, end) in [("b", reply("Miss")), ("c", UNANSWERED)] {
        let mut questions = Questions::new(vec![(0, get("a")), (1, get("a")), (2, get(last))]);
        assert_eq!(client.run(&mut questions), Outcome::Done);
        assert_eq!(questions.got, [Some(reply("Miss")), Some(reply("Miss")), Some(end)]);
    }
    assert_eq!(client.view().state(ServerId(2)), State::Down);
}

#[test]
fn hung_from_the_start_is_down_and_was_sent_nothing() {
    let fake = Fake::start(|session| {
        while let Some(line) = session.line() {
            assert!(["stats", "mn"].contains(&line.as_str()), "{line} was sent to a server unknown");
        }
        Some(())
    });
    let mut client = client(hurried(), [&fake.address]);
    assert_eq!(ask(&mut client, 0, set("k", b"v")), UNSENT);
    assert_eq!(client.view().state(SERVER), State::Down);
}

#[test]
fn a_silent_server_does_not_silence_another() {
    let hung = Fake::start(|session| {
        session.greet(1, true)?;
        while session.line().is_some() {}
        Some(())
    });
    let well = Fake::start(|session| {
        session.greet(2, true)?;
        while session.line().is_some() {
            session.say("END\r\n");
        }
        Some(())
    });
    let mut client = client(hurried(), [&hung.address, &well.address]);
    let mut questions = Questions::new(vec![(0, get("a")), (1, get("b"))]);
    assert_eq!(client.run(&mut questions), Outcome::Done);
    assert_eq!(questions.got, [Some(UNANSWERED), Some(reply("Miss"))]);
    assert!(client.view().live(ServerId(1)));
}

/// Every connection says `words` in answer to its first command, and ends.
fn ends_with(words: &'static str) -> Fake {
    Fake::start(move |session| {
        session.greet(1, true)?;
        session.line()?;
        session.say(words);
        None
    })
}

#[test]
fn broken_answers_end_the_connection_and_then_the_server() {
    for words in ["", "VAL", "VALUE k 0 5\r\nva", "VALUE k 0 99999999999999999999\r\n", "220 mail ESMTP\r\n"]
    {
        let fake = ends_with(words);
        let mut client = client(unhurried(), [&fake.address]);
        assert_eq!(ask(&mut client, 0, get("k")), UNANSWERED, "{words}");
        assert_eq!(client.view().state(SERVER), State::Steady, "once is no proof");
        assert_eq!(ask(&mut client, 0, get("k")), UNANSWERED, "{words}");
        assert_eq!(client.view().state(SERVER), State::Down);
    }
}

#[test]
fn an_answer_to_another_question_is_no_answer() {
    let fake = ends_with("VALUE other 0 1\r\nv\r\nEND\r\n");
    let mut client = client(unhurried(), [&fake.address]);
    assert_eq!(ask(&mut client, 0, get("k")), UNANSWERED);
}

#[test]
fn bytes_behind_an_answer_end_the_connection_but_not_the_call() {
    let fake = Fake::start(|session| {
        session.greet(1, true)?;
        session.line()?;
        session.say("VALUE k 0 1\r\nv\r\nEND\r\nVALUE k 0 1\r\nw\r\nEND\r\n");
        session.line().map(drop)
    });
    let mut client = client(unhurried(), [&fake.address]);
    assert_eq!(ask(&mut client, 0, get("k")), value("v"));
    assert_eq!(client.fd(SERVER), None, "what came unasked must not answer the next question");
}

#[test]
fn good_answers_forgive_a_broken_connection() {
    let fake = Fake::start(|session| {
        session.greet(1, true)?;
        session.line()?;
        session.say("END\r\n");
        // Whatever is asked next finds the end.
        session.line().and(None)
    });
    let mut client = client(unhurried(), [&fake.address]);
    for _ in 0..4 {
        assert_eq!(ask(&mut client, 0, get("k")), reply("Miss"));
        assert_eq!(ask(&mut client, 0, get("k")), UNANSWERED);
    }
    assert_eq!(client.view().state(SERVER), State::Steady);
    assert_eq!(fake.met.load(Ordering::SeqCst), 4);
}

#[test]
fn a_trickle_of_bytes_does_not_outlast_the_call() {
    let fake = Fake::start(|session| {
        session.greet(1, true)?;
        session.line()?;
        // A byte every few milliseconds keeps any patience alive.
        session.say("VALUE k 0 1000000\r\n");
        while session.say("x") {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        Some(())
    });
    let mut client = client(hurried(), [&fake.address]);
    let mut questions = Questions::new(vec![(0, get("k"))]);
    assert_eq!(client.run(&mut questions), Outcome::Timeout);
    assert_eq!(client.view().state(SERVER), State::Down);
}

#[test]
fn a_name_without_an_address_is_down_and_says_why() {
    let address = Address::Tcp { host: "no such host".into(), port: 11211 };
    let mut client = client(unhurried(), [&address]);
    assert!(client.unresolved(SERVER).is_some_and(|why| why.contains("no such host")));
    assert_eq!(client.view().state(SERVER), State::Down);
    assert_eq!(ask(&mut client, 0, get("k")), UNSENT);
}

#[test]
fn an_operation_that_panicked_leaves_nothing_to_the_next() {
    let fake = Fake::start(|session| {
        session.greet(1, true)?;
        while let Some(line) = session.line() {
            let key = line.strip_prefix("get ").unwrap();
            session.say(format!("VALUE {key} 0 1\r\n{key}\r\nEND\r\n"));
        }
        Some(())
    });
    let mut client = client(unhurried(), [&fake.address]);
    // It panics when it is asked for its second question, with the first already under way.
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut questions = Questions::new(vec![(0, get("a")), (0, get("b"))]);
        questions.got[1] = Some(UNSENT);
        client.run(&mut questions)
    }));
    assert!(panicked.is_err());
    assert_eq!(ask(&mut client, 0, get("c")), value("c"));
}

#[test]
fn a_server_with_a_timeout_of_its_own_is_waited_for() {
    let fake = Fake::start(|session| {
        session.greet(1, true)?;
        session.line()?;
        // Longer than the client's own timeout.
        std::thread::park_timeout(Duration::from_millis(500));
        session.say("END\r\n");
        session.line().map(drop)
    });
    let mut client = client(hurried(), [&fake.address]);
    client.set_server_timeout(SERVER, Some(Duration::from_secs(60)));
    assert_eq!(ask(&mut client, 0, get("k")), reply("Miss"));
}
