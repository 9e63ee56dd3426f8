//! Servers that break the protocol on purpose, against a C program that must not care.

use super::fake::{Fake, Session};
use super::{Family, Memcached, Source, Watch, command, compile, passed, watches};

/// What a hostile server does, connection by connection.
#[derive(Clone, Copy)]
enum Habit {
    /// Greets as a server should, and answers every command with this, then closes.
    Says(&'static str),
    /// Greets, and answers every command with this, then says nothing more until the client goes.
    SaysAndHangs(&'static str),
    /// Greets, and answers with this, and then with `x` for ever.
    Floods(&'static str),
    /// Answers the greeting itself with this and hangs.
    GreetsWith(&'static str),
}

const HABITS: [(&str, Habit); 17] = [
    ("closes at once", Habit::Says("")),
    ("never answers", Habit::SaysAndHangs("")),
    ("never even greets", Habit::GreetsWith("")),
    ("greets with another protocol", Habit::GreetsWith("220 mail ESMTP\r\n220 mail ESMTP\r\n")),
    ("half a line", Habit::SaysAndHangs("VAL")),
    ("the wrong key", Habit::Says("VALUE yek 0 5\r\nwrong\r\nEND\r\n")),
    ("garbage", Habit::Says("\u{1}\u{2}\0\u{7f} what?\r\n")),
    ("closes in the middle of a value", Habit::Says("VALUE key 0 5\r\nva")),
    ("hangs in the middle of a value", Habit::SaysAndHangs("VALUE key 0 5\r\nva")),
    ("closes in the middle of a large value", Habit::Says("VALUE key 0 1000000\r\nva")),
    ("hangs in the middle of a large value", Habit::SaysAndHangs("VALUE key 0 1000000\r\nva")),
    ("a length of 2^63", Habit::SaysAndHangs("VALUE key 0 9223372036854775808\r\nx")),
    ("a length of 2^64", Habit::Says("VALUE key 0 18446744073709551616\r\nx")),
    ("a negative length", Habit::Says("VALUE key 0 -1\r\nx")),
    ("a length of 1 GiB that never comes", Habit::SaysAndHangs("VALUE key 0 1073741824\r\nx")),
    ("a value longer than it said", Habit::Says("VALUE key 0 2\r\nvalue\r\nEND\r\n")),
    ("an endless line", Habit::Floods("VALUE ")),
];

/// Until the client goes.
fn wait(session: &mut Session) -> Option<()> {
    while session.line().is_some() {}
    None
}

fn play(habit: Habit, session: &mut Session) -> Option<()> {
    if let Habit::GreetsWith(words) = habit {
        session.line()?;
        session.say(words);
        return wait(session);
    }
    session.greet(1, false)?;
    session.line()?;
    match habit {
        Habit::Says(words) => {
            session.say(words);
            None
        }
        Habit::Floods(words) => {
            session.say(words);
            while session.say([b'x'; 65536]) {}
            None
        }
        Habit::SaysAndHangs(words) | Habit::GreetsWith(words) => {
            session.say(words);
            wait(session)
        }
    }
}

fn try_out(name: &str, habit: Habit, family: Family, watch: Watch) {
    let program = compile(Source { name: "hostile", family }, watch);
    let good = Memcached::start();
    let bad = Fake::start(move |session| play(habit, session));
    let mut command = command(&program, watch);
    command.args([bad.address.to_string(), good.address()]);
    if watch == Watch::None {
        command.env("BOUNDED", "1");
    }
    passed(&format!("{name}: {family:?} {watch:?}"), &command.output().expect("it runs"));
}

#[test]
fn a_hostile_server_harms_nobody() {
    for (nth, (name, habit)) in HABITS.into_iter().enumerate() {
        let family = if nth % 2 == 0 { Family::Mc } else { Family::Mcm };
        try_out(name, habit, family, Watch::None);
    }
}

#[test]
fn nor_does_it_find_a_hole_in_memory() {
    let ending = |(_, habit): &(&str, Habit)| matches!(habit, Habit::Says(_) | Habit::Floods(_));
    for (name, habit) in HABITS.into_iter().filter(ending) {
        for watch in watches().filter(|watch| *watch != Watch::None) {
            try_out(name, habit, Family::Mc, watch);
        }
    }
}
