//! A server comes back with what it held: the keys of its journal are deleted on it (docs/one-view.md, "What a server may keep").
//!
//! While that is done others go on to be noted. So it is done again and again, each time for those that are new, until they are
//! few; then the journal is closed, which lets the writers of the machine wait, and the last ones are dealt with.

use std::time::Duration;

use tokio::time::sleep;

use super::carrier::{Carrier, Sites};
use super::ledger::Turn;
use crate::rules::pool::ServerId;
use crate::rules::rejoin::Weeding;
use crate::table::JournalKeeper;

/// So few keys are deleted while writers wait: it takes less than a millisecond.
const FEW: usize = 64;
/// After so many rounds whoever is left waits.
const ROUNDS: u32 = 16;
/// How often it is looked whether somebody has finished noting what he began to note before the journal was closed, and how
/// long it takes between two looks. Who does not has died over it.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(1);
/// Keys that are asked for at once: their answers must fit into a socket.
const AT_ONCE: usize = 256;

/// A server to be weeded, and the way to it.
pub struct Weeder<'a> {
    pub server: ServerId,
    pub sites: Option<Sites>,
    pub carrier: &'a mut Carrier,
    pub turn: &'a mut Turn,
}

impl Weeder<'_> {
    /// Deletes every key of the journal, which is closed then. How many; `None`: the server must be flushed.
    pub async fn weed(&mut self, journal: &mut JournalKeeper) -> Option<usize> {
        let mut count = 0;
        for _ in 0..ROUNDS {
            let (keys, _) = read(journal)?;
            count += keys.len();
            self.delete(&keys).await?;
            if keys.len() <= FEW {
                break;
            }
        }
        journal.close().ok()?;
        for _ in 0..LOOKS {
            let (keys, whole) = read(journal)?;
            count += keys.len();
            self.delete(&keys).await?;
            if whole {
                return Some(count);
            }
            sleep(PAUSE).await;
        }
        None
    }

    async fn delete(&mut self, keys: &[Vec<u8>]) -> Option<()> {
        for some in keys.chunks(AT_ONCE) {
            if !self.turn.goes_on() {
                return None;
            }
            let weeding = &mut Weeding::new(self.server, some);
            if !self.carrier.drive_together(weeding, self.server, self.sites.clone()).await {
                return None;
            }
        }
        Some(())
    }
}

/// The keys that are new in it, and whether that is all that was begun to be noted.
fn read(journal: &mut JournalKeeper) -> Option<(Vec<Vec<u8>>, bool)> {
    let mut keys = Vec::new();
    let whole = journal.read(&mut |key| keys.push(key.to_vec())).ok()?;
    Some((keys, whole))
}
