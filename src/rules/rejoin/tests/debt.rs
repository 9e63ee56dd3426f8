//! Who must be emptied, and who is for certain.

use super::*;

#[test]
fn a_process_that_started_since_is_empty_and_not_flushed() {
    let trial = |start, uptime| {
        let mut view = view(3, &[0]);
        view.now.unix_millis = DOWN_SINCE + 60_000;
        let mut trial = Trial::of(view, &health(life(6, OLD), true));
        trial.greeted_by(&stats_at(7, start, uptime)).probe().probe();
        trial
    };
    let down = DOWN_SINCE / 1000;
    trial(down + 2, 58).ends(Outcome::Done);
    trial(down + 50, 10).ends(Outcome::Done);
    // It cannot tell by its clock when it started; and it stood still since.
    trial(down + 50, 59).claim(Reply::Stored).flush(Reply::Ok);
    trial(down + 1, 10).claim(Reply::Stored).flush(Reply::Ok);
}

#[test]
fn a_process_that_is_not_certainly_empty_is_flushed() {
    for (before, pid, start) in [
        (None, 7, OLD),                             // never met before
        (life(7, OLD), 7, OLD + 1),                 // the same, its start jitters
        (life(6, OLD), 7, DOWN_SINCE / 1000 - 100), // another, but older than the fall
        (life(6, OLD), 7, DOWN_SINCE / 1000),       // another, perhaps older than the fall
    ] {
        let mut trial = Trial::of(view(3, &[0]), &health(before, true));
        trial.greet(pid, start).probe().probe().claim(Reply::Stored).flush(Reply::Ok);
    }
    let mut trial = Trial::of(view(3, &[0]), &health(life(7, OLD), true));
    trial.exchange(0, "Stats { group: [] }", Reply::Refused(b"ERROR"));
    trial.exchange(0, "Noop", Reply::Refused(b"ERROR")).probe().probe();
    let claim = format!("Add libmemcache:flush:s0:- 60 flushing {NOW}");
    trial.exchange(1, &claim, Reply::Stored).flush(Reply::Ok).probe();
    assert!(!trial.rejoin.meta(), "one that does not tell its life, nor have meta commands");
}
