//! What must not stay behind when the program is interrupted: its child processes and its
//! directories. A drop does not run when a signal ends the process; `make demo` therefore has a
//! thread that takes the signal, clears up by this list, and ends the process.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::wait;

static CHILDREN: Mutex<Vec<u32>> = Mutex::new(Vec::new());
static DIRECTORIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn locked<T>(list: &'static Mutex<T>) -> MutexGuard<'static, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static VARIABLES: RefCell<Vec<(&'static str, PathBuf)>> = const { RefCell::new(Vec::new()) };
}

/// While it lives, what its thread starts has one more variable in its environment.
pub struct Variable(&'static str);

impl Variable {
    /// For the children of this thread, from now on.
    pub fn for_children(name: &'static str, value: &Path) -> Variable {
        VARIABLES.with_borrow_mut(|all| all.push((name, value.to_owned())));
        Variable(name)
    }
}

impl Drop for Variable {
    fn drop(&mut self) {
        VARIABLES.with_borrow_mut(|all| all.retain(|(name, _)| *name != self.0));
    }
}

/// Starts a child that dies with the thread that started it, and notes it.
pub fn spawn(command: &mut Command) -> std::io::Result<Child> {
    use std::os::unix::process::CommandExt;
    // SAFETY: between fork and exec only prctl is called, which is async-signal-safe.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    VARIABLES.with_borrow(|all| {
        command.envs(all.iter().map(|(name, value)| (name, value)));
    });
    let mut children = locked(&CHILDREN);
    let child = command.spawn()?;
    children.push(child.id());
    Ok(child)
}

/// Kills a child of [`spawn`] and waits for its end.
pub fn kill(child: &mut Child) {
    let mut children = locked(&CHILDREN);
    let _ = child.kill();
    let _ = child.wait();
    children.retain(|pid| *pid != child.id());
}

/// Sends a signal to a child of [`spawn`] that was not waited for. A stop (SIGSTOP) has happened when this returns: until the
/// kernel has told each of its threads, those that have not heard of it go on and answer.
///
/// # Panics
/// When there is no such process, or when a thread goes on for all of [`wait::PATIENCE`].
pub fn signal(child: &Child, signal: libc::c_int) {
    // SAFETY: the child was not waited for, so the process id is its own.
    let failed = unsafe { libc::kill(child.id() as libc::pid_t, signal) } != 0;
    assert!(!failed, "cannot send a signal to {}: {}", child.id(), std::io::Error::last_os_error());
    if signal == libc::SIGSTOP {
        wait::until("a process that has stopped", || is_stopped(child.id()).then_some(()));
    }
}

/// Whether every thread has stopped: the state is what follows the name's closing parenthesis (proc_pid_stat(5)).
fn is_stopped(pid: u32) -> bool {
    let stopped = |task: std::io::Result<std::fs::DirEntry>| -> std::io::Result<bool> {
        let stat = std::fs::read_to_string(task?.path().join("stat"))?;
        Ok(stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
    };
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a process of ours");
    tasks.map(stopped).all(|stopped| stopped.unwrap_or(false))
}

/// Strikes off a child of [`spawn`] that was waited for.
pub fn ended(child: &Child) {
    locked(&CHILDREN).retain(|pid| *pid != child.id());
}

/// Notes a directory.
pub fn directory(path: &Path) {
    locked(&DIRECTORIES).push(path.to_owned());
}

/// Removes a noted directory with all that is in it.
pub fn remove(path: &Path) {
    let _ = std::fs::remove_dir_all(path);
    locked(&DIRECTORIES).retain(|noted| noted != path);
}

/// From now on SIGINT, SIGTERM and SIGHUP clear up before they end the process, with the exit
/// status that shells expect (128 + signal). To be called before any other thread is started.
pub fn clear_up_when_interrupted() {
    // SAFETY: `signals` is initialised by sigemptyset before anything else reads it; the calls
    // have no other requirements.
    let signals = unsafe {
        let mut signals = std::mem::zeroed();
        libc::sigemptyset(&mut signals);
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            libc::sigaddset(&mut signals, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &signals, std::ptr::null_mut());
        signals
    };
    std::thread::spawn(move || {
        let mut signal = 0;
        // SAFETY: both point to live values of this thread.
        unsafe { libc::sigwait(&signals, &mut signal) };
        let children = locked(&CHILDREN); // held to the end: nothing new is started
        for pid in children.iter() {
            // SAFETY: the child is on the list, so nobody has waited for it: the id is still its own.
            unsafe {
                libc::kill(*pid as libc::pid_t, libc::SIGKILL);
                libc::waitpid(*pid as libc::pid_t, std::ptr::null_mut(), 0);
            }
        }
        for path in locked(&DIRECTORIES).iter() {
            let _ = std::fs::remove_dir_all(path);
        }
        eprintln!("interrupted: every server stopped, every file removed");
        std::process::exit(128 + signal);
    });
}
