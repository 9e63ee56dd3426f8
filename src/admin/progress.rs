//! How far a sweep is: what its numbers come to, for a person and for a program. Pure.
//!
//! The numbers are the table's, and nobody vouches for them: a total is what the servers said they hold, of which some
//! has expired since and some was added; a table can hold anything. So nothing is divided by what may be 0, and
//! nothing is called done that still runs.

use serde::Serialize;

use crate::table::Progress;

use super::text::{number, rfc3339, size, span};

/// Without a newer number for so many milliseconds nothing is said of when it ends.
const SILENT: u64 = 10_000;

/// So many milliseconds a sweep must have lasted before its rate means something.
const SOON: u64 = 1_000;

/// The cells of a bar.
const CELLS: u64 = 20;

/// How far a sweep is. docs/memcachectl.md describes every field; the order here is the order there.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Sweep {
    /// When it began.
    pub began: Option<String>,
    /// When the numbers were taken.
    pub updated: Option<String>,
    /// How many servers are walked.
    pub servers: u32,
    /// How many of them are done.
    pub servers_done: u32,
    /// Keys that were looked at.
    pub keys: u64,
    /// How many there are, by estimate.
    pub keys_total: Option<u64>,
    /// Copies that were moved.
    pub moved: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// Copies that a server would not take.
    pub refused: u64,
    /// How much of it is done: 0 to 0.99.
    pub done: Option<f64>,
    /// In how many seconds it will be over, at the rate that it had so far.
    pub seconds_left: Option<u64>,
    /// `done` in percent.
    #[serde(skip)]
    pub percent: Option<u64>,
    /// For how many milliseconds there was nothing new, when that is long.
    #[serde(skip)]
    pub silent: Option<u64>,
}

impl Sweep {
    /// What the numbers come to at `now` (milliseconds since 1970).
    pub fn new(progress: &Progress, now: u64) -> Sweep {
        let Progress { began, updated, sources, sources_done, keys, keys_total, moved, bytes, refused } =
            *progress;
        let percent = percent(keys, keys_total);
        let age = now.saturating_sub(updated);
        let silent = (age >= SILENT).then_some(age);
        Sweep {
            began: rfc3339(began),
            updated: rfc3339(updated),
            servers: sources,
            servers_done: sources_done.min(sources),
            keys,
            keys_total: (keys_total > 0).then_some(keys_total),
            moved,
            bytes,
            refused,
            done: percent.map(|percent| percent as f64 / 100.0),
            seconds_left: left(progress)
                .filter(|_| silent.is_none())
                .map(|left| left.saturating_sub(age).div_ceil(1_000).max(1)),
            percent,
            silent,
        }
    }

    /// In a few words: `52 %, about 12 s left`.
    pub fn short(&self) -> String {
        let mut words = vec![self.percent.map_or("under way".to_owned(), |percent| format!("{percent} %"))];
        words.extend(self.end());
        words.join(", ")
    }

    /// The line of `status`: a bar, what is done, and when it ends. `attended`: somebody goes on with it.
    pub fn line(&self, attended: bool) -> String {
        let bar = self.percent.map_or(String::new(), |percent| format!("[{}] {percent} %   ", bar(percent)));
        let copies = if self.moved == 1 { "copy" } else { "copies" };
        let mut facts = vec![self.keys()];
        facts.extend(
            (self.servers > 1).then(|| format!("{} of {} servers done", self.servers_done, self.servers)),
        );
        facts.push(format!("{} {copies} moved ({})", number(self.moved), size(self.bytes)));
        if attended {
            facts.extend(self.end());
        } else {
            facts.push("stopped until a daemon attends the table".to_owned());
        }
        format!("sweep  {bar}{}", facts.join(", "))
    }

    fn keys(&self) -> String {
        let keys = number(self.keys);
        match self.keys_total {
            None => format!("{keys} keys"),
            Some(total) if self.keys <= total => format!("{keys} of {} keys", number(total)),
            Some(total) => format!("{keys} keys ({} were expected)", number(total)),
        }
    }

    /// When it ends, or why nobody knows.
    fn end(&self) -> Option<String> {
        let silent = self.silent.map(|millis| format!("nothing new for {}", span(millis)));
        silent.or(self
            .seconds_left
            .map(|seconds| format!("about {} left", span(seconds.saturating_mul(1_000)))))
    }

    /// What is to be said of copies that no server took.
    pub fn refusals(&self) -> Option<String> {
        match self.refused {
            0 => None,
            1 => Some("1 copy was refused by the server that it belongs on".to_owned()),
            many => Some(format!("{} copies were refused by the servers that they belong on", number(many))),
        }
    }
}

/// How much is done, in whole percents; never all of it. `None` while nobody knows how much there is.
fn percent(keys: u64, total: u64) -> Option<u64> {
    let percent = (u128::from(keys) * 100).checked_div(u128::from(total))?;
    Some(percent.min(99) as u64)
}

