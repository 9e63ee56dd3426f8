//! What is behind a struct memcache: the client that carries its calls, and how the C structs
//! and the client learn of each other's changes.
//!
//! The list of C structs is the truth about which servers there are. Adding to it only marks the
//! client as outdated; the next call builds the pool anew from the list. The same address several
//! times in the list is one server with several slots: that is how old programs give weights.

use std::collections::HashMap;
use std::sync::Arc;

use libc::{suseconds_t, time_t};

use super::address;
use super::alone::Alone;
use super::context::Context;
use super::from_file::FromFile;
use super::memcache::Cache;
use super::options::Chosen;
use super::reason::Last;
use super::request::memcache_res;
use super::server::{self, Chooser, memcache_server};
use super::turn::Turn;
use crate::client::{Client, Whole};
use crate::rules::address::Address;
use crate::rules::operation::{Operation, Outcome};
use crate::rules::pool::{Options, Pool, Server, ServerId, pair_up};
use crate::rules::view::View;

/// The id of a C struct whose server the pool does not have. No pool has so many.
pub(super) const NOT_IN_POOL: u16 = u16::MAX;

/// The private side of a handle.
#[derive(Default)]
pub struct Handle {
    /// Carries the calls; `None` while there is nobody to ask, or after a panic in the middle of a
    /// call, which took its connections along.
    client: Option<Box<Client>>,
    /// The client does not know the list as it is now.
    outdated: bool,
    /// The servers come from a pool file, or `Some(None)`: from one that cannot be used.
    pub(super) file: Option<Option<FromFile>>,
    /// Which of the client's lists the C structs show.
    pub(super) lineup: u64,
    /// The servers' timeouts as the client was last told them, in the list's order.
    timeouts: Vec<(time_t, suseconds_t)>,
    /// The client's edition that the C structs show; `None`: they have to be written anew.
    shown: Option<u64>,
    /// The client does not know whose sockets are without TCP_NODELAY, or how they are polled.
    untold: bool,
    /// For programs whose own functions choose the servers.
    pub(super) alone: HashMap<*mut memcache_server, Alone>,
    /// Servers of mc_server_add3 beside a pool file, and those that were taken out of it since: freed
    /// with the handle, unless the program frees them itself.
    pub(super) unlisted: Vec<*mut memcache_server>,
    /// The one NOTICE about ignored servers was given.
    pub(super) told: bool,
    /// The responses of the request that is being fetched; kept for its memory.
    pub(super) batch: Vec<*mut memcache_res>,
    /// What mc_option_set chose.
    pub(super) chosen: Chosen,
    /// How the last call ended.
    pub(super) last: Last,
}

impl Handle {
    /// The next call builds the pool anew.
    pub(super) fn list_changed(&mut self) {
        self.outdated = true;
        self.alone.clear();
    }

    /// Whether the servers come from a pool file.
    pub(super) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Whether they should, and the file cannot be used.
    pub(super) fn has_bad_file(&self) -> bool {
        matches!(self.file, Some(None))
    }

    /// The pool of the file.
    pub(super) fn file(&self) -> Option<&Pool> {
        Some(&*self.file.as_ref()?.as_ref()?.pool)
    }

    /// The next call tells the client of every timeout, and of whose sockets wait.
    pub(super) fn terms_changed(&mut self) {
        self.timeouts.clear();
        self.alone.clear();
        (self.untold, self.shown) = (true, None);
    }
}

/// What a struct memcache points at.
pub(super) struct Private {
    pub(super) handle: Handle,
    /// Which thread is inside.
    pub(super) turn: Turn,
    /// The context that it was made with.
    pub(super) ctxt: Context,
}

impl Private {
    pub(super) fn new(ctxt: Context) -> Private {
        Private { handle: Handle::default(), turn: Turn::new(), ctxt }
    }
}

impl Cache {
    /// Carries out an operation on a key, wherever it lives. An operation that uses several keys is
    /// given by any one of them.
    pub(super) fn run(self, ctxt: Context, key: &[u8], operation: &mut (impl Operation + ?Sized)) -> Outcome {
        let outcome = self.carry(ctxt, key, operation);
        if outcome.is_failure() {
            self.ended(ctxt, key, outcome, operation.refusal());
        } else {
            self.handle().last.set(outcome.into());
        }
        outcome
    }

    /// As [`Cache::run`], and how it ended is still to be noted.
    #[inline(always)]
    pub(super) fn carry(
        self,
        ctxt: Context,
        key: &[u8],
        operation: &mut (impl Operation + ?Sized),
    ) -> Outcome {
        if !ctxt.places_keys_itself() {
            return self.carry_in_pool(operation);
        }
        let _whole = Whole::begin();
        match Chooser::begin(ctxt, self, operation.mutates()).server_for(key) {
            Some(server) => self.run_on(server, operation),
            None => Outcome::Unavailable,
        }
    }

