//! Who writes, on which boot of which machine, and what time it is there: the few things the table
//! asks the system for.

use std::path::Path;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::statfs;
use rustix::io::Errno;
use rustix::process::{Pid, getpid, test_kill_process};
use rustix::time::{ClockId, clock_gettime};

use crate::rules::time::Stamp;

/// One life of a process of this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Process {
    /// Its id, in its own namespace.
    pub pid: u32,
    /// When it started: clock ticks since boot. 0 when it could not be learned.
    pub start: u64,
}

impl Process {
    /// This process.
    pub fn this() -> Process {
        let pid = getpid().as_raw_nonzero().get().unsigned_abs();
        Process { pid, start: stat("self").map_or(0, |stat| stat.start) }
    }

    /// Whether it has certainly ended. To be asked in the process's own id namespace only.
    ///
    /// A signal that is not sent tells whether there is such a process even where /proc hides other users'
    /// processes; /proc, where it may be read, tells whether it is still the same one.
    pub fn is_gone(self) -> bool {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return true };
        if test_kill_process(pid) == Err(Errno::SRCH) {
            return true;
        }
        let Some(stat) = stat(&self.pid.to_string()) else { return false };
        stat.ended || (self.start != 0 && stat.start != self.start)
    }
}

/// What /proc tells of a process.
struct Stat {
    /// All of its threads have ended, and it only waits for its parent to ask how. A signal can still be
    /// sent to it. (A process whose first thread alone has ended looks the same but for its number of threads.)
    ended: bool,
    /// Clock ticks since boot.
    start: u64,
}

/// What /proc tells of a process; `None` when it does not. The name of a program, in parentheses before the
/// rest, can hold anything.
fn stat(pid: &str) -> Option<Stat> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, behind_name) = stat.rsplit_once(')')?;
    // The name is the second field of all: these are the 3rd, the 20th and the 22nd.
    let mut fields = behind_name.split_ascii_whitespace();
    let state = fields.next()?;
    let threads: u64 = fields.nth(16)?.parse().ok()?;
    let start = fields.nth(1)?.parse().ok()?;
    Some(Stat { ended: matches!(state, "Z" | "X") && threads <= 1, start })
}

/// Tells this boot of the machine from its others; zeros when the system does not tell.
pub fn boot() -> [u64; 2] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let id = u128::from_str_radix(&digits, 16).unwrap_or(0);
    [(id >> 64) as u64, id as u64]
}

/// Whether a file that names a boot was written on this one.
///
/// Ids can differ within one boot: systemd-nspawn and LXC give a container one of its own by a mount over /proc, and a
/// service with `ProtectKernelTunables=` or `ProtectControlGroups=` does not see that mount. But what lies in
/// memory, as /run does, is of no earlier boot.
pub fn is_this_boot(named: [u64; 2], path: &Path) -> bool {
    const TMPFS: u64 = 0x0102_1994;
    named == boot() || statfs(path).is_ok_and(|system| u64::try_from(system.f_type) == Ok(TMPFS))
}

/// The number of this process's id namespace; 0 when the system does not tell.
pub fn namespace() -> u64 {
    number_of("/proc/self/ns/pid")
}

/// The number of this process's time namespace: two processes of one have the same [`boot_millis`]. 0 when
/// the system does not tell, or has none.
pub fn time_namespace() -> u64 {
    number_of("/proc/self/ns/time")
}

fn number_of(namespace: &str) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(namespace).map_or(0, |namespace| namespace.ino())
}

/// Milliseconds of `CLOCK_BOOTTIME`: since boot, and it goes on while the machine is suspended.
/// After a suspension the table is thus unattended until its writer has looked at the servers.
pub fn boot_millis() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000)
}

/// Which clock [`boot_millis`] reads: a number for this boot and this time namespace. 0 when the system tells no boot.
pub fn clock() -> u64 {
    static CLOCK: OnceLock<u64> = OnceLock::new();
    *CLOCK.get_or_init(|| match boot() {
        [0, 0] => 0,
        [high, low] => (high ^ low.rotate_left(32) ^ time_namespace()).max(1),
    })
}

/// This moment, for others to read.
pub fn stamp() -> Stamp {
    Stamp { unix_millis: unix_millis(), clock: clock(), boot_millis: boot_millis() }
}

/// Milliseconds since 1970; 0 when the machine's clock stands before that.
pub fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_its_like_is_not() {
        let this = Process::this();
        assert!(this.pid > 0 && this.start > 0);
        assert!(!this.is_gone());
        assert!(Process { start: this.start + 1, ..this }.is_gone(), "another life of this id");
        assert!(Process { pid: 0, start: 1 }.is_gone() && Process { pid: u32::MAX, start: 1 }.is_gone());
    }

    #[test]
    fn this_boot_has_an_id_and_a_clock() {
        assert_ne!(boot(), [0, 0]);
        assert_ne!(namespace(), 0);
        let earlier = boot_millis();
        assert!(earlier > 0 && boot_millis() >= earlier);
    }
}
