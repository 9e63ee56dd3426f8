//! Where a key lives and why: what placement says of it, as things stand.

use std::ffi::{c_char, c_int};
use std::fmt::{self, Write as _};
use std::ptr;

use super::context::{Context, mc_global_ctxt, memcache_ctxt};
use super::guard::{FAILED, guard};
use super::memcache::{Cache, memcache};
use super::reason::{Words, mc_reason, reason_guard};
use super::server::{Chooser, memcache_server};
use crate::rules::places::{self, Placement};
use crate::rules::pool::{Pool, ServerId};
use crate::rules::view::{State, View};

use mc_reason::*;

/// How many places a struct mc_where has room for.
const PLACES: usize = 8;

/// How long its sentence may be, with its NUL.
const WHY: usize = 256;

/// A server's state; see mc_server_state.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum mc_state {
    /// It answers, and everything that belongs on it is there; or it was not tried yet.
    MC_STATE_STEADY = 0,
    /// It answers again, but not everything that belongs on it is there yet.
    MC_STATE_RETURNED = 1,
    /// It failed, or the program took it out of use.
    MC_STATE_DOWN = 2,
    /// It answers and is being taken out of the pool: it gets no new keys; what it holds is still read.
    MC_STATE_DRAINING = 3,
}

use mc_state::*;

/// Where a key lives; see mc_where. The servers are those of the handle's list, NULL where there is none.
#[repr(C)]
#[derive(Debug)]
pub struct mc_where {
    /// The server it lives on while all is well.
    pub home: *const memcache_server,
    /// Where writes go and reads begin at this moment: home, or who stands in for it.
    pub acting: *const memcache_server,
    /// Where the second copy of a write goes at this moment. NULL in a pool without backups, and
    /// while no other server is live.
    pub mirror: *const memcache_server,
    /// Home's backup: the mirror while all is well.
    pub backup: *const memcache_server,
    /// How many servers may hold a copy. Can be more than places has room for.
    pub num_places: usize,
    /// They, in the order in which reads ask them; acting is the first.
    pub places: [*const memcache_server; 8],
    /// Why, as a sentence that ends in a NUL.
    pub why: [c_char; 256],
}

impl mc_where {
    fn nowhere() -> mc_where {
        mc_where {
            home: ptr::null(),
            acting: ptr::null(),
            mirror: ptr::null(),
            backup: ptr::null(),
            num_places: 0,
            places: [ptr::null(); PLACES],
            why: [0; WHY],
        }
    }

    /// As much of a sentence as there is room for.
    fn say(&mut self, why: &str) {
        let fits = super::open::beginning(why, WHY - 1);
        for (to, from) in self.why.iter_mut().zip(fits.bytes().chain([0])) {
            *to = from as c_char;
        }
    }
}

/// A server as a person knows it: its address, and its name when it has one.
struct Named<'a>(&'a Pool, ServerId);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = self.0.server(self.1);
        let address = server.address.to_string();
        if server.name == address { f.write_str(&address) } else { write!(f, "{} ({address})", server.name) }
    }
}

/// Where a key lives, as a sentence.
fn describe(view: &View, key: &[u8], out: &mut String) -> fmt::Result {
    let pool = &*view.pool;
    let Some(home) = places::home(pool, key) else { return out.write_str("the pool has no servers") };
    write!(out, "home {} is ", Named(pool, home))?;
    out.write_str(match view.state(home) {
        State::Steady => "steady",
        State::Returned => "returned: not everything that belongs on it is there yet",
        State::Draining => "draining: it gets no new keys",
        State::Down => "down",
    })?;
    let Some(placement) = Placement::of(view, key) else {
        return out.write_str("; no server of the pool is live");
    };
    if view.keeps_changes_from(home) {
        return out.write_str(
            "; most servers of the pool seem down, so the network of this machine is the likelier \
             fault, and nothing is stored",
        );
    }
    if let Some(acting) = placement.acting().filter(|acting| *acting != home) {
        write!(out, "; {} stands in for it", Named(pool, acting))?;
    }
    second_copy(view, &placement, out)?;
    let others = placement
        .places
        .iter()
        .filter(|&&place| Some(place) != placement.acting() && Some(place) != placement.mirror);
    for (index, place) in others.enumerate() {
        out.write_str(if index == 0 { "; reads go on to " } else { ", " })?;
        write!(out, "{}", Named(pool, *place))?;
    }
    Ok(())
}

