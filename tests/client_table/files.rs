//! What becomes of a client when something is wrong with the files of its pool.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, chown};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use memcache::client::Client;
use memcache::rules::hash::KeyHash;
use memcache::rules::operation::Outcome;
use memcache::rules::pool::{Pool, ServerId};
use memcache::rules::view::State;
use memcache::table::layout::{FILE_BYTES, header};
use memcache::table::{Attendance, Lock, Settings, Stripes, Writer, identity};

use crate::daemon::{Daemon, get, key, options, pool, set};
use crate::support::server::Memcached;
use crate::support::wait;
use crate::turns::{me, stripes_waited_for};

const FIRST: ServerId = ServerId(0);

fn servers(count: usize) -> Vec<Memcached> {
    (0..count).map(|_| Memcached::start()).collect()
}

/// It works as a client without a table does: a death is found out and written around.
fn judges_by_itself(client: &mut Client, pool: &Pool, dead: &mut Memcached) {
    let key = key(pool, FIRST);
    assert_eq!(set(client, &key, b"old"), Outcome::Stored);
    dead.kill();
    assert_eq!(set(client, &key, b"new"), Outcome::Stored);
    assert_eq!(get(client, &key), Ok(b"new".to_vec()));
    assert_eq!(client.view().state(FIRST), State::Down);
}

/// The one message that there is.
fn message(client: &mut Client) -> String {
    let mut messages = client.take_messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    messages.remove(0)
}

#[test]
fn without_a_table_a_client_judges_by_itself_until_there_is_one() {
    let mut servers = servers(4);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let path = daemon.path();
    let aside = path.with_extension("aside");
    std::fs::rename(&path, &aside).expect("its own file");
    let mut client = daemon.client(&pool);
    assert_eq!(client.attendance(), None);
    assert!(message(&mut client).contains("no such file"), "it says why");
    judges_by_itself(&mut client, &pool, &mut servers[0]);
    daemon.turn(FIRST, State::Down);
    std::fs::rename(&aside, &path).expect("its own file");
    wait::until("the client finds it", || {
        let _ = get(&mut client, b"any");
        (client.attendance() == Some(Attendance::Attended)).then_some(())
    });
    assert_eq!(client.take_messages(), [""; 0]);
    assert_eq!(get(&mut client, &key(&pool, FIRST)), Ok(b"new".to_vec()));
}

#[test]
fn a_file_that_is_no_table_is_refused_once() {
    type Damage = fn(&Path);
    let foreign: [(&str, Damage); 5] = [
        ("not a memcache table", |path| scribble(path, header::MAGIC, &[0x55; 8])),
        ("header is damaged", |path| scribble(path, header::PID, &[0x55; 8])),
        ("version 77", |path| scribble(path, header::VERSION, &77u64.to_ne_bytes())),
        ("bytes, and a table", |path| {
            OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(100)).expect("its own")
        }),
        ("others than its owner", |path| {
            std::fs::set_permissions(path, Permissions::from_mode(0o666)).expect("its own");
        }),
    ];
    for (says, damage) in foreign {
        let mut servers = servers(4);
        let pool = pool(&servers, options());
        let daemon = Daemon::of(&pool, &servers);
        damage(&copy_in_place(&daemon.path()));
        let mut client = daemon.client(&pool);
        let message = message(&mut client);
        assert!(message.contains(says) && message.contains("by itself"), "{message}");
        assert_eq!(daemon.client(&pool).take_messages(), [""; 0], "once in a process");
        judges_by_itself(&mut client, &pool, &mut servers[0]);
    }
}

#[test]
fn a_strangers_table_is_refused() {
    let mut servers = servers(4);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    if chown(copy_in_place(&daemon.path()), Some(12_345), None).is_err() {
        return println!("only root can give a file away: not tried");
    }
    let mut client = daemon.client(&pool);
    assert!(message(&mut client).contains("12345"));
    judges_by_itself(&mut client, &pool, &mut servers[0]);
}

/// The table's writer has the file mapped that it made; what a test does to a table must not reach that.
fn copy_in_place(path: &Path) -> std::path::PathBuf {
    let copy = path.with_extension("copy");
    std::fs::copy(path, &copy).expect("a copy");
    std::fs::rename(&copy, path).expect("in its place");
    path.to_owned()
}

fn scribble(path: &Path, at: usize, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).expect("its own file");
    file.write_all_at(bytes, at as u64).expect("written");
}

