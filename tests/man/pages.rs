//! Which page tells of what. A function that stands in no page makes a test fail, and so does a page
//! that names what the header does not have; a page of which the header has nothing at all is not
//! made.

/// A page of section 3 that is made from the headers' comments.
#[derive(Clone, Copy, Default)]
pub struct Page {
    /// What it is called.
    pub name: &'static str,
    /// What its functions do, in a few words.
    pub about: &'static str,
    /// What is said before the functions are taken one by one. Paragraphs are apart by an empty line.
    pub text: &'static str,
    /// Further headers it needs.
    pub header: Option<&'static str>,
    /// Its functions; of `mc_x` and `mcm_x` the first alone. `x_*` means all that begin with `x_`.
    pub functions: &'static [&'static str],
    /// The types it explains.
    pub types: &'static [&'static str],
    /// Constants that begin so are listed.
    pub constants: &'static [&'static str],
    /// Macros that begin so are listed.
    pub macros: &'static [&'static str],
    /// Further pages of interest.
    pub see: &'static [&'static str],
}

const NOTHING: Page = Page {
    name: "",
    about: "",
    text: "",
    header: None,
    functions: &[],
    types: &[],
    constants: &[],
    macros: &[],
    see: &[],
};

/// All pages, in the order in which libmemcache(3) lists them.
pub const PAGES: &[Page] = &[
    Page {
        name: "mc_new",
        about: "make and free a handle on a pool of servers",
        functions: &["mc_new", "mc_free"],
        types: &["memcache"],
        see: &["mc_open", "mc_server_add", "mc_timeout"],
        ..NOTHING
    },
    Page {
        name: "mc_open",
        about: "open a pool file",
        functions: &["mc_open"],
        see: &["mc_new", "libmemcache-pool"],
        ..NOTHING
    },
    Page {
        name: "mc_server_add",
        about: "add servers to a handle",
        text: "A key lives on the server that its hash chooses among those that were added, in their order; a program \
               must add the same servers in the same order wherever it runs.",
        functions: &[
            "mc_server_add",
            "mc_server_add2",
            "mc_server_add3",
            "mc_server_add4",
            "mc_server_add5",
            "mc_server_new",
            "mc_server_free",
        ],
        types: &["memcache_server"],
        see: &["mc_new", "mc_hash", "libmemcache-pool"],
        ..NOTHING
    },
    Page {
        name: "mc_timeout",
        about: "how long a call may take",
        functions: &["mc_timeout", "mc_server_timeout"],
        see: &["mc_new", "mc_server_add"],
        ..NOTHING
    },
    Page {
        name: "mc_option_set",
        about: "set and read a handle's options by name",
        functions: &["mc_option_set", "mc_option_get"],
        see: &["mc_new", "libmemcache-pool"],
        ..NOTHING
    },
    Page {
        name: "mc_set",
        about: "store a value",
        functions: &["mc_set", "mc_add", "mc_replace"],
        see: &["mc_store", "mc_get", "mc_delete", "mc_err"],
        ..NOTHING
    },
    Page {
        name: "mc_get",
        about: "fetch values",
        text: "mc_aget() fetches one value; mc_get() fetches any number of them in one go, with a request that \
               mc_req_add(3) has filled with keys.",
        functions: &["mc_aget", "mc_aget2", "mc_get"],
        see: &["mc_fetch", "mc_req_add", "mc_set", "mc_err"],
        ..NOTHING
    },
    Page {
        name: "mc_req_add",
        about: "requests of many keys, and their responses",
        text: "A request is made once, is given its keys, and is fetched with mc_get(3) as often as wanted. Each key has \
               a response, which says what the last fetch found.",
        functions: &["mc_req_new", "mc_req_add", "mc_req_add_ref", "mc_req_free", "mc_res_*"],
        types: &["memcache_req", "memcache_res", "memcache_res_cb", "mcResCallback"],
        constants: &["MCM_RES_"],
        macros: &["MCM_CALLBACK_"],
        see: &["mc_get", "mc_fetch_many"],
        ..NOTHING
    },
    Page {
        name: "mc_delete",
        about: "delete a value",
        functions: &["mc_delete"],
        see: &["mc_remove", "mc_set", "mc_flush"],
        ..NOTHING
    },
    Page {
        name: "mc_incr",
        about: "count",
        functions: &["mc_incr", "mc_decr"],
        see: &["mc_incr64", "mc_set"],
        ..NOTHING
    },
    Page {
        name: "mc_fetch",
        about: "fetch a value, and tell a miss from a failure",
        functions: &["mc_fetch", "mc_fetch_into"],
        see: &["mc_reason", "mc_get", "mc_store"],
        ..NOTHING
    },
    Page {
        name: "mc_store",
        about: "store a value, and tell why it was not stored",
        functions: &["mc_store", "mc_store_add", "mc_store_replace", "mc_append", "mc_prepend", "mc_cas"],
        see: &["mc_reason", "mc_set", "mc_fetch"],
        ..NOTHING
    },
    Page {
        name: "mc_remove",
        about: "delete a value, or change how long it lives",
        functions: &["mc_remove", "mc_touch", "mc_gat"],
        see: &["mc_reason", "mc_delete", "mc_store"],
        ..NOTHING
    },
    Page {
        name: "mc_incr64",
        about: "count in 64 bits",
        functions: &["mc_incr64", "mc_decr64"],
        see: &["mc_reason", "mc_incr"],
        ..NOTHING
    },
    Page {
        name: "mc_fetch_many",
        about: "store, fetch and delete many items in one call",
        functions: &[
            "mc_fetch_many",
            "mc_fetch_values",
            "mc_fetch_into_many",
            "mc_store_many",
            "mc_remove_many",
        ],
        types: &["mc_item"],
        see: &["mc_reason", "mc_fetch", "mc_store", "mc_req_add"],
        ..NOTHING
    },
    Page {
        name: "mc_reason",
        about: "why the last call ended as it did",
        functions: &["mc_reason", "mc_reason_*"],
        types: &["mc_reason"],
        constants: &["MC_REASON_"],
        see: &["mc_fetch", "mc_store", "mc_err"],
        ..NOTHING
    },
    Page {
        name: "mc_where",
        about: "where a key lives, and why",
        functions: &["mc_where", "mc_server_state"],
        types: &["mc_where", "mc_state"],
        constants: &["MC_STATE_"],
        see: &["mc_hash", "libmemcache-pool"],
        ..NOTHING
    },
    Page {
        name: "mc_stats",
        about: "statistics of the servers",
        functions: &["mc_stats", "mc_server_stats", "mc_server_stats_free"],
        types: &["memcache_server_stats"],
        see: &["mc_server_add"],
        ..NOTHING
    },
    Page {
        name: "mc_flush",
        about: "drop everything that servers hold",
        functions: &["mc_flush", "mc_flush_all"],
        see: &["mc_delete"],
        ..NOTHING
    },
    Page {
        name: "mc_server_activate",
        about: "take servers out of use and back, and close their connections",
        functions: &[
            "mc_server_activate",
            "mc_server_activate_all",
            "mc_server_deactivate",
            "mc_server_disconnect",
            "mc_server_disconnect_all",
        ],
        see: &["mc_server_add"],
        ..NOTHING
    },
    Page {
        name: "mc_server_reset_dns",
        about: "look up the servers' names again",
        functions: &["mc_server_reset_dns", "mc_server_reset_all_dns"],
        see: &["mc_server_add"],
        ..NOTHING
    },
    Page {
        name: "mc_nodelay_enable",
        about: "send small packets at once",
        functions: &["mc_nodelay_enable", "mc_server_nodelay_enable"],
        see: &["mc_server_add", "mc_option_set"],
        ..NOTHING
    },
    Page {
        name: "mc_hash",
        about: "the hash of a key, and the server for it",
        functions: &["mc_hash", "mc_hash_key", "mc_server_find"],
        types: &["mcHashKeyFunc", "mcServerFindFunc"],
        macros: &["MCM_HASH_"],
        see: &["mc_where", "mc_server_add", "mcMemNewCtxt"],
        ..NOTHING
    },
    Page {
        name: "mc_err",
        about: "error handlers and severities",
        text: "Every failure that a caller should know of is raised as an error: it has a code and a severity, \
               and a handler is told of it, unless errors of that severity are silenced. The default handler writes \
               one line to standard error. The library never ends the process by itself; a handler may ask for it.",
        functions: &["mcErrSetup", "mcErrSetupCtxt", "mcErrGet", "mc_err_*", "mcm_err"],
        types: &["mcErrFunc", "memcache_err_ctxt"],
        constants: &["MCM_ERR_", "ERR_FLAG", "WARN_FLAG", "NO_ERRNO_FLAG"],
        macros: &["MCM_ERR", "MCM_WARN", "MCM_RET_CODE"],
        see: &["mcMemNewCtxt", "mc_reason"],
        ..NOTHING
    },
    Page {
        name: "mcMemNewCtxt",
        about: "contexts: the program's own allocators and hooks",
        text: "Every function mcm_x takes a context, and every function mc_x uses the global one. What the \
               library gives to a program, and what it takes over from it, is memory of the context's allocator.",
        functions: &["mcMem*", "mc_global_ctxt"],
        types: &["memcache_ctxt", "mcFreeFunc", "mcMallocFunc", "mcReallocFunc", "mcKeyValidFunc"],
        constants: &["MAX_KEY_LEN"],
        macros: &["MCM_KEY_VALID_"],
        see: &["mc_err", "mc_hash"],
        ..NOTHING
    },
    Page {
        name: "mc_strdup",
        about: "copy and search texts with a context's memory",
        functions: &["mc_strdup", "mc_strndup", "mc_strnchr", "mcm_strnstr"],
        macros: &["MCM_CSTRLEN"],
        see: &["mcMemNewCtxt", "mcm_buf"],
        ..NOTHING
    },
    Page {
        name: "mcm_buf",
        about: "growing texts in a context's memory",
        header: Some("memcache/buffer.h"),
        functions: &["mcm_buf_*"],
        types: &["memcache_buf"],
        constants: &["MCM_BUF_", "INIT_GET_BUF_SIZE"],
        macros: &["mcm_buf_"],
        see: &["mcMemNewCtxt", "mc_strdup"],
        ..NOTHING
    },
    Page {
        name: "mc_version",
        about: "the version of the interface and of the library",
        functions: &["mc_version", "mc_vernum", "mc_reldate"],
        macros: &["MEMCACHE_VER"],
        constants: &["MEMCACHE_"],
        ..NOTHING
    },
];

/// Constants that old programs know by a second name; the manual tells the first.
pub const SECOND_NAMES: [&str; 2] = ["MC_RES_", "MC_ERR_LVL_"];
