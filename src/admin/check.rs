//! `check`: everything that is wrong with a pool, and what to do about it.
//!
//! A finding is wrong, and the status 1; a remark is worth knowing, and no more.

use std::collections::BTreeSet;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::config::Order;
use crate::config::duration::Text;
use crate::rules::address::Address;
use crate::rules::view::State;
use crate::table::stripes::Stripes;
use crate::table::{Attendance, Refusal, ServerEntry, Snapshot, notice};

use super::ask::Figures;
use super::known::{Known, Seen, Table, called, trust, word};
use super::progress::Sweep;
use super::report::attendance;
use super::text::clean;
use super::{Answer, Ending, Said, ask, sweep};

/// What was found.
#[derive(Default)]
struct Findings {
    wrong: Vec<String>,
    remarks: Vec<String>,
}

impl Findings {
    fn wrong(&mut self, text: String) {
        self.wrong.push(text);
    }

    fn remark(&mut self, text: String) {
        self.remarks.push(text);
    }
}

/// Looks at everything.
pub fn command(path: &Path) -> Said {
    let known = Known::read(path)?;
    let mut found = Findings::default();
    files(&mut found, path, &known);
    table(&mut found, path, &known);
    lists(&mut found, &known);
    sweeps(&mut found, &known);
    servers(&mut found, &known, &ask::all(&known.file.pool, known.file.pool.options.timeout));
    hosts(&mut found, &known);

    let mut out = String::new();
    for (what, texts) in [("wrong", &found.wrong), ("note", &found.remarks)] {
        texts.iter().for_each(|text| out.push_str(&format!("{what}: {}\n", clean(text))));
    }
    let count = known.file.pool.servers().len();
    let servers = if count == 1 { "1 server".to_owned() } else { format!("{count} servers") };
    if found.wrong.is_empty() {
        out.push_str(&format!(
            "all is well: pool {}, {servers}, {}\n",
            clean(&known.file.pool.name),
            clean(&attendance(&known))
        ));
        return Ok(Answer::done(out));
    }
    Ok(Answer { out, notes: Vec::new(), ending: Ending::Wrong })
}

/// Whether others than its owner and group can change the pool: by its file, or by what stands in the table's place.
fn files(found: &mut Findings, path: &Path, known: &Known) {
    let mode = |path: &Path| std::fs::metadata(path).ok().map(|about| about.mode());
    if mode(path).is_some_and(|mode| mode & 0o002 != 0) {
        found.wrong(format!("everybody may change {}; chmod o-w", path.display()));
    }
    // (In a directory such as /tmp nobody can take away what is another's, and everybody can put something there before.)
    let directory = known.file.table.as_deref().and_then(Path::parent);
    if let Some(directory) = directory.filter(|it| mode(it).is_some_and(|mode| mode & 0o002 != 0)) {
        let directory = directory.display();
        found.wrong(format!(
            "everybody may put files into {directory}, where the table is, and so keep memcache-watchd from its work; \
             give the pool a directory of its own, such as /run/memcache"
        ));
    }
}

/// The table, and the files beside it.
fn table(found: &mut Findings, path: &Path, known: &Known) {
    let Some(place) = &known.file.table else {
        found.remark(
            "the pool file names no table: each process judges by itself, with the promises of one process; name \
             one and run memcache-watchd"
                .to_owned(),
        );
        return;
    };
    let seen = match &known.table {
        Table::Read(seen) => seen,
        Table::Refused(refusal) => return found.wrong(refusal.to_string()),
        Table::None => return,
    };
    match seen.attendance {
        Attendance::Attended => {}
        Attendance::Settling => found.remark("the daemon has only begun; look again in a moment".to_owned()),
        _ => found.wrong(format!(
            "the table {} is {}; start memcache-watchd for this pool, or look at what it is doing",
            place.display(),
            attendance(known)
        )),
    }
    if !seen.has_daemon() {
        return;
    }
    let socket = notice::socket_path(place);
    if !std::fs::symlink_metadata(&socket).is_ok_and(|about| about.file_type().is_socket()) {
        found.wrong(format!(
            "nobody listens at {}: clients cannot tell the daemon of a failure; restart memcache-watchd",
            socket.display()
        ));
    }
    stripes(found, place, path, &seen.snapshot);
}

/// The lock stripes: whether this user can take part.
fn stripes(found: &mut Findings, table: &Path, path: &Path, snapshot: &Snapshot) {
    if snapshot.stripes == 0 {
        if snapshot.current.options.backups {
            found.remark("the table has no stripes: writers of one key do not take turns".to_owned());
        }
        return;
    }
    match Stripes::open(table, &trust(path)) {
        Ok(stripes) if stripes.id() == snapshot.stripes => {}
        Ok(stripes) => found.wrong(format!(
            "{} is not the one that the table goes with; restart memcache-watchd",
            stripes.path().display()
        )),
        Err(Refusal { path, fault }) => found.wrong(format!("{}: {fault}", path.display())),
    }
}

