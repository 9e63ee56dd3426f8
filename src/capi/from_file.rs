//! A handle whose servers come from a pool file: how it is opened, and how its list of C structs follows
//! when the shared table names other servers than before.

use std::ffi::CStr;
use std::sync::Arc;

use super::constants::*;
use super::context::Context;
use super::memcache::Cache;
use super::server::{self, memcache_server};
use super::server_add;
use crate::client::{Client, TableAt, Whole};
use crate::config::{self, Order, PoolFile};
use crate::rules::pool::Pool;
use crate::table::Trust;

/// What a pool file says, as far as a handle needs it.
pub(super) struct FromFile {
    /// The servers; those of the table once it names others.
    pub(super) pool: Arc<Pool>,
    /// The shared table.
    table: Option<TableAt>,
}

impl FromFile {
    fn new(file: PoolFile) -> FromFile {
        let trust = file.owner.map_or_else(Trust::default, |owner| Trust::default().also(owner));
        let table = file.table.map(|path| TableAt { path, trust });
        FromFile { pool: Arc::new(file.pool), table }
    }

    /// A client of these servers; `None` when there are none.
    pub(super) fn open(&self) -> Option<Client> {
        let pool = (!self.pool.servers().is_empty()).then(|| Arc::clone(&self.pool))?;
        Some(Client::open_with_table(pool, self.table.clone()))
    }
}

impl Cache {
    /// Takes the servers from the file that the environment names, if it names one.
    pub(super) fn adopt_pool_file(self, ctxt: Context) {
        const HERE: &CStr = c"mc_new";
        let Some(answer) = config::from_environment() else { return };
        if let Err(problems) = &answer {
            for problem in problems.to_string().lines() {
                ctxt.raise_at(HERE, MCM_ERR_MC_SERV_LIST, MCM_ERR_LVL_ERR, format_args!("{problem}"));
            }
        }
        self.adopt(ctxt, answer.ok()); // Raised where it failed; the pool is complete all the same.
    }

    /// Takes the servers from a file; `None`: from one that cannot be used. False when there is no
    /// memory for the list.
    pub(super) fn adopt(self, ctxt: Context, file: Option<PoolFile>) -> bool {
        let listed = file.as_ref().is_none_or(|file| self.list_configured(ctxt, file));
        self.handle().file = Some(file.map(FromFile::new));
        self.handle().list_changed();
        listed
    }

    /// Lists the servers of a file. Those that an administrator took out of use are out of use here in a
    /// pool without a table; where there is one it tells.
    fn list_configured(self, ctxt: Context, file: &PoolFile) -> bool {
        let timeout = file.pool.options.timeout;
        let mut servers = file.pool.servers().iter();
        if !servers.all(|configured| server_add::append_configured(ctxt, self, configured, timeout).is_some())
        {
            return false;
        }
        let out = |order: &Order| *order == Order::Down && file.table.is_none();
        for (server, _) in self.servers().zip(&file.orders).filter(|(_, order)| out(order)) {
            // SAFETY: a server of the list.
            unsafe { ((*server)._deactivated, (*server).active) = (1, server::DOWN) };
        }
        true
    }

    /// The program adds a server beside a pool file: once, somebody is told.
    pub(super) fn ignores_a_server(self, ctxt: Context) {
        if !std::mem::replace(&mut self.handle().told, true) {
            let name = config::VARIABLE;
            ctxt.raise_at(
                c"mc_server_add",
                MCM_ERR_MC_SERV_LIST,
                MCM_ERR_LVL_NOTICE,
                format_args!("{name} names the servers; those that the program adds are ignored"),
            );
        }
    }

    /// Tells the error handler which names of the file lead nowhere.
    pub(super) fn tell_unresolved(self, unresolved: &[String]) {
        for why in unresolved {
            self.ctxt().raise(c"mc", MCM_ERR_NET_HOST, format_args!("{why}"));
        }
    }

    /// Tells the error handler what the client has to say of the table, and lists the servers that the
    /// table names when they are others than before.
    pub(super) fn follow_the_table(self) {
        let Some(client) = self.client() else { return };
        if client.lineup() != self.handle().lineup || client.has_messages() {
            self.take_news_in();
        }
    }

    #[cold]
    fn take_news_in(self) {
        let _whole = Whole::begin();
        let Some(client) = self.client() else { return };
        let (messages, lineup) = (client.take_messages(), client.lineup());
        let ctxt = self.ctxt();
        if lineup != self.handle().lineup {
            let pool = Arc::clone(client.pool());
            self.handle().lineup = lineup;
            self.list_anew(ctxt, pool);
        }
        // The program's handler may use the handle: nothing of it is in use here any more.
        for message in messages {
            ctxt.raise_at(c"mc", MCM_ERR_MC_SERV_LIST, MCM_ERR_LVL_WARN, format_args!("{message}"));
        }
    }

    /// Makes the list show the servers of `pool`, in its order. A server that is still there keeps its struct
    /// with what the program set in it; the struct of one that is gone stays readable until mc_free.
    fn list_anew(self, ctxt: Context, pool: Arc<Pool>) {
        let mut old: Vec<*mut memcache_server> = self.servers().collect();
        for &server in &old {
            // SAFETY: a server of the list.
            unsafe { self.take_out(server) };
        }
        // What was set in those that were there holds for those that join: the longest, which a call may take anyway. (mc_timeout
        // is about servers that the program adds, and says nothing of these.)
        let longest = old.iter().copied().map(server::timeout_of).max();
        let timeout = longest.unwrap_or(pool.options.timeout);
        for configured in pool.servers() {
            let same = |server: &*mut memcache_server| {
                server::address_of(*server).is_some_and(|address| address == configured.address)
            };
            let listed = match old.iter().position(same) {
                // SAFETY: just taken out of the list.
                Some(at) => unsafe { self.append(ctxt, old.remove(at)) },
                None => server_add::append_configured(ctxt, self, configured, timeout).is_some(),
            };
            if !listed {
                break; // No memory, as was told. The list is shorter; the client has every server.
            }
        }
        for server in old {
            // SAFETY: a struct of ours that is in no list any more.
            let server = unsafe { &mut *server };
            (server.active, server.fd) = (server::DOWN, -1);
            self.keep_unlisted(server);
        }
        self.list_follows(&pool);
        if let Some(Some(file)) = &mut self.handle().file {
            file.pool = pool;
        }
    }
}