    /// How the pool's servers are seen at this moment; `None` in a handle that has none.
    pub(super) fn view<'a>(self) -> Option<&'a View> {
        self.bring_up_to_date();
        Some(self.handle().client.as_mut()?.view())
    }

    /// Carries out an operation by the pool's own rules.
    pub(super) fn run_in_pool(self, operation: &mut (impl Operation + ?Sized)) -> Outcome {
        let outcome = self.carry_in_pool(operation);
        self.handle().last.set(outcome.into());
        outcome
    }

    #[inline(always)]
    fn carry_in_pool(self, operation: &mut (impl Operation + ?Sized)) -> Outcome {
        self.bring_up_to_date();
        // Taken out, so that a panic on the way takes a client in an unknown state with it. The program's code, its
        // allocator or its handler, may run before and meanwhile and use the handle: nothing of that is held.
        let Some(mut client) = self.handle().client.take() else { return Outcome::Unavailable };
        let outcome = client.run(operation);
        self.handle().client = Some(client);
        self.follow_the_table();
        self.show_states();
        outcome
    }

    /// Which server of the pool a C struct is.
    pub(super) fn id_of(self, server: *mut memcache_server) -> Option<ServerId> {
        self.bring_up_to_date();
        // SAFETY: a server that a caller gave us, or one of the list.
        let server = unsafe { server.as_ref() }?;
        let known = server._owner == self.as_ptr() && server._id != NOT_IN_POOL;
        known.then_some(ServerId(server._id))
    }

    /// Closes the connection to one server; the next use connects again.
    pub(super) fn disconnect(self, server: *mut memcache_server) {
        let id = self.id_of(server);
        let handle = self.handle();
        handle.alone.remove(&server);
        if let (Some(client), Some(id)) = (handle.client.as_mut(), id) {
            client.disconnect(id);
        }
        self.show_states();
    }

    /// Whether a server of the list may be asked, as far as is known.
    pub(super) fn is_usable(self, server: *mut memcache_server) -> bool {
        let Some(id) = self.id_of(server) else { return false };
        self.handle().client.as_mut().is_some_and(|client| client.view().live(id))
    }

    /// Tells the client what the program changed: the list, or the timeouts in its structs.
    fn bring_up_to_date(self) {
        let handle = self.handle();
        if (handle.outdated || handle.client.is_none()) && self.begin_with_a_client().is_none() {
            return;
        }
        self.follow_the_table();
        self.pass_timeouts_on();
        self.pass_manners_on();
    }

    /// Makes a client; `None`: there is nobody to ask.
    #[cold]
    fn begin_with_a_client(self) -> Option<()> {
        let _whole = Whole::begin();
        let handle = self.handle();
        if std::mem::take(&mut handle.outdated) {
            handle.client = None;
        }
        let client = self.fresh_client()?;
        number_servers(self, client.pool());
        handle.terms_changed();
        // The structs show what it was opened with; the table may have told it of other servers already.
        handle.lineup = 0;
        let unresolved = client.take_unresolved();
        handle.client = Some(Box::new(client));
        self.servers().for_each(|server| self.pass_use_on(server));
        if self.handle().has_file() {
            self.tell_unresolved(&unresolved);
        }
        Some(())
    }

    /// A client of the file's servers, or of those in the list; `None` where there are none.
    fn fresh_client(self) -> Option<Client> {
        match &self.handle().file {
            Some(file) => file.as_ref()?.open(),
            None => {
                let pool = pool_of(self).filter(|pool| !pool.servers().is_empty())?;
                Some(Client::open(Arc::new(pool)))
            }
        }
    }

    /// The client, while there is one.
    pub(super) fn client<'a>(self) -> Option<&'a mut Client> {
        self.handle().client.as_deref_mut()
    }

    /// The list was made anew from what the client knows: it need not be told.
    pub(super) fn list_follows(self, pool: &Pool) {
        let handle = self.handle();
        handle.outdated = false;
        number_servers(self, pool);
        handle.terms_changed();
    }

    /// Whether any struct of a server is in use. Of a server that is several times in the list the
    /// program may take out some.
    fn uses(self, id: u16) -> bool {
        // SAFETY: servers of the list.
        let structs = self.servers().map(|server| unsafe { &*server });
        structs.filter(|server| server._id == id).any(|server| server._deactivated == 0)
    }

    /// Tells the client whether the program has taken a server out of use.
    pub(super) fn pass_use_on(self, server: *mut memcache_server) {
        // SAFETY: a server of the list.
        let id = unsafe { (*server)._id };
        let handle = self.handle();
        handle.alone.remove(&server);
        handle.shown = None;
        if let Some(client) = handle.client.as_mut().filter(|_| !handle.outdated && id != NOT_IN_POOL) {
            client.hold(ServerId(id), !self.uses(id));
        }
    }

    /// Tells the client of timeouts that the program changed in its structs.
    fn pass_timeouts_on(self) {
        if !self.has_timeouts(&self.handle().timeouts) {
            self.tell_timeouts();
        }
    }

