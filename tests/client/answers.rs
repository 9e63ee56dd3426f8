//! What servers answer, in every way a network can bring it.

use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier, mpsc};

use memcache::rules::operation::Outcome;
use memcache::rules::wire::Command;

use crate::fake::{Fake, Session, Shelf};
use crate::question::{Got, Questions, ask, client, get, pool, reply, set, unhurried, value};
use memcache::client::Client;

/// Answers every get with its key.
fn echo(session: &mut Session) -> Option<()> {
    session.greet(1, true)?;
    while let Some(line) = session.line() {
        let key = line.strip_prefix("get ").expect("only gets");
        session.say(format!("VALUE {key} 0 {}\r\n{key}\r\nEND\r\n", key.len()));
    }
    Some(())
}

#[test]
fn one_connection_serves_call_after_call() {
    let fake = Fake::start(echo);
    let mut client = client(unhurried(), [&fake.address]);
    for key in ["a", "b", "c"] {
        assert_eq!(ask(&mut client, 0, get(key)), value(key));
    }
    assert_eq!(fake.met.load(Ordering::SeqCst), 1);
}

#[test]
fn an_answer_in_fragments_is_one_answer() {
    let fake = Fake::start(|session| {
        session.greet(1, true)?;
        while session.line().is_some() {
            for byte in b"VALUE key 0 10\r\n0123\r\n6789\r\nEND\r\n" {
                session.say([*byte]);
            }
        }
        Some(())
    });
    let mut client = client(unhurried(), [&fake.address]);
    assert_eq!(ask(&mut client, 0, get("key")), value("0123\r\n6789"));
    assert_eq!(ask(&mut client, 0, get("key")), value("0123\r\n6789"));
}

#[test]
fn unix_and_version_6_sockets_carry_the_same() {
    let unix = Fake::unix("answers", echo);
    let v6 = Fake::v6(echo);
    let mut client = client(unhurried(), [&unix.address, &v6.address]);
    let mut questions = Questions::new(vec![(0, get("one")), (1, get("two"))]);
    assert_eq!(client.run(&mut questions), Outcome::Done);
    assert_eq!(questions.got, [Some(value("one")), Some(value("two"))]);
}

#[test]
fn every_command_is_sent_before_any_answer_is_awaited() {
    let all = Arc::new(Barrier::new(3));
    let fakes: Vec<Fake> = (0..3)
        .map(|_| {
            let all = Arc::clone(&all);
            Fake::start(move |session| {
                session.greet(1, true)?;
                while let Some(line) = session.line() {
                    all.wait();
                    let key = line.strip_prefix("get ").unwrap();
                    session.say(format!("VALUE {key} 0 1\r\n{key}\r\nEND\r\n"));
                }
                Some(())
            })
        })
        .collect();
    let mut client = client(unhurried(), fakes.iter().map(|fake| &fake.address));
    for _ in 0..3 {
        let mut questions = Questions::new(vec![(0, get("a")), (1, get("b")), (2, get("c"))]);
        assert_eq!(client.run(&mut questions), Outcome::Done);
        assert_eq!(questions.got, [Some(value("a")), Some(value("b")), Some(value("c"))]);
    }
}

#[test]
fn keys_for_one_server_share_a_line() {
    let fake = Fake::start(|session| {
        session.greet(1, true)?;
        assert_eq!(session.line()?, "get a b c");
        session.say("VALUE b 0 1\r\n2\r\nEND\r\n");
        session.line().map(drop)
    });
    let mut client = client(unhurried(), [&fake.address]);
    let mut questions = Questions::new(vec![(0, get("a")), (0, get("b")), (0, get("c"))]);
    assert_eq!(client.run(&mut questions), Outcome::Done);
    assert_eq!(questions.got, [Some(reply("Miss")), Some(value("2")), Some(reply("Miss"))]);
}

/// The server fills our side before it reads a byte of what we send: whoever only sends, or only
/// receives, waits for ever.
#[test]
fn large_values_pass_each_other() {
    const SIZE: usize = 32 << 20;
    let fake = Fake::start(|session| {
        session.greet(1, true)?;
        while let Some(line) = session.line() {
            assert_eq!(line, "get out");
            let mut answer = format!("VALUE out 0 {SIZE}\r\n").into_bytes();
            answer.resize(answer.len() + SIZE, b'o');
            answer.extend_from_slice(b"\r\nEND\r\n");
            session.say(&answer);
            assert_eq!(session.line()?, format!("set in 0 0 {SIZE}"));
            assert!(session.block(SIZE)?.iter().all(|byte| *byte == b'i'));
            session.say("STORED\r\n");
        }
        Some(())
    });
    let mut client = client(unhurried(), [&fake.address]);
    let big = vec![b'i'; SIZE];
    for _ in 0..2 {
        let mut questions = Questions::new(vec![(0, get("out")), (0, set("in", &big))]);
        assert_eq!(client.run(&mut questions), Outcome::Done);
        assert!(matches!(&questions.got[0], Some(Got::Value(out)) if *out == vec![b'o'; SIZE]));
        assert_eq!(questions.got[1], Some(reply("Stored")));
    }
}