fn second_copy(view: &View, placement: &Placement, out: &mut String) -> fmt::Result {
    let pool = &*view.pool;
    let backup = pool.server(placement.home).backup;
    match (placement.mirror, backup) {
        (Some(mirror), Some(backup)) if mirror != backup && !view.live(backup) => {
            let (mirror, backup) = (Named(pool, mirror), Named(pool, backup));
            write!(out, "; second copy on {mirror}, because the backup {backup} is down")
        }
        (Some(mirror), _) => write!(out, "; second copy on {}", Named(pool, mirror)),
        (None, Some(_)) => out.write_str("; no second copy: no other server is live"),
        (None, None) => out.write_str("; no second copy: it has no backup"),
    }
}

impl Cache {
    /// Writes what there is to say of a call that failed.
    pub(super) fn explain(
        self,
        ctxt: Context,
        key: &[u8],
        reason: mc_reason,
        refusal: Option<&[u8]>,
        out: &mut String,
    ) {
        let words = Words(refusal.unwrap_or(b"no reason was given"));
        // A string takes everything that is written to it.
        let _ = match (ctxt.places_keys_itself(), self.view(), reason) {
            (true, _, MC_REASON_REFUSED) => write!(out, "the server that the program chose refused: {words}"),
            (true, ..) => out.write_str("the program's own functions choose the server"),
            (false, None, _) => out.write_str("no server of the handle is in use"),
            (false, Some(view), MC_REASON_REFUSED) => write!(out, "{} refused: {words}", Asked(view, key)),
            (false, Some(view), _) => describe(view, key, out),
        };
    }

    /// The struct of a server of the pool: the first in the list that stands for it.
    fn listed(self, id: ServerId) -> *const memcache_server {
        // SAFETY: servers of the list.
        let is_it =
            |server: &*mut memcache_server| unsafe { (**server)._id == id.0 && (**server)._deactivated == 0 };
        self.servers().find(is_it).unwrap_or(ptr::null_mut())
    }

    fn place(self, view: &View, key: &[u8], found: &mut mc_where) -> mc_reason {
        let mut why = String::new();
        let _ = describe(view, key, &mut why); // a string takes everything
        found.say(&why);
        let Some(home) = places::home(&view.pool, key) else { return MC_REASON_NO_SERVERS };
        let listed = |id: Option<ServerId>| id.map_or(ptr::null(), |id| self.listed(id));
        found.home = listed(Some(home));
        found.backup = listed(view.pool.server(home).backup);
        let Some(placement) = Placement::of(view, key) else { return MC_REASON_UNAVAILABLE };
        found.acting = listed(placement.acting());
        found.mirror = listed(placement.mirror);
        found.num_places = placement.places.len();
        for (to, id) in found.places.iter_mut().zip(&placement.places) {
            *to = self.listed(*id);
        }
        MC_REASON_DONE
    }
}

/// Those who were asked to change a key; one of them refused.
struct Asked<'a>(&'a View, &'a [u8]);

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Asked(view, key) = self;
        let Some(placement) = Placement::of(view, key) else { return f.write_str("the server") };
        for (index, id) in placement.acting().into_iter().chain(placement.mirror).enumerate() {
            f.write_str(if index == 0 { "" } else { " or " })?;
            write!(f, "{}", Named(&view.pool, id))?;
        }
        Ok(())
    }
}

/// Fills in `found`.
///
/// # Safety
/// The pointers are what [`mcm_where`] asks for.
unsafe fn find(
    ctxt: Context,
    cache: Cache,
    (key, key_len): (*const c_char, usize),
    found: *mut mc_where,
) -> Result<mc_reason, mc_reason> {
    // SAFETY: NULL or the caller's struct, which may be uninitialised.
    let found = unsafe {
        if found.is_null() {
            return Err(cache.bad_value(format_args!("where is NULL")));
        }
        found.write(mc_where::nowhere());
        &mut *found
    };
    // SAFETY: the caller's key.
    let key = unsafe { cache.key(ctxt, key, key_len)? };
    if ctxt.places_keys_itself() {
        found.say("the program's own functions choose the server");
        let chosen = Chooser::begin(ctxt, cache, false).server_for(key).ok_or(MC_REASON_UNAVAILABLE)?;
        (found.home, found.acting, found.num_places) = (chosen, chosen, 1);
        found.places[0] = chosen;
        return Ok(MC_REASON_DONE);
    }
    let Some(view) = cache.view() else {
        found.say("no server of the handle is in use");
        return Ok(MC_REASON_UNAVAILABLE);
    };
    let reason = cache.place(view, key, found);
    cache.handle().last.set_for(reason, key);
    Ok(reason)
}

