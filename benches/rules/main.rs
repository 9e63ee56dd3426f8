//! `make bench-rules`: what the rules cost alone, without a server: where a key lives, in pools of every size; a look at
//! the shared table; answers read off bytes. criterion measures, and compares with the last run; what it found stands
//! below target/criterion.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use memcache::rules::places::{Placement, home};
use memcache::rules::pool::{Options, Pool, Server, pair_up};
use memcache::rules::view::View;
use memcache::rules::wire::parse::{Limits, parse};
use memcache::rules::wire::pending::Pending;
use memcache::rules::wire::{Command, Reply};
use memcache::table::{
    Epoch, List, Lock, Reader, Settings, Snapshot, Stripes, StripesSettings, Trust, Writer, identity,
};

#[path = "../../tests/support/mod.rs"]
mod support;

const SLOTS: [u16; 4] = [8, 100, 1_000, 4_000];

/// A pool of so many servers, a slot each.
fn pool(slots: u16, backups: bool) -> Pool {
    let server = |number: u16| {
        let name = format!("10.0.{}.{}:11211", number / 250, number % 250);
        let address = name.parse().expect("an address");
        Server { name, address, weight: 1, backup: None }
    };
    let mut servers: Vec<Server> = (0..slots).map(server).collect();
    if backups {
        pair_up(&mut servers);
    }
    Pool::new("bench", Options { backups, ..Options::default() }, servers)
}

/// Keys of eleven bytes.
fn keys() -> Vec<Vec<u8>> {
    (0..1_000).map(|number| format!("key-{number:07}").into_bytes()).collect()
}

fn placement(criterion: &mut Criterion) {
    let keys = keys();
    let mut group = criterion.benchmark_group("placement");
    group.throughput(Throughput::Elements(1));
    for slots in SLOTS {
        let pool_alone = pool(slots, false);
        let mut all = keys.iter().cycle();
        group.bench_function(format!("home, {slots} slots"), |bench| {
            bench.iter(|| home(&pool_alone, black_box(all.next().expect("it goes round"))));
        });
        let view = View::new(std::sync::Arc::new(pool(slots, true)));
        let mut all = keys.iter().cycle();
        group.bench_function(format!("home and backup, {slots} slots"), |bench| {
            bench.iter(|| Placement::of(&view, black_box(all.next().expect("it goes round"))));
        });
    }
}

fn table(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("table");
    for servers in [8, 1_000] {
        let scratch = support::scratch::Scratch::new();
        let path = scratch.path().join("table");
        let lock = Lock::take(&path).expect("nobody else writes it");
        let stripes = Stripes::create(&lock, &StripesSettings::default()).expect("a stripes file");
        let mut list = List::new(&pool(servers, true), &[], 1);
        for (slot, entry) in (0..).zip(&mut list.servers) {
            (entry.epoch, entry.epoch_slot) = (2, slot);
            stripes.set(slot, Epoch::new(2)).expect("it grows");
        }
        let snapshot = Snapshot { current: list, stripes: stripes.id(), ..Snapshot::default() };
        let _writer = Writer::create(lock, &Settings::default(), &snapshot).expect("a table");
        let open = || Reader::open(&path, Trust::default()).expect("a table");
        let (mut reader, mut seen) = (open(), Snapshot::default());
        assert!(reader.snapshot(&mut seen).expect("a snapshot"));
        group.bench_function(format!("nothing new, {servers} servers"), |bench| {
            bench.iter(|| black_box(&mut reader).snapshot(&mut seen).expect("a snapshot"));
        });
        let now = identity::boot_millis();
        group.bench_function(format!("attended, {servers} servers"), |bench| {
            bench.iter(|| black_box(&reader).attendance(black_box(now)));
        });
        group.bench_function(format!("everything new, {servers} servers"), |bench| {
            let news = |mut reader: Reader| {
                let mut into = Snapshot::default();
                assert!(reader.snapshot(&mut into).expect("a snapshot"));
                into
            };
            bench.iter_batched(open, news, BatchSize::SmallInput);
        });
    }
}

fn wire(criterion: &mut Criterion) {
    let (keys, value, limits) = (keys(), vec![b'v'; 100], Limits::default());
    let mut group = criterion.benchmark_group("wire");
    let one = [&b"VALUE key-0000000 0 100\r\n"[..], &value, b"\r\nEND\r\n"].concat();
    let get = Command::Get { key: &keys[0], meta: false };
    group.throughput(Throughput::Bytes(one.len() as u64));
    group.bench_function("a value of 100 bytes", |bench| {
        bench.iter(|| {
            let (reply, took) = parse(&get, false, black_box(&one), &limits).expect("sense").expect("whole");
            assert!(matches!(reply, Reply::Value(_)));
            took
        });
    });

    // As a connection reads the answer to a line of many keys.
    let asked = &keys[..100];
    let mut many: Vec<u8> =
        asked.iter().flat_map(|key| [&b"VALUE "[..], key, b" 0 100\r\n", &value, b"\r\n"].concat()).collect();
    many.extend_from_slice(b"END\r\n");
    let command = |number: usize| Command::Get { key: &asked[number], meta: false };
    let question = || {
        let (mut pending, mut out) = (Pending::default(), Vec::new());
        for number in 0..asked.len() {
            assert!(pending.ask(number, &command(number), false, &mut out));
        }
        pending.close(&mut out);
        pending
    };
    group.throughput(Throughput::Bytes(many.len() as u64));
    group.bench_function("a hundred values of 100 bytes", |bench| {
        bench.iter_batched(
            question,
            |mut pending| {
                let mut at = 0;
                let mut next = |at: usize| {
                    let bytes = &black_box(&many)[at..];
                    let everyday = pending.next_everyday(bytes, false, &limits, command);
                    everyday.or_else(|| pending.next(bytes, false, &limits, command).expect("sense"))
                };
                while let Some((_, reply, took)) = next(at) {
                    assert!(matches!(reply, Reply::Value(_)));
                    at += took;
                }
                assert!(pending.is_empty());
                pending
            },
            BatchSize::SmallInput,
        );
    });
}

/// Short, because there are many: `--measurement-time 5` for more.
fn quick() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(1_500))
}

criterion_group!(name = rules; config = quick().configure_from_args(); targets = placement, table, wire);
criterion_main!(rules);
