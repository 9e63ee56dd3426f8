//! Turns at a stripe, among processes that are killed, stopped, and many.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memcache::table::stripes::layout::{EPOCHS, STRIPES_AT};
use memcache::table::stripes::word::Word;
use memcache::table::{Lock, Stripes, StripesSettings, TrialTurn, Trust, identity};
use rustix::process::{Pid, Signal, kill_process};

use super::lines::{self, Process};
use super::support::scratch::Scratch;
use super::support::wait;

/// The key that everybody wants.
const HASH: u32 = 0xdead_beef;
/// So far off that a turn that does not come is a failure of the test.
const LONG: u64 = 60_000;

fn now() -> u64 {
    identity::boot_millis()
}

fn me() -> u64 {
    u64::from(std::process::id())
}

fn made(directory: &Scratch) -> (PathBuf, Stripes) {
    let path = directory.path().join("table");
    let lock = Lock::take(&path).expect("nobody has it");
    (path, Stripes::create(&lock, &StripesSettings::default()).expect("a stripes file"))
}

fn opened(path: &Path) -> Stripes {
    Stripes::open(path, &Trust::default()).expect("the stripes file")
}

/// The word of [`HASH`], past the library.
fn word(table: &Path) -> Word {
    let file = File::open(Stripes::path_for(table)).expect("the stripes file");
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, (STRIPES_AT + 8 * (HASH as usize % 16_384)) as u64).expect("its words");
    Word(u64::from_ne_bytes(bytes))
}

fn signal(child: &Process, signal: Signal) {
    let pid = Pid::from_raw(child.id() as i32).expect("a process id");
    kill_process(pid, signal).expect("our child");
}

fn start(test: &str, path: &Path) -> Process {
    Process::start(lines::command(test, path.to_str().expect("UTF-8")))
}

fn until_held_by(child: &Process, path: &Path) {
    wait::until("the child holds the stripe", || (word(path).pid() == child.id()).then_some(()));
}

#[test]
fn a_stripe_is_taken_and_given_back() {
    let scratch = Scratch::new();
    let (path, stripes) = made(&scratch);
    let other = opened(&path);
    assert_eq!(other.id(), stripes.id());
    let held = stripes.take(HASH, now() + LONG, me(), now).expect("nobody has it");
    assert!(held.still_ours() && !held.taken_over());
    assert!(held.in_time(now()) && !held.in_time(held.deadline()));
    assert_eq!(word(&path).pid(), std::process::id());
    let overdue = other.take(HASH, now() + 20, me(), now).expect_err("held");
    assert_eq!(overdue.holder, std::process::id());
    assert!(overdue.to_string().contains(&std::process::id().to_string()));
    let _another = other.take(HASH + 1, now() + LONG, me(), now).expect("another stripe");
    drop(held);
    assert_eq!(word(&path), Word::FREE);
    assert_eq!(other.take(HASH, now(), me(), now).expect_err("too late").holder, 0);
    let held = other.take(HASH, u64::MAX, me(), now).expect("nobody has it");
    assert!(held.deadline() <= now() + 300_000, "nobody holds it for ever");
}

/// Killed, and not even buried: its parent has not asked how it ended.
#[test]
fn a_killed_holder_keeps_nobody_waiting() {
    let test = "turns::a_killed_holder_keeps_nobody_waiting";
    if let Some(path) = lines::errand() {
        let stripes = opened(Path::new(&path));
        let _held = stripes.take(HASH, now() + 2 * LONG, me(), now).expect("a turn");
        loop {
            std::thread::park();
        }
    }
    let scratch = Scratch::new();
    let (path, stripes) = made(&scratch);
    for waiting in [false, true] {
        let child = start(test, &path);
        until_held_by(&child, &path);
        let held = std::thread::scope(|scope| {
            let taker = waiting.then(|| {
                scope.spawn(|| {
                    stripes.take(HASH, now() + LONG, me(), now).expect("before the deadline").forget()
                })
            });
            if waiting {
                wait::until("somebody waits", || (word(&path) == word(&path).awaited()).then_some(()));
            }
            signal(&child, Signal::KILL);
            taker.map(|taker| taker.join().expect("a turn"))
        });
        if held.is_none() {
            let mut held = stripes.take(HASH, now() + LONG, me(), now).expect("before the deadline");
            held.proved();
            drop(held);
            assert_eq!(word(&path), Word::FREE);
        } else {
            assert_eq!(word(&path).pid(), std::process::id(), "taken over by the one who waited");
        }
    }
}

