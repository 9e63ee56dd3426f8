//! Everything that a hostile server does.

use std::time::Duration;

use crate::front::{Act, Acts, Behaviour, Flood, Stage};
use crate::outcomes::What;

/// A flood of values ends after so many bytes: more of them would tell nothing new.
pub const FLOOD: usize = 4 << 20;
/// One of what must not be taken in is far longer than all that may be kept of it. It costs little: who does not take it
/// in closes the connection.
const LONG_FLOOD: usize = 32 << 20;

struct List(Vec<Behaviour>);

impl List {
    fn add(&mut self, name: impl Into<String>, stage: Stage, acts: Acts) -> &mut Behaviour {
        let (name, flood) = (name.into(), Flood::Value);
        let (honest, truthful, cuts) = (false, false, false);
        self.0.push(Behaviour { name, stage, acts, honest, flood, truthful, cuts, means: &[] });
        self.0.last_mut().expect("one was pushed")
    }

    /// One that says the truth, and more than that.
    fn truthful(&mut self, name: &str, acts: Acts) -> &mut Behaviour {
        let one = self.add(name, Stage::Answer, acts);
        one.truthful = true;
        one
    }

    /// One that has no end, of which only so much may be kept.
    fn floods(&mut self, name: &str, stage: Stage, flood: Flood, again: &[u8]) {
        let again = again.to_vec();
        let acts = move |_: &[u8]| vec![Act::Flood(again.clone(), LONG_FLOOD), Act::Hang];
        self.add(name, stage, Box::new(acts)).flood = flood;
    }

    /// One that says the same to everything, and goes on.
    fn says(&mut self, bytes: &[u8], means: &'static [What]) {
        let name = format!("says {:?}", bytes.escape_ascii().to_string());
        let bytes = bytes.to_vec();
        self.add(name, Stage::Answer, Box::new(move |_| vec![Act::Say(bytes.clone())])).means = means;
    }

    /// One that says something in place of the first answer, and hangs.
    fn hangs(
        &mut self,
        name: &str,
        make: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
    ) -> &mut Behaviour {
        self.add(name, Stage::Answer, Box::new(move |true_one| vec![Act::Say(make(true_one)), Act::Hang]))
    }
}

/// How a connection ends, or does not.
const ENDS: [(&str, Act); 4] =
    [("closes", Act::Close), ("resets", Act::Reset), ("hangs", Act::Hang), ("says no more", Act::HangUp)];

