//! The commands that change the pool: an edit of its file, a word to the daemon, and a look at the table
//! until it shows the change.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::config::{self, Order, PoolFile};
use crate::rules::address::Address;
use crate::rules::pool::ServerId;
use crate::rules::view::{State, View};
use crate::table::ServerEntry;
use crate::table::notice::{self, Notice};

use super::args::How;
use super::edit::{self, NewServer};
use super::harm::Outlook;
use super::known::{self, Known, Seen, Table, called, word};
use super::store::Locked;
use super::text::clean;
use super::{Answer, Ending, Said, ask};

/// From one look at the table to the next.
const PAUSE: Duration = Duration::from_millis(5);

/// What is to be changed.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// A server is not used.
    Down(&'a str),
    /// A server is used again.
    Up(&'a str),
    /// A server gets no new keys, and goes down.
    Drain(&'a str),
    /// There is one more.
    Add(NewServer<'a>),
    /// There is one less.
    Remove(&'a str),
    /// One takes the place of another.
    Replace {
        /// Name or address of the one that goes.
        old: &'a str,
        /// Address of the one that comes.
        new: &'a str,
    },
}

/// A change that was thought through.
struct Plan {
    /// The file's new text.
    text: String,
    /// What is to be seen then.
    goal: Goal,
    /// What is said when it is done.
    done: String,
    /// Why it should not be done.
    harm: Vec<String>,
    /// What a person should know.
    notes: Vec<String>,
}

/// What the table must show, beside the file's list of servers.
enum Goal {
    /// No more than that.
    List,
    /// That the order for the server of this name was heard.
    Order(String, Order),
}

/// Makes a change.
pub fn command(path: &Path, change: &Change<'_>, how: &How) -> Said {
    let locked = Locked::take(path).map_err(Answer::wrong)?;
    let known = Known::read(path)?;
    let text = std::fs::read_to_string(locked.path())
        .map_err(|error| Answer::wrong(format!("cannot read {}: {error}", path.display())))?;
    let plan = plan(&known, &text, change)?;
    let after = config::parse(&path.to_string_lossy(), &plan.text).map_err(|error| {
        Answer::wrong(format!("the file would not be right, so it is as it was\n{error}"))
    })?;
    if !plan.harm.is_empty() && !how.force {
        let mut answer = Answer::wrong(format!("refused: {}", plan.harm.join("; and ")));
        answer.notes.push("--force does it nevertheless".to_owned());
        return Err(answer);
    }
    let mut notes: Vec<String> = plan.harm.iter().map(|harm| format!("by force, although {harm}")).collect();
    notes.extend(plan.notes);
    if plan.text == text {
        drop(locked);
        notes.push("the file says so already".to_owned());
    } else {
        locked.write(&plan.text).map_err(Answer::wrong)?;
    }
    let out = clean(&plan.done).into_owned() + "\n";
    let mut answer = Answer { out, notes, ending: Ending::Done };
    follow(known, &after, &plan.goal, how.timeout, &mut answer);
    Ok(answer)
}

fn plan(known: &Known, text: &str, change: &Change<'_>) -> Result<Plan, Answer> {
    match *change {
        Change::Down(server) => order(known, text, server, Order::Down),
        Change::Up(server) => order(known, text, server, Order::Up),
        Change::Drain(server) => order(known, text, server, Order::Draining),
        Change::Add(new) => add(known, text, &new),
        Change::Remove(server) => remove(known, text, server),
        Change::Replace { old, new } => replace(known, text, old, new),
    }
}

/// The message for a text in which the servers are not where the parser said: never for one that was
/// accepted.
fn unfound() -> Answer {
    Answer::wrong("the servers cannot be found in the file's text; change it by hand")
}

/// By what a change to this server of the file is judged: the list that is in force, if it has the server (another one in
/// the file may wait for a sweep), else the file's; and which server of it that is.
fn in_force(known: &Known, id: ServerId) -> (Outlook, ServerId) {
    let name = &known.file.pool.server(id).name;
    let view = known.view();
    if let Some(id) = view.pool.ids().find(|&id| view.pool.server(id).name == *name) {
        return (Outlook::new(view, &known.file), id);
    }
    (Outlook::new(View::new(known.file.pool.clone().into()), &known.file), id)
}

fn order(known: &Known, text: &str, server: &str, order: Order) -> Result<Plan, Answer> {
    let pool = &known.file.pool;
    let id = known::find(pool, server)?;
    let before = known.file.orders[id.index()];
    let who = called(pool.server(id));
    let (outlook, judged) = in_force(known, id);
    let (done, harm) = match order {
        Order::Down => (format!("{who} is ordered down"), outlook.of_taking_away(judged)),
        Order::Draining => (format!("{who} is ordered to drain"), outlook.of_no_new_keys(judged)),
        Order::Up => (format!("{who} is ordered up"), harm_of_return(known, id, before)),
    };
    // What is ordered already does no harm that is not done.
    let harm = if before == order { Vec::new() } else { harm };
    let text = edit::order(text, id.index(), order).ok_or_else(unfound)?;
    let goal = match (before, order) {
        // Nothing is taken back, so nothing is to be seen: one that is down has its own reason.
        (Order::Up, Order::Up) => Goal::List,
        _ => Goal::Order(pool.server(id).name.clone(), order),
    };
    Ok(Plan { text, goal, done, harm, notes: Vec::new() })
}

/// A server that was down may hold what was overwritten meanwhile. A daemon flushes it; where there is
/// none, it must be empty.
fn harm_of_return(known: &Known, id: ServerId, before: Order) -> Vec<String> {
    let name = &known.file.pool.server(id).name;
    let was_down = known.seen().and_then(|seen| seen.entry(name)).map(|entry| entry.state == State::Down);
    let passed_by = before == Order::Down || was_down == Some(true);
    if known.attended().is_some() || before == Order::Up || !passed_by {
        return Vec::new();
    }
    let mut answers = ask::all(&known.file.pool, known.file.pool.options.timeout);
    match answers.swap_remove(id.index()) {
        Ok(figures) if figures.items == Some(0) => Vec::new(),
        Ok(_) => vec![
            "no daemon attends the table to flush it, and it holds values that may be older than those \
             elsewhere: restart it first"
                .to_owned(),
        ],
        Err(wrong) => vec![format!(
            "no daemon attends the table to flush it, and it cannot be asked whether it is empty ({wrong}): \
             start it anew first"
        )],
    }
}

fn add(known: &Known, text: &str, new: &NewServer<'_>) -> Result<Plan, Answer> {
    let address: Address = new.address.parse().map_err(|wrong| Answer::wrong(format!("address: {wrong}")))?;
    let backup = new.backup.map(|backup| known::find(&known.file.pool, backup)).transpose()?;
    let backup = backup.map(|backup| known.file.pool.server(backup).name.as_str());
    let text = edit::add(text, &NewServer { backup, ..*new }).ok_or_else(unfound)?;
    let who = new.name.map_or(address.to_string(), |name| format!("{name} ({address})"));
    let (harm, notes) = harm_of_moving(known);
    Ok(Plan { text, goal: Goal::List, done: format!("{who} is added"), harm, notes })
}

fn remove(known: &Known, text: &str, server: &str) -> Result<Plan, Answer> {
    let pool = &known.file.pool;
    let id = known::find(pool, server)?;
    let who = called(pool.server(id));
    if pool.servers().len() == 1 {
        return Err(Answer::wrong(format!("{who} is the only server; a pool needs at least one")));
    }
    let (moving, notes) = harm_of_moving(known);
    let (outlook, judged) = in_force(known, id);
    // A change of the list waits until the one before it is swept.
    let mut harm = outlook.when_swept().of_taking_away(judged);
    harm.extend(moving);
    let others = edit::backed_up_by(text, id.index()).ok_or_else(unfound)?;
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|&other| pool.servers()[other].name.as_str()).collect();
        harm.push(format!("it is named as the backup of {}, which would be paired anew", names.join(", ")));
    }
    let text = edit::remove(text, id.index()).ok_or_else(unfound)?;
    Ok(Plan { text, goal: Goal::List, done: format!("{who} is removed"), harm, notes })
}

fn replace(known: &Known, text: &str, old: &str, new: &str) -> Result<Plan, Answer> {
    let pool = &known.file.pool;
    let id = known::find(pool, old)?;
    let server = pool.server(id);
    let address: Address = new.parse().map_err(|wrong| Answer::wrong(format!("address: {wrong}")))?;
    if server.address == address {
        return Err(Answer::wrong(format!("{} is there already", called(server))));
    }
    let mut notes = Vec::new();
    if known.file.orders[id.index()] != Order::Up {
        notes.push(format!("the order for it stays; `memcachectl up {}` takes it back", server.name));
    }
    let (outlook, judged) = in_force(known, id);
    let harm = outlook.of_taking_away(judged);
    let text = edit::replace(text, id.index(), new).ok_or_else(unfound)?;
    let done = format!("{} is at {address} from now on, instead of {}", server.name, server.address);
    Ok(Plan { text, goal: Goal::List, done, harm, notes })
}

/// Keys change their homes: somebody must move the values, or they are not found there.
fn harm_of_moving(known: &Known) -> (Vec<String>, Vec<String>) {
    let moved = "keys change their homes";
    match known.attended() {
        Some(seen) if seen.snapshot.swept => (Vec::new(), Vec::new()),
        Some(_) => (
            Vec::new(),
            vec![format!(
                "{moved}, and nobody sweeps this pool: values stay where they are until they are stored again or \
                 expire"
            )],
        ),
        None => (
            vec![format!(
                "{moved}, and no daemon attends the table: programs that run go on with the list that they \
                 have, and read and write elsewhere than those that start from now on"
            )],
            Vec::new(),
        ),
    }
}

/// Tells the daemon, and waits until the table shows the change.
fn follow(known: Known, after: &PoolFile, goal: &Goal, time: Duration, answer: &mut Answer) {
    let Some(place) = &after.table else {
        answer.notes.push(
            "the pool file names no table: programs that run know nothing of the change until they are started \
             anew"
                .to_owned(),
        );
        return;
    };
    let mut seen = match known.table {
        Table::Read(seen) if seen.has_daemon() => seen,
        _ => return no_daemon(answer),
    };
    notice::send(place, &Notice::Reload);
    let deadline = Instant::now() + time;
    loop {
        if seen.look().is_err() || !seen.has_daemon() {
            return no_daemon(answer);
        }
        if is_shown(&seen, after, goal) {
            if let Goal::Order(name, _) = goal {
                answer.out.push_str(&seen.entry(name).map_or(String::new(), table_says));
            }
            return;
        }
        if Instant::now() >= deadline {
            answer.ending = Ending::TimeIsUp;
            let why = if seen.snapshot.previous.is_some() {
                "it follows when the change before is swept (`memcachectl status` says how far that is)"
            } else {
                "the daemon's log says what it makes of it"
            };
            let time = config::duration::Text(time);
            answer.notes.push(format!(
                "the daemon has not shown the change within {time}; it is in the file, and {why}"
            ));
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

fn no_daemon(answer: &mut Answer) {
    answer.ending = Ending::NoDaemon;
    answer.notes.push(
        "the change is in the file, but no daemon attends the table: it takes effect when memcache-watchd runs \
         for this pool"
            .to_owned(),
    );
}

fn table_says(entry: &ServerEntry) -> String {
    let why = if entry.reason.is_empty() { String::new() } else { format!(": {}", entry.reason) };
    clean(&format!("the table calls it {}{why}", word(entry.state))).into_owned() + "\n"
}

/// Whether the table shows what the file says by now.
fn is_shown(seen: &Seen, after: &PoolFile, goal: &Goal) -> bool {
    let lists_agree = known::is_of_list(&seen.snapshot, after);
    let Goal::Order(name, order) = goal else { return lists_agree };
    // A list that waits for the sweep of the one before keeps no order waiting.
    if !lists_agree && seen.snapshot.previous.is_none() {
        return false;
    }
    let Some(entry) = seen.entry(name) else { return false };
    match order {
        Order::Down => entry.ordered && entry.state == State::Down,
        // One that fell stays down, by the order.
        Order::Draining => entry.ordered && matches!(entry.state, State::Draining | State::Down),
        // One that is ill is down still, for that reason.
        Order::Up => !entry.ordered,
    }
}
