//! Does somebody answer as memcached does? Some hundreds of sequences of requests are played on a real
//! memcached and on a subject, and what comes back is compared byte for byte. Nobody has written down what
//! the answers should be: the memcached that is installed says it.
//!
//! Every sequence is sent in one write, then cut in two at every byte (long ones at some), then byte by
//! byte. The corpus and how to read it: `corpus.rs`. What is not compared: `compare.rs`.
//!
//! Time is the one thing that the two sides do not share: a second may end between them. A difference
//! counts when it is there three times in a row.
//!
//! ```text
//! CONFORMANCE_SUBJECT=127.0.0.1:11311    plays the corpus on whoever listens there
//! CONFORMANCE_BACKUPS=1                  whose pool has backups
//! CONFORMANCE_ONLY=text                  only sequences in which that stands
//! ```
#![cfg(feature = "programs")]

mod compare;
mod corpus;
mod liar;
mod play;
mod proxy;
mod render;
#[path = "../support/mod.rs"]
mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use corpus::Sequence;
use liar::{Liar, Lie};
use play::{Cuts, Kind, Side, Subject, Variant};
use proxy::Proxy;
use support::server::Memcached;

/// A sequence of up to so many bytes is cut at every one, a longer one at so many.
const CUTS: usize = 160;
/// So many connections are at work at once.
const ABREAST: usize = 80;
/// A difference counts when it was seen so often in a row.
const TRIES: usize = 3;
/// Places to cut long sequences at are drawn from this.
const SEED: u64 = 20_261_128;

struct Plain(Memcached);

impl Plain {
    fn start() -> Plain {
        // Room for all that the corpus stores: none of it may be evicted.
        Plain(Memcached::start_with(&["-c", "2048", "-m", "1024"]))
    }
}

impl Subject for Plain {
    fn address(&self) -> String {
        self.0.address()
    }
    fn kind(&self) -> Kind {
        Kind::Memcached
    }
}

/// Whoever was named in the environment.
struct Named(String);

impl Subject for Named {
    fn address(&self) -> String {
        self.0.clone()
    }
    fn kind(&self) -> Kind {
        if std::env::var_os("CONFORMANCE_BACKUPS").is_some() { Kind::ProxyWithBackups } else { Kind::Proxy }
    }
}

/// What came of a comparison.
#[derive(Default)]
struct Outcome {
    sequences: usize,
    variants: usize,
    differences: Vec<String>,
    /// Sequences that the subject may answer otherwise, and does.
    allowed: Vec<String>,
    /// And those where it does not.
    needless: Vec<String>,
}

/// Two sides, and what was compared so far.
struct Comparison {
    theirs: Side,
    ours: Side,
    kind: Kind,
    fresh: u32,
    outcome: Outcome,
}

impl Comparison {
    fn new(memcached: &Plain, subject: &dyn Subject) -> Comparison {
        let (theirs, ours) = (Side::new(&memcached.address()), Side::new(&subject.address()));
        Comparison { theirs, ours, kind: subject.kind(), fresh: 0, outcome: Outcome::default() }
    }

    fn all(mut self, sequences: &[Sequence]) -> Outcome {
        for (id, sequence) in sequences.iter().enumerate() {
            self.one(id, sequence);
        }
        self.outcome
    }

    /// Compares one sequence in all its variants, up to the first that is different.
    fn one(&mut self, id: usize, sequence: &Sequence) {
        let cuts = cuts(sequence);
        let abreast = if sequence.alone { 1 } else { ABREAST };
        let (first, others) = cuts.split_at(1);
        let found = self
            .different(id, sequence, first)
            .or_else(|| others.chunks(abreast).find_map(|cuts| self.different(id, sequence, cuts)));
        self.outcome.sequences += 1;
        self.outcome.variants += cuts.len();
        let with_backups = sequence.with_backups.as_ref().filter(|_| self.kind == Kind::ProxyWithBackups);
        if let (Some(found), Some(why)) = (&found, with_backups) {
            self.outcome.allowed.push(format!("{sequence}\n  {why}: {found}"));
            return;
        }
        match (found, sequence.differs.as_ref().filter(|_| self.kind != Kind::Memcached)) {
            (Some(found), Some(why)) => self.outcome.allowed.push(format!("{sequence}\n  {why}: {found}")),
            (Some(found), None) => self.outcome.differences.push(format!("{sequence}\n  {found}")),
            (None, Some(_)) => self.outcome.needless.push(sequence.to_string()),
            (None, None) => {}
        }
    }

    /// The first difference among these variants, which was there in every try.
    fn different(&mut self, id: usize, sequence: &Sequence, cuts: &[Cuts]) -> Option<String> {
        let mut suspects = cuts.to_vec();
        let mut found = None;
        for _ in 0..TRIES {
            let variants: Vec<Variant> = suspects.iter().map(|cuts| self.variant(cuts)).collect();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64;
            let theirs = self.theirs.play(sequence, id, now, &variants);
            let ours = self.ours.play(sequence, id, now, &variants);
            let mut still = Vec::new();
            found = None;
            for ((variant, ours), theirs) in variants.iter().zip(&ours).zip(&theirs) {
                if let Some(difference) = compare::difference(sequence, ours, theirs) {
                    found.get_or_insert_with(|| format!("{}, {difference}", described(&variant.cuts)));
                    still.push(variant.cuts.clone());
                }
            }
            suspects = still;
            found.as_ref()?;
        }
        found
    }