    #[cold]
    fn tell_timeouts(self) {
        let handle = self.handle();
        let Some(client) = handle.client.as_mut() else { return };
        // SAFETY: servers of the list.
        let current = self.servers().map(|server| unsafe { ((*server).tv.tv_sec, (*server).tv.tv_usec) });
        handle.timeouts.clear();
        handle.timeouts.extend(current);
        let longest = self.servers().map(server::timeout_of).max().unwrap_or(Options::default().timeout);
        let connect = handle.chosen.connect_timeout.unwrap_or(client.pool().options.connect_timeout);
        client.set_timeouts(connect.min(longest), longest);
        for server in self.servers() {
            // SAFETY: a server of the list.
            let id = unsafe { (*server)._id };
            if id != NOT_IN_POOL {
                client.set_server_timeout(ServerId(id), Some(server::timeout_of(server)));
            }
        }
    }

    /// Whether the timeouts in the structs are the known ones. They are compared as they stand there, where a
    /// program may write at any time: what they mean is found when they are new.
    #[inline]
    fn has_timeouts(self, known: &[(time_t, suseconds_t)]) -> bool {
        // SAFETY: a live struct.
        if unsafe { (*self.as_ptr()).num_servers } as usize != known.len() {
            return false;
        }
        // One look at the end costs less than one at each.
        let mut differ = [0; 2];
        for (index, (sec, usec)) in known.iter().enumerate() {
            // SAFETY: the array has all servers of the list.
            let current = unsafe { &(**(*self.as_ptr()).servers.add(index)).tv };
            differ[0] |= sec ^ current.tv_sec;
            differ[1] |= usec ^ current.tv_usec;
        }
        differ == [0; 2]
    }

    /// Tells the client whose sockets are without TCP_NODELAY, and how they are polled.
    fn pass_manners_on(self) {
        if self.handle().untold {
            self.tell_manners();
        }
    }

    #[cold]
    fn tell_manners(self) {
        let handle = self.handle();
        let Some(client) = handle.client.as_mut() else { return };
        handle.untold = false;
        client.set_busy_poll(handle.chosen.busy_poll);
        for server in self.servers() {
            // SAFETY: a server of the list.
            let id = unsafe { (*server)._id };
            if id != NOT_IN_POOL {
                client.set_nodelay(ServerId(id), server::has_nodelay(server));
            }
        }
    }

    /// Writes what the client knows of the servers into the C structs. After every call, if it is something else than
    /// before it.
    fn show_states(self) {
        let handle = self.handle();
        if let Some(client) = handle.client.as_mut().filter(|client| handle.shown != Some(client.edition())) {
            self.write_states(client);
            handle.shown = Some(client.edition());
        }
    }

    #[cold]
    fn write_states(self, client: &mut Client) {
        let view = client.view();
        for server in self.servers_in_use() {
            let known = view.server(ServerId(server._id));
            server.active = server::activity(known);
        }
        for server in self.servers_in_use() {
            server.fd = client.fd(ServerId(server._id)).unwrap_or(-1);
        }
    }

    pub(super) fn servers_in_use<'a>(self) -> impl Iterator<Item = &'a mut memcache_server> {
        // SAFETY: servers of the list, each given once; no reference outlives the loop that asked for it.
        let servers = self.servers().map(|server| unsafe { &mut *server });
        servers.filter(|server| server._deactivated == 0 && server._id != NOT_IN_POOL)
    }
}

pub(super) fn entry(address: Address) -> Server {
    Server { name: address.to_string(), address, weight: 1, backup: None }
}

/// The list as a pool: its distinct servers, and a slot for every time one was added.
fn pool_of(cache: Cache) -> Option<Pool> {
    let mut servers: Vec<Server> = Vec::new();
    let mut slots = Vec::new();
    for server in cache.servers() {
        let address = server::address_of(server)?;
        let index = match servers.iter().position(|server| server.address == address) {
            Some(index) => {
                servers[index].weight += 1;
                index
            }
            None => {
                servers.push(entry(address));
                servers.len() - 1
            }
        };
        slots.push(ServerId(u16::try_from(index).ok().filter(|index| *index < u16::MAX)?));
    }
    let options = cache.handle().chosen.options.clone();
    if options.backups {
        pair_up(&mut servers);
    }
    Some(Pool::with_slots("", options, servers, slots))
}

/// Writes into every C struct which server of the pool it is.
fn number_servers(cache: Cache, pool: &Pool) {
    for server in cache.servers() {
        let address = server::address_of(server);
        let id = pool.ids().find(|id| Some(&pool.server(*id).address) == address.as_ref());
        // SAFETY: a server of the list.
        unsafe { (*server)._id = id.map_or(NOT_IN_POOL, |id| id.0) };
    }
}

/// The texts of a configured server, for its C struct.
pub(super) fn texts(server: &Server) -> (Vec<u8>, Vec<u8>) {
    address::texts(&server.address)
}