/// Where an answer is cut: a place's name, and the place in an answer.
type Cut = (&'static str, fn(&[u8]) -> usize);

fn line(answer: &[u8]) -> usize {
    answer.iter().position(|byte| *byte == b'\n').map_or(answer.len(), |at| at + 1)
}

const CUTS: [Cut; 9] = [
    ("before its answer", |_| 0),
    ("behind its first byte", |_| 1),
    ("in the middle of its first line", |answer| line(answer) / 2),
    ("before the end of its first line", |answer| line(answer).saturating_sub(2)),
    ("in the end of its first line", |answer| line(answer).saturating_sub(1)),
    ("behind its first line, or in its end", |answer| line(answer).min(answer.len().saturating_sub(1))),
    ("in the middle of its answer", |answer| answer.len() / 2),
    ("before the end of its answer", |answer| answer.len().saturating_sub(2)),
    ("before the last byte of its answer", |answer| answer.len().saturating_sub(1)),
];

/// An answer with another length in its first line; one that has none is told that of a value.
fn with_length(answer: &[u8], length: &str) -> Vec<u8> {
    let (head, rest) = answer.split_at(line(answer));
    let text = String::from_utf8_lossy(head);
    let mut words: Vec<&str> = text.trim_end().split(' ').collect();
    let place = match words[0] {
        "VA" => 1,
        "VALUE" => 3,
        _ => return format!("VALUE key 0 {length}\r\nx").into_bytes(),
    };
    words[place] = length;
    [words.join(" ").as_bytes(), b"\r\n", rest].concat()
}

/// An answer about another key.
fn with_other_key(answer: &[u8]) -> Vec<u8> {
    let (head, rest) = answer.split_at(line(answer));
    let text = String::from_utf8_lossy(head);
    let mut words: Vec<String> = text.trim_end().split(' ').map(str::to_owned).collect();
    let is_classic = words[0] == "VALUE";
    let place =
        if is_classic { Some(1) } else { words.iter().skip(1).position(|word| word.starts_with('k')) };
    match place {
        Some(_) if is_classic => words[1] = words[1].chars().rev().collect(),
        Some(at) if words[0] == "VA" => words[at + 1] = "kyek".to_owned(),
        _ => return b"VALUE yek 0 5\r\nwrong\r\nEND\r\n".to_vec(),
    }
    [words.join(" ").as_bytes(), b"\r\n", rest].concat()
}

fn truthful(list: &mut List) {
    let say = |answer: &[u8]| Act::Say(answer.to_vec());
    let ms = Duration::from_millis;
    list.truthful("is honest", Box::new(move |answer| vec![say(answer)])).honest = true;
    list.truthful("answers late", Box::new(move |answer| vec![Act::Pause(ms(20)), say(answer)])).honest =
        true;
    list.truthful("answers too late", Box::new(move |answer| vec![Act::Pause(ms(700)), say(answer)]));
    list.truthful(
        "answers byte by byte",
        Box::new(move |answer| {
            let (last, rest) = answer.split_at(answer.len().saturating_sub(60));
            vec![say(last), Act::Slowly(rest.to_vec(), ms(1))]
        }),
    );
    list.truthful(
        "answers byte by byte, far too slowly",
        Box::new(move |answer| vec![Act::Slowly(answer.to_vec(), ms(60))]),
    );
    list.truthful("answers twice", Box::new(move |answer| vec![say(&answer.repeat(2))]));
    list.truthful(
        "answers, and again a moment later",
        Box::new(move |answer| vec![say(answer), Act::Pause(ms(2)), say(answer)]),
    );
    for (name, end) in ENDS {
        let acts = move |answer: &[u8]| vec![Act::Say(answer.to_vec()), end.clone()];
        list.truthful(&format!("answers and {name}"), Box::new(acts));
    }
    for more in [
        "END\r\n",
        "VALUE yek 0 5\r\nwrong\r\nEND\r\n",
        "\r\n",
        "\0\x01\x7f\r\n",
        "STORED\r\n",
        "MN\r\n",
        "HD\r\n",
    ] {
        let acts = move |answer: &[u8]| vec![Act::Say([answer, more.as_bytes()].concat())];
        list.truthful(&format!("answers, and says {more:?}"), Box::new(acts));
    }
    list.truthful(
        "answers, and floods",
        Box::new(move |answer| {
            vec![Act::Say([answer, b"x"].concat()), Act::Flood(vec![b'x'; 64 << 10], LONG_FLOOD)]
        }),
    )
    .flood = Flood::Line;
}

/// Answers to questions that nobody asked, or not this one.
fn other_questions(list: &mut List) {
    use What::{Deleted, Done, Exists, Hit, Miss, NotFound, NotStored, Number, Stored, Touched};
    list.says(b"STORED\r\n", &[Stored]);
    list.says(b"NOT_STORED\r\n", &[NotStored]);
    list.says(b"EXISTS\r\n", &[Exists]);
    list.says(b"NOT_FOUND\r\n", &[NotFound, Miss]);
    list.says(b"DELETED\r\n", &[Deleted]);
    list.says(b"TOUCHED\r\n", &[Touched]);
    list.says(b"OK\r\n", &[Done]);
    list.says(b"END\r\n", &[Miss, Done]);
    list.says(b"EN\r\n", &[Miss, NotFound]);
    list.says(b"HD\r\n", &[Stored, Deleted, Touched, Done]);
    list.says(b"NF\r\n", &[NotFound, Miss]);
    list.says(b"NS\r\n", &[NotStored]);
    list.says(b"EX\r\n", &[Exists]);
    list.says(b"MN\r\n", &[]);
    list.says(b"7\r\n", &[Number(7)]);
    list.says(b"VERSION 1.6.18\r\n", &[Done]);
    list.says(b"STAT pid 1\r\nEND\r\n", &[Done]);
    list.says(b"VA 0\r\n\r\n", &[Hit]);
    list.says(b"VALUE key 0 3\r\nabc\r\nEND\r\n", &[]);
    list.says(b"ERROR\r\n", &[]);
    list.says(b"CLIENT_ERROR bad data chunk\r\n", &[]);
    list.says(b"SERVER_ERROR out of memory storing object\r\n", &[]);
    list.says(b"18446744073709551616\r\n", &[]);
    list.says(b"-1\r\n", &[]);
    list.says(b" 5\r\n", &[]);
    list.says(b"\r\n", &[]);
    list.says(b"\n\n\n", &[]);
    list.says(b"\0\0\0\0\r\n", &[]);
    list.says(b"END\0\r\n", &[]);
    list.says(b"end\r\n", &[]);
    let bytes: Vec<u8> = (0..=255).collect();
    list.says(&bytes, &[]);
}

fn numbers(list: &mut List) {
    for length in [
        "2147483648",
        "1073741824",
        "4294967296",
        "9223372036854775807",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999",
        "-1",
        "+5",
        "0x5",
        "",
        "5 5 5 5",
    ] {
        list.hangs(&format!("tells the length {length:?}"), move |answer| with_length(answer, length));
    }
    list.hangs("tells too short a length", |answer| with_length(answer, "2"));
    list.hangs("tells too long a length", |answer| with_length(answer, "70"));
    list.hangs("flags beyond 32 bits", |_| b"VALUE key 4294967296 3\r\nabc\r\nEND\r\n".to_vec());
    list.hangs("a CAS number beyond 64 bits", |answer| {
        let text = String::from_utf8_lossy(&answer[..line(answer)]).trim_end().to_owned();
        format!("{text} c18446744073709551616\r\nabc\r\n").into_bytes()
    })
    // Where no number was asked for, the word before it is the answer.
    .means = &[What::Miss, What::Deleted, What::Done];
    list.hangs("answers about another key", with_other_key);
    list.hangs("more values than asked", |answer| {
        let value = answer.strip_suffix(b"END\r\n").unwrap_or(answer);
        [value, b"VALUE yek 0 5\r\nwrong\r\n", answer].concat()
    })
    .truthful = true;
    list.hangs("values behind the end", |answer| [b"VALUE yek 0 5\r\nwrong\r\nEND\r\n", answer].concat());
}

/// Of long lines: a client that was built for tests, on a machine without rest, takes longer for a mebibyte of short ones
/// than it waits for honest servers.
fn statistics() -> Vec<u8> {
    [b"STAT x ", &[b'1'; 1000][..], b"\r\n"].concat().repeat(60)
}

fn endless(list: &mut List) {
    let line = [b"VALUE ", &[b'x'; 64 << 10][..]].concat();
    list.floods("an endless line", Stage::Answer, Flood::Line, &line);
    list.floods("endless statistics", Stage::Answer, Flood::Statistics, &statistics());
    list.floods("endless lines", Stage::Answer, Flood::Line, &b"\r\n".repeat(30000));
    let value = [b"VALUE key 0 65536\r\n", &[b'x'; 65536][..], b"\r\n"].concat();
    list.add(
        "endless values",
        Stage::Answer,
        Box::new(move |_| vec![Act::Flood(value.clone(), FLOOD), Act::Hang]),
    );
    list.add(
        "an endless value",
        Stage::Answer,
        Box::new(|answer| {
            let value = with_length(answer, "1073741824");
            vec![Act::Say(value), Act::Flood(vec![b'x'; 64 << 10], FLOOD), Act::Hang]
        }),
    );
    list.add(
        "an endless line, slowly",
        Stage::Answer,
        Box::new(|_| vec![Act::Slowly(vec![b'x'; 4000], Duration::from_millis(5)), Act::Hang]),
    );
    list.add(
        "an endless value, slowly",
        Stage::Answer,
        Box::new(|answer| {
            let value = with_length(answer, "100000");
            vec![Act::Say(value), Act::Slowly(vec![b'x'; 4000], Duration::from_millis(5)), Act::Hang]
        }),
    );
}

/// Before anything was asked, and where nothing is carried out.
fn other_stages(list: &mut List) {
    for (name, end) in ENDS {
        for (stage, when) in [
            (Stage::Accept, "on a new connection"),
            (Stage::Greeting, "in place of a greeting"),
            (Stage::Request, "without having done it"),
            (Stage::Unasked, "while nobody asks"),
        ] {
            if stage == Stage::Unasked && matches!(end, Act::Hang) {
                continue;
            }
            let ended = end.clone();
            list.add(format!("{name} {when}"), stage, Box::new(move |_| vec![ended.clone()]));
        }
        let ended = end.clone();
        let half =
            move |greeting: &[u8]| vec![Act::Say(greeting[..greeting.len() / 2].to_vec()), ended.clone()];
        list.add(format!("{name} in the middle of a greeting"), Stage::Greeting, Box::new(half));
    }
    // What is pushed on an idle connection is read as the answer to what is asked next.
    for (pushed, means) in [
        (&b"END\r\n"[..], &[What::Miss, What::Done][..]),
        (b"STORED\r\n", &[What::Stored]),
        (b"VALUE yek 0 5\r\nwrong\r\nEND\r\n", &[]),
        (b"\0\xff\n", &[]),
    ] {
        let name = format!("pushes {:?}", pushed.escape_ascii().to_string());
        list.add(name, Stage::Unasked, Box::new(|_| vec![Act::Say(pushed.to_vec())])).means = means;
    }
    list.add(
        "greets with another protocol",
        Stage::Accept,
        Box::new(|_| vec![Act::Say(b"220 mail ESMTP\r\n220 mail ESMTP\r\n".to_vec())]),
    );
    for greeting in [
        &b"ERROR\r\nERROR\r\n"[..],
        b"STAT pid 99999999999999999999999\r\nSTAT uptime -5\r\nSTAT time 18446744073709551615\r\nEND\r\nMN\r\n",
        b"STAT pid 1\r\nSTAT uptime 18446744073709551615\r\nSTAT time 0\r\nEND\r\nMN\r\n",
        b"END\r\nEND\r\n",
        b"STAT\r\nSTAT \r\nSTAT pid\r\nEND\r\nMN\r\n",
        b"END\r\nMN\r\nMN\r\n",
        b"SERVER_ERROR too many connections\r\n",
        b"\0\0\0\0\0\0\0\0\r\n",
    ] {
        let name = format!("greets with {:?}", greeting.escape_ascii().to_string());
        let acts = |_: &[u8]| vec![Act::Say(greeting.to_vec())];
        // Some of these are greetings, after which it is as good as another.
        list.add(name, Stage::Greeting, Box::new(acts)).truthful = true;
    }
    list.floods("an endless greeting", Stage::Greeting, Flood::Statistics, &statistics());
}

/// All of them.
pub fn all() -> Vec<Behaviour> {
    let mut list = List(Vec::new());
    truthful(&mut list);
    for (where_, cut) in CUTS {
        for (name, end) in ENDS {
            let acts = move |answer: &[u8]| vec![Act::Say(answer[..cut(answer)].to_vec()), end.clone()];
            list.add(format!("{name} {where_}"), Stage::Answer, Box::new(acts)).cuts = true;
        }
    }
    other_questions(&mut list);
    numbers(&mut list);
    endless(&mut list);
    other_stages(&mut list);
    list.0
}