/// Stopped past its deadline: taken over; and when it wakes up, it knows, and gives nothing back.
#[test]
fn a_stopped_holder_is_taken_over_at_its_deadline() {
    let test = "turns::a_stopped_holder_is_taken_over_at_its_deadline";
    if let Some(path) = lines::errand() {
        let stripes = opened(Path::new(&path));
        let held = stripes.take(HASH, now() + 500, me(), now).expect("a turn");
        wait::until("it is lost", || (!held.still_ours()).then_some(()));
        assert!(!held.in_time(now()) && now() >= held.deadline());
        return;
    }
    let scratch = Scratch::new();
    let (path, stripes) = made(&scratch);
    let child = start(test, &path);
    until_held_by(&child, &path);
    signal(&child, Signal::STOP);
    let theirs = word(&path);
    let mut held = stripes.take(HASH, now() + LONG, me(), now).expect("after its deadline");
    assert_eq!(theirs.left(now()), None, "and not sooner");
    signal(&child, Signal::CONT);
    child.succeed();
    assert!(held.still_ours() && held.taken_over(), "who was taken over gives nothing back");
    held.proved();
    drop(held);
    assert_eq!(word(&path), Word::FREE);
}

/// Who takes it over and does not prove it leaves it to the next, who knows as much.
#[test]
fn what_was_taken_over_is_given_back_when_it_is_proved() {
    let scratch = Scratch::new();
    let (path, stripes) = made(&scratch);
    let stripes = Arc::new(stripes);
    let take = || wait::until("a turn", || stripes.take(HASH, now() + 20, me(), now).ok());
    let look = || wait::until("a turn", || stripes.look(HASH, now() + 20, false, me()));
    take().forget();
    let held = take();
    assert!(held.taken_over());
    drop(held);
    assert_ne!(word(&path), Word::FREE);
    let kept = look();
    assert!(kept.taken_over());
    drop(kept);
    assert_ne!(word(&path), Word::FREE);
    let mut kept = look();
    assert!(kept.taken_over());
    kept.proved();
    assert!(!kept.taken_over());
    drop(kept);
    assert_eq!(word(&path), Word::FREE);
}

/// A child of a fork has its parent's memory, and a name of its own.
#[test]
fn a_child_of_a_fork_is_somebody_else() {
    let scratch = Scratch::new();
    let (path, stripes) = made(&scratch);
    let held = stripes.take(HASH, now() + LONG, me(), now).expect("nobody has it");
    // SAFETY: the child calls what needs no lock of another thread's, and _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        held.forget();
        let parents = stripes.take(HASH, now() + 20, me(), now).is_err();
        let own = stripes.take(HASH + 1, now() + LONG, me(), now).is_ok_and(|held| held.still_ours());
        let killed = stripes.take(HASH + 2, now() + 2 * LONG, me(), now).map(|held| held.forget()).is_ok();
        // SAFETY: it ends the child at once.
        unsafe { libc::_exit(i32::from(!(parents && own && killed))) };
    }
    let mut status = -1;
    // SAFETY: our child, and a place for its status.
    let waited =
        wait::until("the child ends", || match unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) } {
            0 => None,
            pid => Some(pid),
        });
    assert_eq!((waited, status), (child, 0));
    assert!(held.still_ours());
    assert_eq!(word(&path).pid(), std::process::id());
    drop(
        stripes
            .take(HASH + 2, now() + LONG, me(), now)
            .expect("it ended with the stripe, under its own name"),
    );
}

/// The words of a file that the takers share: plain reads and writes, as data that the stripe protects.
struct Count(File);

/// Who is inside, how many turns there were, how many takers are ready; then each taker's turns.
const INSIDE: u64 = 0;
const TURNS: u64 = 1;
const TAKERS: u64 = 2;

impl Count {
    fn open(table: &Path) -> Count {
        let path = table.with_file_name("count");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        Count(file.expect("a file of ours"))
    }

    fn get(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        let length = self.0.read_at(&mut bytes, 8 * at).expect("a file of ours");
        if length < 8 { 0 } else { u64::from_ne_bytes(bytes) }
    }

    fn set(&self, at: u64, value: u64) {
        self.0.write_all_at(&value.to_ne_bytes(), 8 * at).expect("a file of ours");
    }

    fn add(&self, at: u64) {
        let value = self.get(at);
        std::thread::yield_now();
        self.set(at, value + 1);
    }

    /// A turn at the count: nobody else is inside, or somebody who has been killed there.
    fn turn(&self, own: u64) {
        let before = self.get(INSIDE) as u32;
        assert!(before == 0 || identity::Process { pid: before, start: 0 }.is_gone(), "two at once");
        self.set(INSIDE, u64::from(std::process::id()));
        self.add(TURNS);
        self.add(own);
        assert_eq!(self.get(INSIDE), u64::from(std::process::id()), "two at once");
        self.set(INSIDE, 0);
    }
}

const MANY: u64 = 64;
const SHARE: u64 = 60;

