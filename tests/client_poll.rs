//! Waiting goes on when poll does not work. A program of its own, because a limit that makes poll
//! fail is the whole process's.

#[allow(dead_code, reason = "the other tests of the client use the rest")]
#[path = "client/fake.rs"]
mod fake;
#[allow(dead_code, reason = "the other tests of the client use the rest")]
#[path = "client/question.rs"]
mod question;

use fake::{Fake, Session};
use memcache::rules::operation::Outcome;
use question::{Questions, client, get, unhurried, value};

/// poll(2) refuses more sockets than the process may have open.
fn allow_open_files(count: libc::rlim_t) -> libc::rlim_t {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both point to a live struct.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        let before = std::mem::replace(&mut limit.rlim_cur, count);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
        before
    }
}

#[test]
fn answers_are_taken_when_poll_fails() {
    fn play(session: &mut Session) -> Option<()> {
        session.greet(1, true)?;
        while session.line().is_some_and(|line| line == "get k") {
            session.say("VALUE k 0 1\r\nv\r\nEND\r\n");
        }
        None
    }
    let fakes = [Fake::start(play), Fake::start(play)];
    let mut client = client(unhurried(), fakes.iter().map(|fake| &fake.address));
    let mut ask_both = || {
        let mut questions = Questions::new(vec![(0, get("k")), (1, get("k"))]);
        assert_eq!(client.run(&mut questions), Outcome::Done);
        assert_eq!(questions.got, [Some(value("v")), Some(value("v"))]);
    };
    ask_both();
    let before = allow_open_files(1);
    ask_both();
    allow_open_files(before);
    drop(client);
}