/// Where a key lives, as this process sees its servers at this moment, and why; asks no server. The key as
/// for mc_store. Fills in *where, whatever it held, and returns MC_REASON_DONE. MC_REASON_UNAVAILABLE: no
/// server is live, and only home, backup and why are known. Other reasons: nothing is known, and *where
/// is empty. where->why is such as "home 127.0.0.1:11211 is down; 127.0.0.1:11213 stands in for it; second
/// copy on 127.0.0.1:11212". The servers are valid until the handle's list changes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_where(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    r#where: *mut mc_where,
) -> c_int {
    // SAFETY: the caller's context, handle, key and struct.
    unsafe { reason_guard(ctxt, mc, |ctxt, cache| find(ctxt, cache, (key, key_len), r#where)) }
}

/// See mcm_where.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_where(
    mc: *mut memcache,
    key: *const c_char,
    key_len: usize,
    r#where: *mut mc_where,
) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_where(mc_global_ctxt(), mc, key, key_len, r#where) }
}

/// A server's state, as this process sees it at this moment; asks nobody: a number of enum mc_state. -1
/// when a pointer is NULL or the server is not of this handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcm_server_state(
    ctxt: *const memcache_ctxt,
    mc: *mut memcache,
    ms: *const memcache_server,
) -> c_int {
    guard(FAILED, || {
        // SAFETY: the caller's context and handle.
        let (_, cache) = unsafe { (Context::new(ctxt)?, Cache::new(mc)?) };
        let server = cache.servers().find(|server| server.cast_const() == ms)?;
        // SAFETY: a server of the list.
        if unsafe { (*server)._deactivated != 0 } {
            return Some(MC_STATE_DOWN as c_int);
        }
        let id = cache.id_of(server)?;
        Some(match cache.view()?.state(id) {
            State::Steady => MC_STATE_STEADY,
            State::Returned => MC_STATE_RETURNED,
            State::Draining => MC_STATE_DRAINING,
            State::Down => MC_STATE_DOWN,
        } as c_int)
    })
}

/// See mcm_server_state.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mc_server_state(mc: *mut memcache, ms: *const memcache_server) -> c_int {
    // SAFETY: the caller's promise; the global context is always valid.
    unsafe { mcm_server_state(mc_global_ctxt(), mc, ms) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rules::pool::{Options, Server, pair_up};
    use crate::rules::view::ServerView;

    /// What is said of a key whose home is the first of six servers, paired or not.
    fn said(states: [State; 6], paired: bool) -> String {
        let server = |n: usize| Server {
            name: format!("s{n}"),
            address: format!("127.0.0.1:{n}").parse().expect("an address"),
            weight: 1,
            backup: None,
        };
        let mut servers: Vec<Server> = (1..=6).map(server).collect();
        if paired {
            pair_up(&mut servers);
        }
        let pool = Arc::new(Pool::new("", Options { backups: paired, ..Options::default() }, servers));
        let mut view = View::new(Arc::clone(&pool));
        view.refresh(1, states.iter().map(|&state| ServerView { state, ..ServerView::default() }));
        let key = (0..)
            .map(|n| format!("key{n}"))
            .find(|key| places::home(&pool, key.as_bytes()) == Some(ServerId(0)));
        let mut text = String::new();
        describe(&view, key.expect("some key lives there").as_bytes(), &mut text)
            .expect("a string takes everything");
        text
    }

    #[test]
    fn where_nothing_is_stored_that_is_said() {
        use State::{Down, Steady};
        let most = "most servers of the pool seem down";
        // The home is well, and what is written would pass its backup by.
        let text = said([Steady, Down, Down, Down, Down, Steady], true);
        assert!(text.starts_with("home s1 (127.0.0.1:1) is steady; ") && text.contains(most), "{text}");
        assert!(!text.contains("second copy"), "{text}");
        let text = said([Down, Steady, Down, Down, Down, Steady], true);
        assert!(text.contains(most), "{text}");
        // Home and backup are well: nothing else can hold a copy.
        let text = said([Steady, Steady, Down, Down, Down, Down], true);
        assert!(text.ends_with("; second copy on s2 (127.0.0.1:2)"), "{text}");
        let text = said([Steady, Down, Down, Down, Down, Down], false);
        assert!(!text.contains(most), "{text}");
        let text = said([Steady, Down, Steady, Steady, Steady, Steady], true);
        assert!(text.contains("; second copy on ") && text.contains("because the backup"), "{text}");
    }
}