/// Whether the table says what the file says.
fn lists(found: &mut Findings, known: &Known) {
    let Some(seen) = known.seen() else { return };
    let list = &seen.snapshot.current;
    if !known.lists_agree() {
        let of_table: BTreeSet<_> = list.servers.iter().map(|entry| called(&entry.server)).collect();
        let of_file: BTreeSet<_> = known.file.pool.servers().iter().map(called).collect();
        let only = |these: &BTreeSet<String>, those: &BTreeSet<String>| {
            these.difference(those).take(5).cloned().collect::<Vec<_>>().join(", ")
        };
        let differences: Vec<String> = [
            ("only in the file", only(&of_file, &of_table)),
            ("only in the table", only(&of_table, &of_file)),
        ]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what}: {names}"))
        .collect();
        let what = if differences.is_empty() {
            "other weights, backups or another order".to_owned()
        } else {
            differences.join("; ")
        };
        if seen.snapshot.previous.is_some() {
            found.remark(format!(
                "the table has another list of servers than the pool file ({what}); that is followed when the \
                 change before is swept"
            ));
        } else {
            found.wrong(format!(
                "the table has another list of servers than the pool file ({what}); the daemon has not read the \
                 file: its log says why"
            ));
        }
        return;
    }
    if list.options != known.file.pool.options || list.name != known.file.pool.name {
        found.wrong(
            "the table has other options than the [pool] section of the file; the daemon has not read it: its \
             log says why"
                .to_owned(),
        );
    }
    orders(found, known, seen);
}

fn orders(found: &mut Findings, known: &Known, seen: &Seen) {
    for (server, &order) in known.file.pool.servers().iter().zip(&known.file.orders) {
        let Some(entry) = seen.entry(&server.name) else { continue };
        let who = called(server);
        let because = if entry.reason.is_empty() { String::new() } else { format!(" ({})", entry.reason) };
        match (order, entry.state) {
            (Order::Down, State::Down) | (Order::Draining, State::Draining | State::Down) => {
                found.remark(format!("{who} is {}, as is ordered", word(entry.state)));
            }
            (Order::Down | Order::Draining, state) => found.wrong(format!(
                "{who} is ordered to be out of use, and the table calls it {}; the daemon has not read the file: \
                 its log says why",
                word(state)
            )),
            (Order::Up, State::Down) => found.wrong(format!("{who} is down{because}; see to that server")),
            (Order::Up, State::Returned) => {
                found.remark(format!("{who} is returned: not everything that belongs on it is there yet"));
            }
            (Order::Up, State::Draining) => found.wrong(format!(
                "{who} drains, and the file does not order it; the daemon has not read the file: its log says why"
            )),
            (Order::Up, State::Steady) => {}
        }
    }
    let gone = |entry: &&ServerEntry| entry.state == State::Down && !entry.held_back;
    let down = seen.snapshot.current.servers.iter().filter(gone).count();
    let all = seen.snapshot.current.servers.len();
    if down * 2 > all {
        found.wrong(format!(
            "{down} of {all} servers are down: the network of this machine is the likelier fault, and clients \
             divert nothing; look at that first"
        ));
    }
}

/// Whether copies get to where they belong.
fn sweeps(found: &mut Findings, known: &Known) {
    let Some(Seen { snapshot, .. }) = known.attended() else { return };
    if !snapshot.swept {
        found.remark(format!(
            "{}; a server that returns is called steady when the pool's window is over, in {}",
            sweep::unswept(snapshot),
            Text(snapshot.current.options.window)
        ));
    }
    let Some(progress) = &snapshot.sweep else { return };
    found.remark(sweep::under_way(progress));
    if let Some(refusals) = Sweep::new(progress, progress.updated).refusals() {
        found.wrong(format!(
            "{refusals}: there is one copy of them; give the servers more memory (memcached -m), and all of them the \
             same size of the largest value (-I)"
        ));
    }
}

/// What the servers say themselves.
fn servers(found: &mut Findings, known: &Known, answers: &[Result<Figures, String>]) {
    let pool = &known.file.pool;
    for ((server, &order), answer) in pool.servers().iter().zip(&known.file.orders).zip(answers) {
        let who = called(server);
        let state = known.seen().and_then(|seen| seen.entry(&server.name)).map(|entry| entry.state);
        match answer {
            // It was told already, with the daemon's reason.
            Err(_) if order == Order::Down || state == Some(State::Down) => {}
            Err(wrong) => {
                found
                    .wrong(format!("{who} cannot be asked: {wrong}; see whether it runs and can be reached"));
            }
            Ok(figures) => {
                if !figures.meta {
                    let version = figures.version.as_deref().unwrap_or("unknown");
                    found.wrong(format!(
                        "{who} has no meta commands (version {version}): no sweep and less repair; run memcached \
                         1.6 or newer"
                    ));
                }
                if order == Order::Up && state == Some(State::Down) {
                    found.remark(format!("{who} answers here, although the table calls it down"));
                }
            }
        }
    }
}

/// Copies on one machine die together.
fn hosts(found: &mut Findings, known: &Known) {
    let pool = &known.file.pool;
    let host = |address: &Address| match address {
        Address::Unix(_) => "this machine".to_owned(),
        Address::Tcp { host, .. } => match host.as_str() {
            "localhost" | "::1" => "this machine".to_owned(),
            host if host.starts_with("127.") => "this machine".to_owned(),
            host => host.to_owned(),
        },
    };
    let hosts: Vec<String> = pool.servers().iter().map(|server| host(&server.address)).collect();
    if !pool.options.backups {
        return;
    }
    if pool.servers().len() == 1 {
        return found.remark("a single server has no backup: when it dies, its values are lost".to_owned());
    }
    if hosts.iter().all(|one| *one == hosts[0]) {
        return found.remark(format!("all servers are on {}: they can die together", hosts[0]));
    }
    for (id, server) in pool.ids().zip(pool.servers()) {
        let Some(backup) = server.backup.filter(|backup| hosts[backup.index()] == hosts[id.index()]) else {
            continue;
        };
        // A pair is told of once.
        if pool.server(backup).backup == Some(id) && backup < id {
            continue;
        }
        found.wrong(format!(
            "{} and its backup {} are both on {}: both copies can die together; name another backup, or \
             change the order of the list",
            called(server),
            called(pool.server(backup)),
            hosts[id.index()]
        ));
    }
}