#[test]
fn damage_while_it_is_mapped_leaves_the_last_good_view() {
    let mut servers = servers(4);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let key = key(&pool, FIRST);
    let mut client = daemon.client(&pool);
    servers[0].kill();
    daemon.turn(FIRST, State::Down);
    assert_eq!(set(&mut client, &key, b"v"), Outcome::Stored);
    // It grows, which hurts nobody.
    let file = OpenOptions::new().write(true).open(daemon.path()).expect("its own file");
    file.set_len(FILE_BYTES as u64 * 2).expect("it grows");
    assert_eq!(get(&mut client, &key), Ok(b"v".to_vec()));
    assert_eq!(client.take_messages(), [""; 0]);
    // Both buffers and the word that names them.
    for at in [header::GENERATION, 0x1000, 0x40_6000] {
        file.write_all_at(&[0x5a; 200], at as u64).expect("written");
    }
    assert_eq!(get(&mut client, &key), Ok(b"v".to_vec()));
    assert_eq!(client.view().state(FIRST), State::Down, "as it was");
    assert_eq!(client.attendance(), Some(Attendance::Unreadable));
    let messages = client.take_messages();
    assert!(messages.iter().any(|message| message.contains("damaged")), "{messages:?}");
    assert_eq!(set(&mut client, &key, b"w"), Outcome::Stored);
    assert_eq!(client.take_messages(), [""; 0]);
}

#[test]
fn a_stuck_writer_is_noticed_by_its_silence() {
    let mut servers = servers(4);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    daemon.resign();
    // One of a short bound, which beats never again.
    let mut snapshot = daemon.snapshot();
    snapshot.stripes = 0;
    let lock = Lock::take(&daemon.path()).expect("nobody has it");
    let bound = std::time::Duration::from_millis(1);
    let settings = Settings { bound, ..Settings::default() };
    let mut writer = Writer::create(lock, &settings, &snapshot).expect("a table");
    let settling = writer.settle(identity::boot_millis());
    let _ = writer.attend(settling, identity::boot_millis());
    let mut client = daemon.client(&pool);
    wait::until("its silence", || {
        client.view();
        matches!(client.attendance(), Some(Attendance::Silent(_))).then_some(())
    });
    judges_by_itself(&mut client, &pool, &mut servers[0]);
    assert!(message(&mut client).contains("silent"));
}

#[test]
fn without_the_stripes_a_process_has_its_own_view() {
    let mut servers = servers(4);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let stripes = Stripes::path_for(&daemon.path());
    std::fs::remove_file(&stripes).expect("its own file");
    let mut client = daemon.client(&pool);
    assert!(message(&mut client).contains("stripes"));
    assert_eq!(client.attendance(), Some(Attendance::Attended));
    assert_eq!(set(&mut client, &key(&pool, FIRST), b"v"), Outcome::Stored, "without a turn");
    daemon.resign();
    judges_by_itself(&mut client, &pool, &mut servers[0]);
    assert!(message(&mut client).contains("its writer ended"));
    File::create(&stripes).expect("its own directory");
    assert_eq!(set(&mut client, &key(&pool, FIRST), b"w"), Outcome::Stored);
    assert_eq!(client.take_messages(), [""; 0]);
}

/// Says that it is over, also when the story ends badly.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What kept a process from opening the file may be over soon, as when it was out of descriptors.
#[test]
fn turns_are_taken_as_soon_as_the_stripes_can_be_opened() {
    let servers = servers(2);
    let pool = pool(&servers, options());
    let daemon = Daemon::of(&pool, &servers);
    let stripes = daemon.stripes();
    let (place, aside) = (stripes.path().to_owned(), daemon.path().with_extension("aside"));
    std::fs::rename(&place, &aside).expect("its own file");
    let mut client = daemon.client(&pool);
    assert!(message(&mut client).contains("stripes"));
    let key = key(&pool, FIRST);
    assert_eq!(set(&mut client, &key, b"v"), Outcome::Stored, "without a turn");

    std::fs::rename(&aside, &place).expect("its own file");
    let hash = KeyHash::of(&key).value();
    let soon = identity::boot_millis() + 60_000;
    let held = stripes.take(hash, soon, me(), identity::boot_millis).expect("nobody has it");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let over = Ends(&is_over);
        let writer = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(set(&mut client, &key, b"w"), Outcome::Stored);
            }
        });
        wait::until("a writer that waits for its turn", || stripes_waited_for(&daemon, hash).then_some(()));
        drop((over, held));
        writer.join().expect("a writer");
    });
}