extern "C" fn nothing(_: libc::c_int) {}

#[test]
fn signals_do_not_disturb_a_call() {
    // SAFETY: the handler does nothing, and the action is initialized; without SA_RESTART every
    // waiting system call ends with EINTR.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()), 0);
    }
    let (thread, known) = mpsc::channel::<libc::pthread_t>();
    let known = std::sync::Mutex::new(known);
    let fake = Fake::start(move |session| {
        session.greet(1, true)?;
        session.line()?;
        let caller = known.lock().unwrap().recv().ok()?;
        for byte in b"VALUE k 0 5\r\nvalue\r\nEND\r\n" {
            // SAFETY: the thread waits for this answer, so it lives.
            assert_eq!(unsafe { libc::pthread_kill(caller, libc::SIGUSR1) }, 0);
            session.say([*byte]);
        }
        session.line().map(drop)
    });
    let pool = pool(unhurried(), [&fake.address]);
    let caller = std::thread::spawn(move || ask(&mut Client::open(pool), 0, get("k")));
    thread.send(caller.as_pthread_t()).unwrap();
    assert_eq!(caller.join().unwrap(), value("value"));
}

#[test]
fn a_server_without_meta_commands_is_not_sent_any() {
    let fake = Fake::start(|session| {
        session.greet(1, false)?;
        assert_eq!(session.line()?, "get k");
        session.say("END\r\n");
        session.line().map(|line| panic!("it was sent {line}"))
    });
    let mut client = client(unhurried(), [&fake.address]);
    let lease = Command::Lease { key: b"k", seconds: 3 };
    assert_eq!(ask(&mut client, 0, lease), reply("Unsupported"));
    assert_eq!(ask(&mut client, 0, get("k")), reply("Miss"));
    assert_eq!(ask(&mut client, 0, lease), reply("Unsupported"));
}

/// Nothing is sent to a server that cannot take it, so nothing else tells that another one has taken its place.
#[test]
fn a_server_that_has_meta_commands_since_it_was_replaced_is_sent_them() {
    let (go, replaced) = mpsc::channel::<()>();
    let replaced = std::sync::Mutex::new(replaced);
    let fake = Fake::start(move |session| {
        session.greet(1 + session.nth as u32, session.nth > 0)?;
        if session.nth == 0 {
            return replaced.lock().unwrap().recv().ok();
        }
        while session.line().is_some() {
            session.say("EN\r\n");
        }
        Some(())
    });
    // Gone before the fake, which waits for it: a failed assertion must not wait for ever.
    let go = go;
    let mut client = client(unhurried(), [&fake.address]);
    let lease = Command::Lease { key: b"k", seconds: 3 };
    assert_eq!(ask(&mut client, 0, lease), reply("Unsupported"));
    go.send(()).unwrap();
    // Far more often than a connection is looked at that rests.
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while ask(&mut client, 0, lease) == reply("Unsupported") {
        assert!(std::time::Instant::now() < limit, "it is never asked again");
    }
    assert_eq!(ask(&mut client, 0, lease), reply("Miss"));
}

#[test]
fn a_refusal_is_an_answer_and_leaves_the_connection_in_step() {
    let fake = Fake::start(|session| {
        session.greet(1, true)?;
        assert_eq!(session.line()?, "set k 0 0 3");
        session.block(3)?;
        session.say("SERVER_ERROR object too large for cache\r\n");
        assert_eq!(session.line()?, "get k");
        session.say("END\r\n");
        session.line().map(drop)
    });
    let mut client = client(unhurried(), [&fake.address]);
    let refused = reply("SERVER_ERROR object too large for cache");
    assert_eq!(ask(&mut client, 0, set("k", b"val")), refused);
    assert_eq!(ask(&mut client, 0, get("k")), reply("Miss"));
    assert_eq!(fake.met.load(Ordering::SeqCst), 1);
}

#[test]
fn a_closed_connection_is_made_anew() {
    let shelf = Shelf::of(7);
    let fake = Fake::start(move |session| shelf.play(session));
    let mut client = client(unhurried(), [&fake.address]);
    let id = memcache::rules::pool::ServerId(0);
    assert_eq!(client.fd(id), None);
    assert_eq!(ask(&mut client, 0, set("k", b"v")), reply("Stored"));
    assert!(client.fd(id).is_some());
    client.disconnect(id);
    assert_eq!(client.fd(id), None);
    assert_eq!(ask(&mut client, 0, get("k")), value("v"));
    assert_eq!(fake.met.load(Ordering::SeqCst), 2);
}
