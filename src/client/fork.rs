//! Fork, noticed without a system call and without a handler.
//!
//! A child shares its parent's sockets: whatever it sent over one would arrive between the
//! parent's commands, and it would steal the parent's answers. And it has its parent's locks,
//! held for ever when a thread that does not exist in the child held one. So a client remembers
//! in which process it made its connections, and what a process knows is found through
//! [`PerProcess`], which never touches a lock of the parent's.
//!
//! The process is told by a page that the kernel wipes in a child (MADV_WIPEONFORK, Linux 4.14):
//! a zero in it says that this process has no number yet. Why not `pthread_atfork`: its handlers
//! do not run for `clone`, `_Fork` and what goes past libc, they belong to a library that may be
//! unloaded, and one that takes locks before a fork must know every lock of the process. The page
//! knows of every fork that copies memory, and costs a call two loads. It is mapped once per
//! process image and never given back: a program that loads and unloads the library a thousand
//! times loses a thousand pages, and no code of an unloaded library is ever called.
//!
//! A kernel that has no such pages is asked for the process id instead, at a system call per call.
//!
//! What no detection can mend: a handle that *another* thread was inside of when the child was
//! forked was copied in the middle of a change. In the child such a handle must not be used.

use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::{process, ptr};

/// The numbers given in this line of processes so far: inherited, so that no child gets one of its
/// ancestors'.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The page; null: not mapped yet; [`NO_PAGE`]: there is none to be had.
static PAGE: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// Stands for the page where the kernel has none: always zero.
static NO_PAGE: AtomicU64 = AtomicU64::new(0);

/// Which process this is: a number that neither its parent nor any ancestor has. Never 0.
pub(crate) fn epoch() -> u64 {
    // SAFETY: null, NO_PAGE, or a mapping of at least 8 aligned bytes that is never unmapped.
    match unsafe { PAGE.load(Ordering::Acquire).as_ref() } {
        Some(page) => match page.load(Ordering::Relaxed) {
            0 => number(page),
            number => number,
        },
        None => number(page()),
    }
}

/// Numbers this process, in its page.
#[cold]
fn number(page: &AtomicU64) -> u64 {
    if ptr::eq(page, &NO_PAGE) {
        return u64::from(process::id());
    }
    let fresh = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    match page.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => fresh,
        Err(number) => number,
    }
}

/// The page, mapped if it is not. Two threads may map one each: the second is given back.
fn page() -> &'static AtomicU64 {
    let mapped = wiped_page();
    let chosen = mapped.unwrap_or((&raw const NO_PAGE).cast_mut());
    let known = match PAGE.compare_exchange(ptr::null_mut(), chosen, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => chosen,
        Err(known) => {
            // SAFETY: nobody else saw this mapping.
            mapped.inspect(|page| unsafe { unmap(*page) });
            known
        }
    };
    // SAFETY: as in `epoch`.
    unsafe { &*known }
}

/// A whole page on every machine that Linux runs on.
const PAGE_SIZE: usize = 65_536;

fn wiped_page() -> Option<*mut AtomicU64> {
    const NO_SUCH_ADVICE: libc::c_int = -1;
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a fresh mapping, of which nobody knows; advice changes what a child finds in it only.
    unsafe {
        let page = libc::mmap(ptr::null_mut(), PAGE_SIZE, access, kind, -1, 0);
        if page == libc::MAP_FAILED {
            return None;
        }
        // An emulator that agrees to any advice cannot be believed about this one.
        let honest = libc::madvise(page, PAGE_SIZE, NO_SUCH_ADVICE) != 0;
        if honest && libc::madvise(page, PAGE_SIZE, libc::MADV_WIPEONFORK) == 0 {
            return Some(page.cast());
        }
        unmap(page.cast());
    }
    None
}

/// # Safety
/// `page` came from mmap and nobody uses it.
unsafe fn unmap(page: *mut AtomicU64) {
    // SAFETY: the caller's promise.
    unsafe { libc::munmap(page.cast(), PAGE_SIZE) };
}

/// A value of which every process has its own, made when it is first asked for. It is never freed: a
/// child's copy of its parent's may be locked for ever, and stays where it is.
pub(crate) struct PerProcess<T: 'static>(AtomicPtr<Own<T>>);

struct Own<T: 'static> {
    epoch: u64,
    value: T,
    /// The parent's: kept so that what was set aside can be told from what was lost.
    _parents: Option<&'static Own<T>>,
}

impl<T: Send + Sync> PerProcess<T> {
    /// Nobody's yet.
    pub(crate) const fn new() -> PerProcess<T> {
        PerProcess(AtomicPtr::new(ptr::null_mut()))
    }

    /// This process's. `make` is given the parent's copy, if there is one, in which a lock may be
    /// held by nobody: it may only try them.
    pub(crate) fn get(&self, make: impl FnOnce(Option<&'static T>) -> T) -> &'static T {
        let epoch = epoch();
        let found = self.0.load(Ordering::Acquire);
        // SAFETY: null, or what was stored below, which is never freed or changed.
        let before = unsafe { found.as_ref() };
        if let Some(own) = before.filter(|own| own.epoch == epoch) {
            return &own.value;
        }
        let value = make(before.map(|own| &own.value));
        let fresh = Box::into_raw(Box::new(Own { epoch, value, _parents: before }));
        match self.0.compare_exchange(found, fresh, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: fresh from a Box that is never made one again.
            Ok(_) => unsafe { &(*fresh).value },
            // SAFETY: nobody else saw the fresh one; the other is another thread's of this process.
            Err(other) => unsafe {
                drop(Box::from_raw(fresh));
                &(*other).value
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forks, and gives what `child` says (0 to 255) as its exit status.
    fn in_child(child: impl FnOnce() -> u8) -> i32 {
        // SAFETY: the child allocates and computes, which glibc's fork allows, and ends without
        // running anything of the parent's.
        unsafe {
            let pid = libc::fork();
            assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
            if pid == 0 {
                libc::_exit(i32::from(child()));
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(pid, &raw mut status, 0), pid);
            assert!(libc::WIFEXITED(status), "status {status}");
            libc::WEXITSTATUS(status)
        }
    }

    #[test]
    fn every_generation_has_a_number_of_its_own() {
        let ours = epoch();
        assert!(ours != 0 && epoch() == ours);
        let all_differ = in_child(|| {
            let childs = epoch();
            let grandchilds_differs = in_child(|| u8::from(![ours, childs].contains(&epoch())));
            u8::from(childs != ours && epoch() == childs && grandchilds_differs == 1)
        });
        assert_eq!(all_differ, 1);
        assert_eq!(epoch(), ours);
    }

    #[test]
    fn every_process_makes_its_own_value() {
        static VALUE: PerProcess<u8> = PerProcess::new();
        let make = |parents: Option<&u8>| parents.map_or(1, |value| value + 1);
        assert_eq!(*VALUE.get(make), 1);
        assert_eq!(in_child(|| *VALUE.get(make) + in_child(|| *VALUE.get(make)) as u8), 2 + 3);
        assert_eq!(*VALUE.get(make), 1);
    }

    #[test]
    fn without_a_page_the_process_id_tells() {
        assert_eq!(number(&NO_PAGE), u64::from(process::id()));
    }
}