#[test]
fn sixty_four_processes_at_one_key_have_a_fair_share_each() {
    let test = "turns::sixty_four_processes_at_one_key_have_a_fair_share_each";
    if let Some(errand) = lines::errand() {
        let (path, own) = errand.rsplit_once(' ').expect("a path and a number");
        let (stripes, count) = (opened(Path::new(path)), Count::open(Path::new(path)));
        let own: u64 = own.parse().expect("a number");
        count.set(TAKERS + MANY + own, 1);
        while count.get(TURNS) < MANY * SHARE {
            let held = stripes.take(HASH, now() + LONG, me(), now).expect("everybody's turn comes");
            count.turn(TAKERS + own);
            assert!(held.in_time(now()));
        }
        return;
    }
    let scratch = Scratch::new();
    let (path, stripes) = made(&scratch);
    let count = Count::open(&path);
    // All are there before the first one begins.
    let gate = stripes.take(HASH, now() + LONG, me(), now).expect("nobody has it");
    let children: Vec<_> = (0..MANY)
        .map(|own| Process::start(lines::command(test, &format!("{} {own}", path.display()))))
        .collect();
    wait::until("all are there", || (0..MANY).all(|own| count.get(TAKERS + MANY + own) == 1).then_some(()));
    drop(gate);
    for child in children {
        child.succeed();
    }
    let turns: Vec<_> = (0..MANY).map(|own| count.get(TAKERS + own)).collect();
    assert_eq!(turns.iter().sum::<u64>(), count.get(TURNS), "no turn was lost: {turns:?}");
    println!("turns of each, of {SHARE} on average: {turns:?}");
    let least = turns.iter().min().expect("64");
    assert!(*least >= SHARE / 4, "somebody came short: {turns:?}");
    assert_eq!(word(&path).pid(), 0);
}

/// Takers that are killed anywhere: inside, while they wait, while they are woken.
#[test]
fn killed_takers_never_let_two_in_and_never_keep_the_others_out() {
    let test = "turns::killed_takers_never_let_two_in_and_never_keep_the_others_out";
    if let Some(path) = lines::errand() {
        let (stripes, count) = (opened(Path::new(&path)), Count::open(Path::new(&path)));
        loop {
            let mut held = stripes.take(HASH, now() + LONG, me(), now).expect("everybody's turn comes");
            count.turn(TAKERS);
            held.proved();
        }
    }
    let scratch = Scratch::new();
    let (path, stripes) = made(&scratch);
    let count = Count::open(&path);
    let mut takers: Vec<_> = (0..6).map(|_| start(test, &path)).collect();
    for round in 0..60 {
        let before = count.get(TURNS);
        wait::until("the others go on", || (count.get(TURNS) >= before + 5).then_some(()));
        for taker in &mut takers {
            assert!(taker.ended().is_none(), "{}", taker.said());
        }
        let next = start(test, &path);
        std::mem::replace(&mut takers[round % 6], next).kill();
    }
    takers.into_iter().for_each(Process::kill);
    let _held = stripes.take(HASH, now() + LONG, me(), now).expect("nobody is left");
    count.turn(TAKERS);
}

/// A trial's turn, which nobody waits for.
fn try_turn(stripes: &Arc<Stripes>, until: u64) -> Option<TrialTurn> {
    stripes.try_turn(5, until, me())
}

#[test]
fn the_turn_to_try_a_server_is_one_processes_at_a_time() {
    let test = "turns::the_turn_to_try_a_server_is_one_processes_at_a_time";
    if let Some(path) = lines::errand() {
        let stripes = Arc::new(opened(Path::new(&path)));
        let _turn = try_turn(&stripes, now() + 2 * LONG).expect("nobody has it");
        let _held = stripes.take(HASH, now() + 2 * LONG, me(), now).expect("a turn");
        loop {
            std::thread::park();
        }
    }
    let scratch = Scratch::new();
    let (path, stripes) = made(&scratch);
    let stripes = Arc::new(stripes);
    let turn = try_turn(&stripes, now() + LONG).expect("nobody has it");
    assert!(!turn.taken_over() && try_turn(&Arc::new(opened(&path)), now() + LONG).is_none());
    assert!(stripes.try_turn(6, now() + LONG, me()).is_some(), "of another server");
    assert!(stripes.try_turn(EPOCHS as u16, now() + LONG, me()).is_none(), "there is no such server");
    drop(turn);
    let child = start(test, &path);
    until_held_by(&child, &path);
    assert!(try_turn(&stripes, now() + LONG).is_none(), "the child has it");
    child.kill();
    assert!(try_turn(&stripes, now() + LONG).expect("it is gone").taken_over());
}

#[test]
fn who_comes_late_goes_on_with_a_trial_unless_somebody_has_begun() {
    let scratch = Scratch::new();
    let (path, stripes) = made(&scratch);
    let (one, two) = (Arc::new(stripes), Arc::new(opened(&path)));
    let soon = now() + 20;
    let mut first = try_turn(&one, soon).expect("nobody has it");
    wait::until("its time is over", || (now() > soon).then_some(()));
    assert!(first.prolong(now() + LONG), "nobody took it");
    assert!(try_turn(&two, now() + LONG).is_none());
    let soon = now() + 20;
    assert!(first.prolong(soon));
    wait::until("its time is over", || (now() > soon).then_some(()));
    let mut second = try_turn(&two, now() + LONG).expect("its time is over");
    assert!(second.taken_over() && !first.prolong(now() + LONG));
    drop(first);
    assert!(second.prolong(now() + LONG), "who lost it gives nothing back");
    // Nor does the child of a fork, which forgets it.
    second.forget();
    assert!(try_turn(&one, now() + LONG).is_none());
}