    fn variant(&mut self, cuts: &Cuts) -> Variant {
        self.fresh += 1;
        Variant { number: self.fresh, cuts: cuts.clone() }
    }
}

fn described(cuts: &Cuts) -> String {
    match cuts {
        Cuts::Nowhere => "in one write".to_owned(),
        Cuts::Before(byte) => format!("cut before byte {byte}"),
        Cuts::Everywhere => "byte by byte".to_owned(),
    }
}

/// How many bytes a sequence has, more or less: a CAS number may have another length.
fn length(sequence: &Sequence) -> usize {
    sequence.steps.iter().map(|step| render::rendered(step, 0, 0, 0, 1_700_000_000).len()).sum()
}

/// All the ways to send a sequence.
fn cuts(sequence: &Sequence) -> Vec<Cuts> {
    let mut all = vec![Cuts::Nowhere];
    if sequence.whole {
        return all;
    }
    let length = length(sequence);
    if length <= CUTS {
        all.extend((1..length).map(Cuts::Before));
        all.push(Cuts::Everywhere);
        return all;
    }
    let mut state = SEED ^ length as u64;
    all.extend((0..CUTS / 2).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Cuts::Before(1 + (state >> 16) as usize % (length - 1))
    }));
    // Where lines begin and end is where mistakes are made.
    all.extend((1..CUTS / 4).map(Cuts::Before));
    all.extend((length - CUTS / 4..length).map(Cuts::Before));
    if length < 4096 {
        all.push(Cuts::Everywhere);
    }
    all
}

/// The corpus; of it what the environment asks for. Those that concern every key come last.
fn sequences() -> Vec<Sequence> {
    let mut all = corpus::read();
    if let Ok(only) = std::env::var("CONFORMANCE_ONLY") {
        all.retain(|sequence| sequence.to_string().contains(&only));
    }
    all.sort_by_key(|sequence| sequence.alone);
    all
}

fn passes(name: &str, outcome: &Outcome) {
    let Outcome { sequences, variants, differences, allowed, needless } = outcome;
    println!(
        "{name}: {sequences} sequences in {variants} variants, {} differences, {} that are allowed",
        differences.len(),
        allowed.len()
    );
    for allowed in allowed {
        println!("allowed: {allowed}");
    }
    assert!(differences.is_empty(), "{name} differs from memcached in:\n{}", differences.join("\n"));
    assert!(
        needless.is_empty(),
        "these are no differences any more: strike them off:\n{}",
        needless.join("\n")
    );
}

#[test]
fn the_corpus_is_large_and_says_everything_once() {
    let all = corpus::read();
    let mut texts: Vec<&str> = all.iter().map(|sequence| sequence.text.as_str()).collect();
    texts.sort_unstable();
    let twice: Vec<_> = texts.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    assert!(twice.is_empty(), "these are there twice: {twice:#?}");
    assert!(texts.len() >= 500, "there are {} sequences", texts.len());
    println!("{} sequences", texts.len());
}

/// What two memcacheds have in common is what can be asked of others.
#[test]
fn one_memcached_answers_as_another() {
    let (one, other) = (Plain::start(), Plain::start());
    passes("memcached", &Comparison::new(&one, &other).all(&sequences()));
}

#[test]
fn the_proxy_answers_as_memcached() {
    passes("memcache-proxy", &Comparison::new(&Plain::start(), &Proxy::start("none")).all(&sequences()));
}

#[test]
fn the_proxy_with_backups_answers_as_memcached() {
    let proxy = Proxy::start("pairs");
    passes("memcache-proxy with backups", &Comparison::new(&Plain::start(), &proxy).all(&sequences()));
}

#[test]
fn whoever_is_named_answers_as_memcached() {
    let Ok(address) = std::env::var("CONFORMANCE_SUBJECT") else { return };
    let memcached = Plain::start();
    passes(&address.clone(), &Comparison::new(&memcached, &Named(address)).all(&sequences()));
}

/// The differences of a relay that tells this lie, in what these lines say.
fn found_out(lie: Lie, lines: &[&str]) -> Vec<String> {
    let (memcached, behind) = (Plain::start(), Plain::start());
    let liar = Liar::start(behind.0.port(), lie);
    let all: Vec<Sequence> = lines.iter().flat_map(|line| corpus::sequences(line, "here")).collect();
    Comparison::new(&memcached, &liar).all(&all).differences
}

#[test]
fn a_planted_difference_is_found() {
    let lines = [
        "set {k} 1 0 3 | abc | get {k} | get {k}",
        "add {k} 0 0 1 | 1 | add {k} 0 0 1 | 2",
        "ms {k} 1 c | 1 | mg {k} c | ms {k} 1 c | 2",
    ];
    assert_eq!(found_out(Lie::None, &lines), [""; 0]);
    for (lie, which, word) in [
        (Lie::Says("NOT_STORED", "EXISTS"), 1, "in one write"),
        (Lie::Says("abc", "abd"), 0, "in one write"),
        (Lie::LosesAByteOfFragments, 0, "cut before"),
        (Lie::ForgetsPipelines, 0, "cut before"),
        (Lie::OneCas, 2, "CAS numbers"),
    ] {
        let found = found_out(lie, &lines[which..=which]);
        assert_eq!(found.len(), 1, "{lie:?}");
        assert!(found[0].contains(word), "{lie:?}: {}", found[0]);
    }
}