/// How many milliseconds the rest takes, counted from when the numbers were taken. `None` where that cannot be said: nothing
/// is done yet, it has only begun, or there is more than was expected.
fn left(progress: &Progress) -> Option<u64> {
    let spent = progress.updated.checked_sub(progress.began).filter(|&spent| spent >= SOON)?;
    let rest = progress.keys_total.checked_sub(progress.keys).filter(|&rest| rest > 0)?;
    let left = (u128::from(spent) * u128::from(rest)).checked_div(u128::from(progress.keys))?;
    u64::try_from(left).ok()
}

fn bar(percent: u64) -> String {
    let full = percent * CELLS / 100;
    (0..CELLS).map(|cell| if cell < full { '#' } else { '.' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn progress() -> Progress {
        Progress {
            began: 1_000_000,
            updated: 1_013_000,
            sources: 3,
            sources_done: 1,
            keys: 521_000,
            keys_total: 1_000_000,
            moved: 48_211,
            bytes: 104 << 20,
            refused: 0,
        }
    }

    #[test]
    fn a_sweep_that_is_half_done() {
        let sweep = Sweep::new(&progress(), 1_013_000);
        assert_eq!((sweep.percent, sweep.done, sweep.seconds_left), (Some(52), Some(0.52), Some(12)));
        assert_eq!(
            sweep.line(true),
            "sweep  [##########..........] 52 %   521,000 of 1,000,000 keys, 1 of 3 servers done, 48,211 copies moved \
             (104 MiB), about 12 s left"
        );
        assert_eq!(sweep.short(), "52 %, about 12 s left");
        assert!(sweep.line(false).ends_with(" moved (104 MiB), stopped until a daemon attends the table"));
        assert_eq!(Sweep::new(&progress(), 1_018_000).seconds_left, Some(7), "time goes by");
        assert_eq!(Sweep::new(&progress(), 0).seconds_left, Some(12), "a clock that was set back");
    }

    #[test]
    fn a_sweep_of_which_little_is_known() {
        let short = |change: fn(&mut Progress)| {
            let mut progress = progress();
            change(&mut progress);
            Sweep::new(&progress, progress.updated).short()
        };
        assert_eq!(short(|it| it.keys_total = 0), "under way");
        assert_eq!(short(|it| it.keys = 0), "0 %");
        assert_eq!(short(|it| it.updated = it.began), "52 %");
        assert_eq!(short(|it| it.began = it.updated + 1), "52 %", "nonsense");
        assert_eq!(short(|it| it.keys = 1_000_000), "99 %");
        assert_eq!(short(|it| it.keys = 999_999), "99 %, about 1 s left");
        assert_eq!(short(|it| it.keys = 1), "0 %, about 3612 hours left");
        let late = Sweep::new(&progress(), 1_047_000);
        assert_eq!((late.short().as_str(), late.seconds_left), ("52 %, nothing new for 34 s", None));
    }

    #[test]
    fn an_estimate_that_is_off() {
        let mut progress = Progress { keys: 1_050_000, sources: 1, moved: 1, ..progress() };
        let sweep = Sweep::new(&progress, progress.updated);
        assert_eq!(
            sweep.line(true),
            "sweep  [###################.] 99 %   1,050,000 keys (1,000,000 were expected), 1 copy moved (104 MiB)"
        );
        progress.keys_total = 0;
        let sweep = Sweep::new(&progress, progress.updated);
        assert_eq!(sweep.line(true), "sweep  1,050,000 keys, 1 copy moved (104 MiB)");
        assert_eq!((sweep.done, sweep.keys_total), (None, None));
    }

    #[test]
    fn refusals_are_told() {
        let said = |refused| Sweep::new(&Progress { refused, ..progress() }, 0).refusals();
        assert_eq!(said(0), None);
        assert_eq!(said(1).as_deref(), Some("1 copy was refused by the server that it belongs on"));
        assert_eq!(
            said(1_200).as_deref(),
            Some("1,200 copies were refused by the servers that they belong on")
        );
    }

    proptest! {
        #[test]
        fn any_numbers_make_sense(words: [u64; 7], servers: [u32; 2], now: u64) {
            let [began, updated, keys, keys_total, moved, bytes, refused] = words;
            let [sources, sources_done] = servers;
            let progress = Progress { began, updated, sources, sources_done, keys, keys_total, moved, bytes, refused };
            let sweep = Sweep::new(&progress, now);
            prop_assert!(sweep.percent.is_none_or(|percent| percent < 100));
            prop_assert!(sweep.servers_done <= sweep.servers);
            prop_assert!(sweep.line(true).len() < 300 && !sweep.short().is_empty());
        }
    }
}
