/*
 * libmemcache: a memcached client for which servers may die and come back.
 *
 * Generated from src/capi by tests/header.rs. Do not edit: change the Rust file and run
 *     UPDATE_HEADER=1 cargo test --test header
 */

#ifndef MEMCACHE_H
#define MEMCACHE_H

#include <netdb.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/types.h>
#include <unistd.h>
#include "memcache/_buffer.h"

/* The version of the interface, and the release date of this implementation. */
#define MEMCACHE_VER "1.4.0"
#define MEMCACHE_VERNUM 10400
#define MEMCACHE_RELDATE 20261123

/* The tail queues of <sys/queue.h>, for programs that have none of their own. */
#ifndef TAILQ_HEAD
#define TAILQ_HEAD(name, type) struct name { struct type *tqh_first; struct type **tqh_last; }
#endif
#ifndef TAILQ_HEAD_INITIALIZER
#define TAILQ_HEAD_INITIALIZER(head) { NULL, &(head).tqh_first }
#endif
#ifndef TAILQ_ENTRY
#define TAILQ_ENTRY(type) struct { struct type *tqe_next; struct type **tqe_prev; }
#endif
#ifndef TAILQ_FIRST
#define TAILQ_FIRST(head) ((head)->tqh_first)
#endif
#ifndef TAILQ_NEXT
#define TAILQ_NEXT(elm, field) ((elm)->field.tqe_next)
#endif
#ifndef TAILQ_FOREACH
#define TAILQ_FOREACH(var, head, field) \
    for ((var) = TAILQ_FIRST(head); (var) != NULL; (var) = TAILQ_NEXT(var, field))
#endif
#ifndef TAILQ_INIT
#define TAILQ_INIT(head) \
    do { (head)->tqh_first = NULL; (head)->tqh_last = &(head)->tqh_first; } while (0)
#endif
#ifndef TAILQ_INSERT_TAIL
#define TAILQ_INSERT_TAIL(head, elm, field) \
    do { \
        (elm)->field.tqe_next = NULL; \
        (elm)->field.tqe_prev = (head)->tqh_last; \
        *(head)->tqh_last = (elm); \
        (head)->tqh_last = &(elm)->field.tqe_next; \
    } while (0)
#endif
#ifndef TAILQ_REMOVE
#define TAILQ_REMOVE(head, elm, field) \
    do { \
        if ((elm)->field.tqe_next != NULL) \
            (elm)->field.tqe_next->field.tqe_prev = (elm)->field.tqe_prev; \
        else \
            (head)->tqh_last = (elm)->field.tqe_prev; \
        *(elm)->field.tqe_prev = (elm)->field.tqe_next; \
    } while (0)
#endif

/* The length of a string literal. */
#define MCM_CSTRLEN(literal) (sizeof(literal) - 1)

/* The field of struct memcache_ctxt with the silenced severities; see mcm_err_filter_add. */
#define MCM_ERR_MASK err_mask

/* The names of the arguments of a callback, hook or error handler. */
#define MCM_CALLBACK_CTXT mcm_callback_ctxt
#define MCM_CALLBACK_RES mcm_callback_res
#define MCM_CALLBACK_PTR mcm_callback_ptr
#define MCM_CALLBACK_MC mcm_callback_mc
#define MCM_CALLBACK_KEY mcm_callback_key
#define MCM_CALLBACK_LEN mcm_callback_len

/* The parameters of a mcResCallback:  void told(MCM_CALLBACK_FUNC) { ... } */
#define MCM_CALLBACK_SIG \
    const struct memcache_ctxt *MCM_CALLBACK_CTXT, struct memcache_res *MCM_CALLBACK_RES, \
    void *MCM_CALLBACK_PTR
#define MCM_CALLBACK_FUNC MCM_CALLBACK_SIG

/* The parameters of a mcErrFunc, and what they are:
 *     int32_t handler(MCM_ERR_FUNC_ARGS) { ...
 *         MCM_ERR_INIT_CTXT(ctxt, ectxt); ... } */
#define MCM_ERR_FUNC_SIG const void *MCM_CALLBACK_CTXT, void *MCM_CALLBACK_PTR
#define MCM_ERR_FUNC_ARGS MCM_ERR_FUNC_SIG
#define MCM_ERR_INIT_CTXT(ctxt, ectxt) \
    do { \
        (ctxt) = (struct memcache_ctxt *)MCM_CALLBACK_CTXT; \
        (ectxt) = (struct memcache_err_ctxt *)MCM_CALLBACK_PTR; \
    } while (0)

/* The parameters of a mcKeyValidFunc, and what they are. */
#define MCM_KEY_VALID_FUNC_SIG \
    const void *MCM_CALLBACK_CTXT, char *MCM_CALLBACK_KEY, size_t MCM_CALLBACK_LEN
#define MCM_KEY_VALID_FUNC_ARGS MCM_KEY_VALID_FUNC_SIG
#define MCM_KEY_VALID_INIT(ctxt, key, len) \
    do { \
        (ctxt) = (struct memcache_ctxt *)MCM_CALLBACK_CTXT; \
        (key) = MCM_CALLBACK_KEY; \
        (len) = MCM_CALLBACK_LEN; \
    } while (0)

/* The parameters of a mcHashKeyFunc, and what they are. */
#define MCM_HASH_SIG \
    const void *MCM_CALLBACK_CTXT, const void *MCM_CALLBACK_MC, const char *MCM_CALLBACK_KEY, \
    const size_t MCM_CALLBACK_LEN
#define MCM_HASH_FUNC MCM_HASH_SIG
#define MCM_HASH_INIT(ctxt, mc, key, len) \
    do { \
        (ctxt) = (struct memcache_ctxt *)MCM_CALLBACK_CTXT; \
        (mc) = (struct memcache *)MCM_CALLBACK_MC; \
        (key) = (char *)MCM_CALLBACK_KEY; \
        (len) = MCM_CALLBACK_LEN; \
    } while (0)

/* Raise an error in the context `ctxt` of the calling function. X: errno has nothing to do with it.
 * MSG: a string literal; MSGLEN: a text of a length; LVL: a severity of its own. */
#define MCM_ERR(code) \
    mcm_err(ctxt, ERR_FLAG, __FUNCTION__, __LINE__, (code), NULL, 0, 0)
#define MCM_ERR_MSG(code, msg) \
    mcm_err(ctxt, ERR_FLAG, __FUNCTION__, __LINE__, (code), (msg), MCM_CSTRLEN(msg), 0)
#define MCM_ERR_MSG_LVL(code, msg, lvl) \
    mcm_err(ctxt, ERR_FLAG, __FUNCTION__, __LINE__, (code), (msg), MCM_CSTRLEN(msg), (lvl))
#define MCM_ERRX(code) \
    mcm_err(ctxt, ERR_FLAG | NO_ERRNO_FLAG, __FUNCTION__, __LINE__, (code), NULL, 0, 0)
#define MCM_ERRX_MSG(code, msg) \
    mcm_err(ctxt, ERR_FLAG | NO_ERRNO_FLAG, __FUNCTION__, __LINE__, (code), (msg), MCM_CSTRLEN(msg), 0)
#define MCM_ERRX_MSG_LVL(code, msg, lvl) \
    mcm_err(ctxt, ERR_FLAG | NO_ERRNO_FLAG, __FUNCTION__, __LINE__, (code), (msg), MCM_CSTRLEN(msg), (lvl))
#define MCM_WARNX(code) \
    mcm_err(ctxt, WARN_FLAG | NO_ERRNO_FLAG, __FUNCTION__, __LINE__, (code), NULL, 0, 0)
#define MCM_WARN_MSG(code, msg) \
    mcm_err(ctxt, WARN_FLAG, __FUNCTION__, __LINE__, (code), (msg), MCM_CSTRLEN(msg), 0)
#define MCM_WARN_MSGLEN(code, msg, len) \
    mcm_err(ctxt, WARN_FLAG, __FUNCTION__, __LINE__, (code), (msg), (len), 0)
#define MCM_WARN_MSG_LVL(code, msg, lvl) \
    mcm_err(ctxt, WARN_FLAG, __FUNCTION__, __LINE__, (code), (msg), MCM_CSTRLEN(msg), (lvl))
#define MCM_WARNX_MSG(code, msg) \
    mcm_err(ctxt, WARN_FLAG | NO_ERRNO_FLAG, __FUNCTION__, __LINE__, (code), (msg), MCM_CSTRLEN(msg), 0)
#define MCM_WARNX_MSGLEN(code, msg, len) \
    mcm_err(ctxt, WARN_FLAG | NO_ERRNO_FLAG, __FUNCTION__, __LINE__, (code), (msg), (len), 0)

/* What a failing function returns: the handler's retcode when it set one, else v. */
#define MCM_RET_CODE(v) \
    (ctxt->ectxt != NULL && ctxt->ectxt->retcode != 0 ? ctxt->ectxt->retcode : (v))

struct addrinfo;


/*
 The longest key, in bytes.
 */
#define MAX_KEY_LEN 250

/*
 What a new buffer holds, in bytes.
 */
#define INIT_GET_BUF_SIZE 1024

/*
 Of a response: the value is freed with the response.
 */
#define MCM_RES_FREE_ON_DELETE 1

/*
 Of a response: the caller owns the value.
 */
#define MCM_RES_NO_FREE_ON_DELETE 2

/*
 Of a response: the last fetch found it.
 */
#define MCM_RES_FOUND 4

/*
 Of a response: a fetch was tried.
 */
#define MCM_RES_ATTEMPTED 8

/*
 Of a response: the key is the response's own copy.
 */
#define MCM_RES_NEED_FREE_KEY 16

/*
 Same as MCM_RES_FREE_ON_DELETE.
 */
#define MC_RES_FREE_ON_DELETE 1

/*
 Same as MCM_RES_NO_FREE_ON_DELETE.
 */
#define MC_RES_NO_FREE_ON_DELETE 2

/*
 Same as MCM_RES_FOUND.
 */
#define MC_RES_FOUND 4

/*
 Same as MCM_RES_ATTEMPTED.
 */
#define MC_RES_ATTEMPTED 8

/*
 Same as MCM_RES_NEED_FREE_KEY.
 */
#define MC_RES_NEED_FREE_KEY 16

/*
 How a call ended. 0 and above: it was carried out, and this is the answer. Below 0: it was not, or
 nobody knows whether it was; then nothing may be concluded about the key: "unavailable" is
 not "no such session". Calls that answer with a reason never run the error handler.
 */
enum mc_reason {
    /*
     Done; or no call was made yet.
     */
    MC_REASON_DONE = 0,
    /*
     The value was found.
     */
    MC_REASON_HIT = 1,
    /*
     Stored; in a pool with backups on both servers.
     */
    MC_REASON_STORED = 2,
    /*
     Deleted on every server that may have it.
     */
    MC_REASON_DELETED = 3,
    /*
     Its expiry time was changed.
     */
    MC_REASON_TOUCHED = 4,
    /*
     Counted; the new number was handed out.
     */
    MC_REASON_NUMBER = 5,
    /*
     There is no such value.
     */
    MC_REASON_MISS = 10,
    /*
     The condition did not hold: add where there is a value, replace, append or prepend where
     there is none.
     */
    MC_REASON_NOT_STORED = 11,
    /*
     Not stored: since the token of mc_cas was handed out the value was changed, or its server
     restarted or was replaced by another.
     */
    MC_REASON_EXISTS = 12,
    /*
     There is nothing under that key to be deleted, touched, counted or compared.
     */
    MC_REASON_NOT_FOUND = 13,
    /*
     The server that knows could not be asked, or it is unknown whether it did what it was asked.
     */
    MC_REASON_UNAVAILABLE = -1,
    /*
     The call's time was up. What was to be changed may be changed still.
     */
    MC_REASON_TIMEOUT = -2,
    /*
     A server refused: mc_reason_text has its words. Also: the key needs meta commands
     (memcached 1.6) and the server has none. Also: what is to be counted is no number.
     */
    MC_REASON_REFUSED = -3,
    /*
     The key may not be sent; nothing was.
     */
    MC_REASON_BAD_KEY = -4,
    /*
     An argument is NULL that must not be, or a value is longer than 1 GiB; nothing was sent.
     */
    MC_REASON_BAD_VALUE = -5,
    /*
     There is no memory: the context's allocator gave NULL, or there is none for sending or receiving so much. A
     value that was found could not be handed out; of a store nothing is kept.
     */
    MC_REASON_NO_MEMORY = -6,
    /*
     The handle has no servers.
     */
    MC_REASON_NO_SERVERS = -7,
    /*
     The pool file that MEMCACHE_POOL names cannot be used, so the handle has no servers.
     */
    MC_REASON_BAD_FILE = -8,
    /*
     There is no such option, it cannot have this value, or it is the operator's to set.
     */
    MC_REASON_BAD_OPTION = -9,
    /*
     A fault of the library, caught at its boundary. It is unknown how far the call came.
     */
    MC_REASON_INTERNAL = -10,
};

/*
 A server's state; see mc_server_state.
 */
enum mc_state {
    /*
     It answers, and everything that belongs on it is there; or it was not tried yet.
     */
    MC_STATE_STEADY = 0,
    /*
     It answers again, but not everything that belongs on it is there yet.
     */
    MC_STATE_RETURNED = 1,
    /*
     It failed, or the program took it out of use.
     */
    MC_STATE_DOWN = 2,
    /*
     It answers and is being taken out of the pool: it gets no new keys; what it holds is still read.
     */
    MC_STATE_DRAINING = 3,
};

/*
 Frees what the others gave; like free(3).
 */
typedef void (*mcFreeFunc)(void *ptr);

/*
 Gives memory; like malloc(3).
 */
typedef void *(*mcMallocFunc)(size_t size);

/*
 Gives more or less memory; like realloc(3).
 */
typedef void *(*mcReallocFunc)(void *ptr, size_t size);

/*
 An error handler: the context and its struct memcache_err_ctxt. See MCM_ERR_FUNC_ARGS.
 */
typedef int32_t (*mcErrFunc)(const void *ctxt, void *ectxt);

/*
 Says whether a key may be used: 0, or the position of the offending byte, counted from 1.
 */
typedef int32_t (*mcKeyValidFunc)(const void *ctxt, char *key, size_t len);

/*
 The hash of a key.
 */
typedef u_int32_t (*mcHashKeyFunc)(const void *ctxt, const void *mc, const char *key, size_t len);

/*
 The server for a hash: a struct memcache_server of that handle, or NULL.
 */
typedef void *(*mcServerFindFunc)(const void *ctxt, void *mc, u_int32_t hash);

/*
 One raised error, as an error handler sees it.
 */
struct memcache_err_ctxt {
    /*
     The program's own: set it in ctxt->ectxt once, read it in the handler.
     */
    void *misc;
    /*
     Who raised it.
     */
    const char *funcname;
    /*
     Where it was raised.
     */
    u_int32_t lineno;
    /*
     errno, or 0 when it has nothing to do with it.
     */
    u_int32_t errnum;
    /*
     MCM_ERR_...
     */
    u_int32_t errcode;
    /*
     MCM_ERR_LVL_...
     */
    char severity;
    /*
     'y': the call goes on and returns its failure (preset). A handler may set 'n': the process
     exits with sysexit, or 'a': it aborts.
     */
    char cont;
    /*
     A handler that sets it to other than 0 chooses what the failing call returns, if that is an int.
     */
    int32_t retcode;
    /*
     The exit status of sysexits.h that fits.
     */
    int sysexit;
    /*
     What the code means, in English.
     */
    const char *errstr;
    /*
     What happened, or NULL. Gone when the handler has returned.
     */
    const char *errmsg;
    /*
     The message's length.
     */
    size_t errlen;
    /*
     The context it was raised in.
     */
    const void *ctxt;
};

/*
 What a program may choose: allocators, error handler, and hooks. Every mcm_ function takes one;
 the mc_ functions use the global one (mc_global_ctxt). Assign to the function pointers at will;
 NULL means the default. Made by mcMemNewCtxt, freed by mcMemFreeCtxt.
 */
struct memcache_ctxt {
    /*
     Frees what the three below gave.
     */
    mcFreeFunc mcFree;
    /*
     Memory for the library's structs and for keys.
     */
    mcMallocFunc mcMalloc;
    /*
     Memory without pointers in it: values. NULL: mcMalloc is used.
     */
    mcMallocFunc mcMallocAtomic;
    /*
     Grows what mcMalloc gave.
     */
    mcReallocFunc mcRealloc;
    /*
     Told of every error that is not silenced.
     */
    mcErrFunc mcErr;
    /*
     Asked before a key is used. Whatever it says, a key that would put a connection out of step
     (empty, longer than MAX_KEY_LEN, with a space, control character or NUL) is refused too.
     */
    mcKeyValidFunc mcKeyValid;
    /*
     Hashes a key. Assigning one of your own makes it choose the servers, and turns failover off: a call
     keeps to the server at hash % num_servers though it failed. Only one that mc_server_deactivate took
     out is passed over, for the next of the list; which still has what it was given the last time.
     */
    mcHashKeyFunc mcHashKey;
    /*
     Finds the server for a hash. Assigning one of your own makes it choose the servers, and
     turns failover off. It may go by what active shows, which is as of now. A server that is 'd' while
     the program changes anything on another is emptied before it is 'u' again; what others still hold from
     an earlier time in its place is the program's to know.
     */
    mcServerFindFunc mcServerFind;
    /*
     ENOENT after mc_incr or mc_decr of a key that is not there; 0 after one that went well.
     */
    u_int32_t errnum;
    /*
     Not used.
     */
    struct memcache_buf *_rbuf;
    /*
     Not used.
     */
    struct memcache_buf *_wbuf;
    /*
     Not used.
     */
    u_int32_t _last_hash;
    /*
     The last raised error. Its misc is yours.
     */
    struct memcache_err_ctxt *ectxt;
    /*
     The silenced severities; use mcm_err_filter_add and its siblings.
     */
    u_int32_t err_mask;
};

/*
 An element's links.
 */
struct tailq_entry_memcache_server {
    /*
     The next element, or NULL.
     */
    struct memcache_server *tqe_next;
    /*
     The pointer that points to this element.
     */
    struct memcache_server **tqe_prev;
};

/*
 One server of a handle.
 */
struct memcache_server {
    /*
     The program's own.
     */
    void *misc;
    /*
     The host's name or address, or unix:/path.
     */
    char *hostname;
    /*
     The port as text.
     */
    char *port;
    /*
     The socket, -1 when closed; as of the handle's last call.
     */
    int fd;
    /*
     The server's timeout; see mc_server_timeout.
     */
    struct timeval tv;
    /*
     'u' up, 'd' down, 't' not tried yet, 'n' no such host.
     */
    char active;
    /*
     What the name resolved to when the server was added. NULL for a unix socket.
     */
    struct addrinfo *hostinfo;
    /*
     How many addresses that are.
     */
    u_int32_t num_addrs;
    /*
     Not used.
     */
    struct memcache_buf *rbuf;
    /*
     Not used.
     */
    struct memcache_buf *wbuf;
    /*
     Not used.
     */
    u_int32_t _last_hash;
    /*
     Not used.
     */
    size_t soff;
    /*
     Not used.
     */
    size_t startoff;
    /*
     The links of the handle's server_list.
     */
    struct tailq_entry_memcache_server entries;
    /*
     Private.
     */
    struct memcache *_owner;
    /*
     Private.
     */
    uint16_t _id;
    /*
     Private: the program took it out of use.
     */
    char _deactivated;
    /*
     Private: its socket is without TCP_NODELAY.
     */
    char _nagle;
};

/*
 The head of a tail queue: walk it with TAILQ_FOREACH.
 */
struct tailq_head_memcache_server {
    /*
     The first element, or NULL.
     */
    struct memcache_server *tqh_first;
    /*
     Where the pointer to the next appended element goes.
     */
    struct memcache_server **tqh_last;
};

/*
 A handle on a pool of servers. One thread at a time may use it; any number of handles may be used
 at once, in as many threads. A debug build of the library notices two threads in one handle:
 the second call raises ASSERT, does nothing and fails. Callbacks, error handlers and hooks may use
 the handle that called them, in the same thread.

 After fork() a child may go on with its parent's handles, and so may the parent: the child makes
 connections of its own. Not with a handle that another thread was inside of at that moment; and a child
 that a callback, handler or hook forks uses handles of its own, and does not return from it.
 Made by mc_new, freed by mc_free.
 */
struct memcache {
    /*
     The program's own.
     */
    void *misc;
    /*
     The timeout of servers that are added from now on; see mc_timeout.
     */
    struct timeval tv;
    /*
     How many servers there are in the list.
     */
    u_int32_t num_servers;
    /*
     The servers in their order, and a NULL. NULL while there are none.
     */
    struct memcache_server **servers;
    /*
     The same servers as a tail queue.
     */
    struct tailq_head_memcache_server server_list;
    /*
     Private.
     */
    void *_handle;
};

/*
 An element's links.
 */
struct tailq_entry_memcache_res {
    /*
     The next element, or NULL.
     */
    struct memcache_res *tqe_next;
    /*
     The pointer that points to this element.
     */
    struct memcache_res **tqe_prev;
};

/*
 One key of a request and what came of it.
 */
struct memcache_res {
    /*
     The program's own.
     */
    void *misc;
    /*
     The key.
     */
    char *key;
    /*
     The key's length.
     */
    size_t len;
    /*
     The key's hash.
     */
    u_int32_t hash;
    /*
     The value's full length. 0 when there is none.
     */
    size_t bytes;
    /*
     The value. Set by the library, with a NUL behind it that is not counted; or set by the
     program, together with size, to where the value shall go.
     */
    void *val;
    /*
     0: the library shall allocate val; it sets size = bytes. Else how much fits into the program's
     own val: at most so many bytes are copied there, and the rest is dropped.
     */
    size_t size;
    /*
     The links of the request's query.
     */
    struct tailq_entry_memcache_res entries;
    /*
     The flags that were stored with the value.
     */
    u_int16_t flags;
    /*
     MCM_RES_...
     */
    char _flags;
    /*
     Private: what val was when the library allocated it.
     */
    void *_own;
    /*
     Private: what size was then.
     */
    size_t _own_size;
    /*
     Private: the program said who frees val.
     */
    char _told;
};

/*
 The head of a tail queue: walk it with TAILQ_FOREACH.
 */
struct tailq_head_memcache_res {
    /*
     The first element, or NULL.
     */
    struct memcache_res *tqh_first;
    /*
     Where the pointer to the next appended element goes.
     */
    struct memcache_res **tqh_last;
};

/*
 Told of a response after a fetch, found or not. See MCM_CALLBACK_FUNC.
 */
typedef void (*mcResCallback)(const struct memcache_ctxt *ctxt, struct memcache_res *res, void *misc);

/*
 An element's links.
 */
struct tailq_entry_memcache_res_cb {
    /*
     The next element, or NULL.
     */
    struct memcache_res_cb *tqe_next;
    /*
     The pointer that points to this element.
     */
    struct memcache_res_cb **tqe_prev;
};

/*
 A callback that waits for a response.
 */
struct memcache_res_cb {
    /*
     What the callback is given.
     */
    void *misc;
    /*
     What it was registered with.
     */
    const struct memcache_ctxt *ctxt;
    /*
     The request.
     */
    struct memcache_req *req;
    /*
     The response.
     */
    struct memcache_res *res;
    /*
     The callback.
     */
    mcResCallback cb;
    /*
     The links of the request's cb.
     */
    struct tailq_entry_memcache_res_cb entries;
    /*
     Private: the last fetch it was told of.
     */
    u_int32_t _told;
};

/*
 The head of a tail queue: walk it with TAILQ_FOREACH.
 */
struct tailq_head_memcache_res_cb {
    /*
     The first element, or NULL.
     */
    struct memcache_res_cb *tqh_first;
    /*
     Where the pointer to the next appended element goes.
     */
    struct memcache_res_cb **tqh_last;
};

/*
 A request: the keys of one fetch. Made by mc_req_new, freed by mc_req_free. It may be fetched
 again and again.
 */
struct memcache_req {
    /*
     The program's own.
     */
    void *misc;
    /*
     The responses, one for every key that was added: walk them with TAILQ_FOREACH.
     */
    struct tailq_head_memcache_res query;
    /*
     The callbacks.
     */
    struct tailq_head_memcache_res_cb cb;
    /*
     How many responses there are.
     */
    u_int16_t num_keys;
    /*
     Private.
     */
    u_int32_t _removals;
    /*
     Private.
     */
    u_int32_t _fetches;
};

/*
 Statistics of one server, or of several: then each number is a sum, and pid, uptime, time, version
 and the rusage fields are the last server's.
 */
struct memcache_server_stats {
    /*
     The server's process.
     */
    pid_t pid;
    /*
     Seconds since it started.
     */
    time_t uptime;
    /*
     Its clock, in seconds since 1970.
     */
    time_t time;
    /*
     Its version; empty when it told none.
     */
    char *version;
    /*
     Processor time in user mode.
     */
    struct timeval rusage_user;
    /*
     Processor time in the kernel.
     */
    struct timeval rusage_system;
    /*
     Items stored now.
     */
    u_int32_t curr_items;
    /*
     Items stored since it started.
     */
    u_int64_t total_items;
    /*
     Bytes used for items.
     */
    u_int64_t bytes;
    /*
     Open connections.
     */
    u_int32_t curr_connections;
    /*
     Connections since it started.
     */
    u_int64_t total_connections;
    /*
     Connection structures it allocated.
     */
    u_int32_t connection_structures;
    /*
     Gets.
     */
    u_int64_t cmd_get;
    /*
     Sets.
     */
    u_int64_t cmd_set;
    /*
     Keys that were asked for and there.
     */
    u_int64_t get_hits;
    /*
     Keys that were asked for and not there.
     */
    u_int64_t get_misses;
    /*
     Bytes it read from the network.
     */
    u_int64_t bytes_read;
    /*
     Bytes it wrote to the network.
     */
    u_int64_t bytes_written;
    /*
     Bytes it may use for items.
     */
    u_int64_t limit_maxbytes;
};

/*
 One item of a call with many. Set what the call reads; memset the rest to 0 if you like.
 */
struct mc_item {
    /*
     The key; as for mc_store.
     */
    const char *key;
    /*
     The key's length.
     */
    size_t key_len;
    /*
     The value: yours for mc_store_many, memory of yours for mc_fetch_into_many. Set by mc_fetch_many,
     whatever it was: memory of the context's allocator that you free, with a NUL behind it; or NULL.
     */
    void *value;
    /*
     The value's length. For mc_fetch_into_many first that of your memory.
     */
    size_t bytes;
    /*
     Of mc_store_many: the expiry time, as for mc_store.
     */
    time_t expire;
    /*
     What is stored with the value.
     */
    u_int32_t flags;
    /*
     Set by mc_fetch_many: the token for mc_cas.
     */
    u_int64_t cas;
    /*
     Set by every call: how it ended for this item, a number of enum mc_reason.
     */
    int reason;
};

/*
 Where a key lives; see mc_where. The servers are those of the handle's list, NULL where there is none.
 */
struct mc_where {
    /*
     The server it lives on while all is well.
     */
    const struct memcache_server *home;
    /*
     Where writes go and reads begin at this moment: home, or who stands in for it.
     */
    const struct memcache_server *acting;
    /*
     Where the second copy of a write goes at this moment. NULL in a pool without backups, and
     while no other server is live.
     */
    const struct memcache_server *mirror;
    /*
     Home's backup: the mirror while all is well.
     */
    const struct memcache_server *backup;
    /*
     How many servers may hold a copy. Can be more than places has room for.
     */
    size_t num_places;
    /*
     They, in the order in which reads ask them; acting is the first.
     */
    const struct memcache_server *places[8];
    /*
     Why, as a sentence that ends in a NUL.
     */
    char why[256];
};

/*
 Severity: no severity.
 */
#define MCM_ERR_LVL_NONE 0

/*
 Severity: told for interest; silenced by default.
 */
#define MCM_ERR_LVL_INFO 1

/*
 Severity: noteworthy, yet expected; silenced by default.
 */
#define MCM_ERR_LVL_NOTICE 2

/*
 Severity: something is wrong; the call may have gone well.
 */
#define MCM_ERR_LVL_WARN 4

/*
 Severity: the call failed.
 */
#define MCM_ERR_LVL_ERR 8

/*
 Severity: a caller's mistake, or an answer that makes no sense.
 */
#define MCM_ERR_LVL_FATAL 16

/*
 Same as MCM_ERR_LVL_INFO.
 */
#define MC_ERR_LVL_INFO 1

/*
 Same as MCM_ERR_LVL_NOTICE.
 */
#define MC_ERR_LVL_NOTICE 2

/*
 Same as MCM_ERR_LVL_WARN.
 */
#define MC_ERR_LVL_WARN 4

/*
 Same as MCM_ERR_LVL_ERR.
 */
#define MC_ERR_LVL_ERR 8

/*
 Same as MCM_ERR_LVL_FATAL.
 */
#define MC_ERR_LVL_FATAL 16

/*
 Error: no error.
 */
#define MCM_ERR_NONE 0

/*
 Error: a caller's mistake.
 */
#define MCM_ERR_ASSERT 1

/*
 Error: snprintf failed.
 */
#define MCM_ERR_LIB_SNPRINTF 2

/*
 Error: not a number.
 */
#define MCM_ERR_LIB_STRTOL 3

/*
 Error: not a number.
 */
#define MCM_ERR_LIB_STRTOLL 4

/*
 Error: a server was connected to again.
 */
#define MCM_ERR_MC_RECONN 5

/*
 Error: a command could not be sent.
 */
#define MCM_ERR_MC_SEND_CMD 6

/*
 Error: the list of servers cannot be used.
 */
#define MCM_ERR_MC_SERV_LIST 7

/*
 Error: not stored, or a server refused; its text is the message.
 */
#define MCM_ERR_MC_STORE 8

/*
 Error: no server could be asked.
 */
#define MCM_ERR_MC_VALID_SERVER 9

/*
 Error: the context's malloc gave NULL.
 */
#define MCM_ERR_MEM_MALLOC 10

/*
 Error: the context's realloc gave NULL.
 */
#define MCM_ERR_MEM_REALLOC 11

/*
 Error: no connection could be made.
 */
#define MCM_ERR_NET_CONNECT 12

/*
 Error: a host name could not be resolved.
 */
#define MCM_ERR_NET_HOST 13

/*
 Error: a key that may not be sent, or an answer that makes no sense.
 */
#define MCM_ERR_PROTO 14

/*
 Error: close failed.
 */
#define MCM_ERR_SYS_CLOSE 16

/*
 Error: connect failed.
 */
#define MCM_ERR_SYS_CONNECT 17

/*
 Error: fcntl failed.
 */
#define MCM_ERR_SYS_FCNTL 18

/*
 Error: read failed.
 */
#define MCM_ERR_SYS_READ 19

/*
 Error: select or poll failed.
 */
#define MCM_ERR_SYS_SELECT 20

/*
 Error: setsockopt failed.
 */
#define MCM_ERR_SYS_SETSOCKOPT 21

/*
 Error: socket failed.
 */
#define MCM_ERR_SYS_SOCKET 22

/*
 Error: write failed.
 */
#define MCM_ERR_SYS_WRITEV 23

/*
 Error: raised by mc_err_test.
 */
#define MCM_ERR_TEST 24

/*
 Error: the call's time was up.
 */
#define MCM_ERR_TIMEOUT 25

/*
 Error: for whoever follows the library's steps.
 */
#define MCM_ERR_TRACE 26

/*
 Error: a statistic that is not known.
 */
#define MCM_ERR_UNKNOWN_STAT 27

/*
 For mcm_err: an error.
 */
#define ERR_FLAG 1

/*
 For mcm_err: a warning.
 */
#define WARN_FLAG 2

/*
 For mcm_err: errno has nothing to do with it.
 */
#define NO_ERRNO_FLAG 4

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 The context that every mc_ call uses. Never NULL; lives as long as the process. Programs may
 assign to its function pointers.
 */
struct memcache_ctxt *mc_global_ctxt(void);

/*
 Raises an error: fills ctxt->ectxt and calls the context's handler, unless the severity is
 silenced. For extensions; see MCM_ERR and its siblings.

 flags: ERR_FLAG or WARN_FLAG, with NO_ERRNO_FLAG when errno says nothing. funcname may be NULL.
 errcode: MCM_ERR_... msg: what happened, or NULL; msglen: its length, 0: up to its NUL.
 errlvl: MCM_ERR_LVL_..., 0: the usual one of the code.
 */
void mcm_err(const struct memcache_ctxt *ctxt,
             u_int32_t flags,
             const char *funcname,
             u_int32_t lineno,
             u_int32_t errcode,
             const char *msg,
             u_int32_t msglen,
             u_int32_t errlvl);

/*
 Raises MCM_ERR_TEST, to try out an error handler.
 */
void mcm_err_test(const struct memcache_ctxt *ctxt);

/*
 Raises MCM_ERR_TEST, to try out an error handler.
 */
void mc_err_test(void);

/*
 Installs a context's error handler. 0, or 1 when a pointer is NULL.
 */
int mcErrSetupCtxt(struct memcache_ctxt *ctxt, mcErrFunc errFunc);

/*
 Installs the global context's error handler. 0, or 1 when it is NULL.
 */
int mcErrSetup(mcErrFunc errFunc);

/*
 Reads the global context's error handler. 0, or 1 when errFunc is NULL.
 */
int mcErrGet(mcErrFunc *errFunc);

/*
 Silences severities: errors of these raise nothing. By default INFO and NOTICE are silenced.
 err_mask: MCM_ERR_LVL_... joined by |. Returns 1 when that changed anything, 0 when not.
 */
int mcm_err_filter_add(struct memcache_ctxt *ctxt, u_int32_t err_mask);

/*
 See mcm_err_filter_add.
 */
int mc_err_filter_add(u_int32_t err_mask);

/*
 Lets severities be heard again. Returns 1 when that changed anything, 0 when not.
 */
int mcm_err_filter_del(struct memcache_ctxt *ctxt, u_int32_t err_mask);

/*
 See mcm_err_filter_del.
 */
int mc_err_filter_del(u_int32_t err_mask);

/*
 The silenced severities, joined by |.
 */
u_int32_t mcm_err_filter_get(const struct memcache_ctxt *ctxt);

/*
 See mcm_err_filter_get.
 */
u_int32_t mc_err_filter_get(void);

/*
 1 when a severity (of several, each) is silenced, 0 when not.
 */
int mcm_err_filter_test(const struct memcache_ctxt *ctxt, u_int32_t err_lvl);

/*
 See mcm_err_filter_test.
 */
int mc_err_filter_test(u_int32_t err_lvl);

/*
 Sets a context's allocators. mallocAtomicFunc may be NULL: mallocFunc is used in its place. Set
 them before anything is made with the context: what one allocator gave, another must not free.
 0, or 1 when a required pointer is NULL (nothing is changed then).
 */
int mcMemSetupCtxt(struct memcache_ctxt *ctxt,
                   mcFreeFunc freeFunc,
                   mcMallocFunc mallocFunc,
                   mcMallocFunc mallocAtomicFunc,
                   mcReallocFunc reallocFunc);

/*
 Sets the global context's allocators. See mcMemSetupCtxt.
 */
int mcMemSetup(mcFreeFunc freeFunc,
               mcMallocFunc mallocFunc,
               mcMallocFunc mallocAtomicFunc,
               mcReallocFunc reallocFunc);

/*
 Reads the global context's allocators. Each pointer may be NULL. Returns 0.
 */
int mcMemGet(mcFreeFunc *freeFunc,
             mcMallocFunc *mallocFunc,
             mcMallocFunc *mallocAtomicFunc,
             mcReallocFunc *reallocFunc);

/*
 A new context with these allocators, the default handlers and hooks, and the default filter.
 mallocAtomicFunc may be NULL. NULL when another is, or when there is no memory. Free it with
 mcMemFreeCtxt after everything that was made with it.
 */
struct memcache_ctxt *mcMemNewCtxt(mcFreeFunc freeFunc,
                                   mcMallocFunc mallocFunc,
                                   mcMallocFunc mallocAtomicFunc,
                                   mcReallocFunc reallocFunc);

/*
 Frees a context of mcMemNewCtxt with its own free. NULL is fine. What was made with it must be
 gone by then.
 */
void mcMemFreeCtxt(struct memcache_ctxt *ctxt);

/*
 A new handle. NULL when there is no memory. It has no servers and the timeouts are 0, the
 defaults: a call may take 500 ms, a connection 100 ms to be made. Free it with mc_free.

 When the environment names a pool file (MEMCACHE_POOL=/path/pool.toml; ignored under setuid), the
 handle's servers are those of the file, with its backups and timeouts, and the program's own
 mc_server_add calls are accepted and ignored. A file that cannot be used is told to the error
 handler (SERV_LIST at ERR level, one line per problem), and the handle has no servers: its calls
 answer -1, "no server". It is not NULL, because to programs that means "out of memory", and
 some do not look; and it never falls back to the program's own servers, which the operator did
 not mean.
 */
struct memcache *mcm_new(const struct memcache_ctxt *ctxt);

/*
 See mcm_new.
 */
struct memcache *mc_new(void);

/*
 Frees a handle, its servers and their connections. NULL is fine. ctxt is the one it was made with.
 */
void mcm_free(const struct memcache_ctxt *ctxt, struct memcache *mc);

/*
 See mcm_free.
 */
void mc_free(struct memcache *mc);

/*
 Sets the timeout of the servers that are added from now on, in seconds and microseconds. 0, 0 or
 less is the default, 500 ms. A call ends within the longest timeout of its handle's servers,
 however many of them it has to ask. (A server that joins the pool of a file has the longest timeout of those
 that were there.)
 */
void mcm_timeout(const struct memcache_ctxt *ctxt,
                 struct memcache *mc,
                 int sec,
                 int usec);

/*
 See mcm_timeout.
 */
void mc_timeout(struct memcache *mc, int sec, int usec);

/*
 A server's struct for mc_server_add3; NULL when there is no memory. Free it with mc_server_free
 unless it was added.
 */
struct memcache_server *mcm_server_new(const struct memcache_ctxt *ctxt);

/*
 See mcm_server_new.
 */
struct memcache_server *mc_server_new(void);

/*
 Frees a server with its texts. NULL is fine. One that is in a handle's list is taken out first,
 which changes where keys live. (mc_free frees the servers of its list; there is no need to.)
 */
void mcm_server_free(const struct memcache_ctxt *ctxt, struct memcache_server *ms);

/*
 See mcm_server_free.
 */
void mc_server_free(struct memcache_server *ms);

/*
 Sets one server's timeout in seconds and microseconds; 0, 0 is the default. 1, or 0 when ms is NULL
 or a number is negative. See mc_timeout.
 */
int mcm_server_timeout(const struct memcache_ctxt *ctxt,
                       struct memcache_server *ms,
                       int sec,
                       int usec);

/*
 See mcm_server_timeout.
 */
int mc_server_timeout(struct memcache_server *ms, int sec, int usec);

/*
 The server for a hash, by the context's mcServerFind; NULL when none is usable. By default the
 server at hash % num_servers, or, while that is down, the next one of the list that is not. (Where
 a key's copies are while servers are down follows from the key, not from its hash alone; and where a
 hash function of the program's chooses, calls keep to the server though it failed: see mcHashKey.)
 */
struct memcache_server *mcm_server_find(const struct memcache_ctxt *ctxt,
                                        struct memcache *mc,
                                        u_int32_t hash);

/*
 See mcm_server_find.
 */
struct memcache_server *mc_server_find(struct memcache *mc, u_int32_t hash);

/*
 Closes a server's connection; its next use connects again.
 */
void mcm_server_disconnect(const struct memcache_ctxt *ctxt, struct memcache_server *ms);

/*
 See mcm_server_disconnect.
 */
void mc_server_disconnect(struct memcache_server *ms);

/*
 Closes the connections to every server of a handle.
 */
void mcm_server_disconnect_all(const struct memcache_ctxt *ctxt, const struct memcache *mc);

/*
 See mcm_server_disconnect_all.
 */
void mc_server_disconnect_all(const struct memcache *mc);

/*
 Adds a server to a handle. hostname: a name, an address, or a unix socket as /path or unix:/path;
 NULL or empty: localhost. port: a number or a service's name; NULL or empty: 11211. Both end in a
 NUL and are copied. Adding the same server several times gives it a weight. Nothing is connected
 yet.

 0: added (or ignored, in a process that has a pool file in MEMCACHE_POOL). -1: no memory, or mc is
 NULL; -2, -3: no memory for the host, the port; -4: the host does not resolve; -5: the list could
 not grow. The list is as it was after a failure. A handler's retcode replaces each but 0.
 */
int mcm_server_add(const struct memcache_ctxt *ctxt,
                   struct memcache *mc,
                   const char *hostname,
                   const char *port);

/*
 See mcm_server_add.
 */
int mc_server_add(struct memcache *mc, const char *hostname, const char *port);

/*
 As mcm_server_add, for texts of a length.
 */
int mcm_server_add2(const struct memcache_ctxt *ctxt,
                    struct memcache *mc,
                    const char *hostname,
                    size_t hostname_len,
                    const char *port,
                    size_t port_len);

/*
 See mcm_server_add2.
 */
int mc_server_add2(struct memcache *mc,
                   const char *hostname,
                   size_t hostname_len,
                   const char *port,
                   size_t port_len);

/*
 Adds a server that mc_server_new made. Its hostname and port are NULL or memory of the context's
 allocator (mc_strdup); NULL stands for the default. Returns as mc_server_add, and -1 when ms is
 NULL or was added before. After 0 the struct belongs to the handle; else it is still yours.
 */
int mcm_server_add3(const struct memcache_ctxt *ctxt,
                    struct memcache *mc,
                    struct memcache_server *ms);

/*
 See mcm_server_add3.
 */
int mc_server_add3(struct memcache *mc, struct memcache_server *ms);

/*
 As mcm_server_add, for one text: host:port, host, [v6]:port, a v6 address, /path or unix:/path. NULL
 or empty: localhost:11211.
 */
int mcm_server_add4(const struct memcache_ctxt *ctxt,
                    struct memcache *mc,
                    const char *hostport);

/*
 See mcm_server_add4.
 */
int mc_server_add4(struct memcache *mc, const char *hostport);

/*
 As mcm_server_add4, for a text of a length.
 */
int mcm_server_add5(const struct memcache_ctxt *ctxt,
                    struct memcache *mc,
                    const char *hostport,
                    size_t hostlen);

/*
 See mcm_server_add5.
 */
int mc_server_add5(struct memcache *mc, const char *hostport, size_t hostlen);

/*
 A new request without keys; NULL when there is no memory. Free it with mc_req_free.
 */
struct memcache_req *mcm_req_new(const struct memcache_ctxt *ctxt);

/*
 See mcm_req_new.
 */
struct memcache_req *mc_req_new(void);

/*
 Adds a key to a request, which copies it. key points to len bytes. The same key may be added several
 times, and each gets its value. Returns its response, which belongs to the request; NULL when a
 pointer is NULL, when there is no memory, or when the request has 65,535 keys already.
 */
struct memcache_res *mcm_req_add(const struct memcache_ctxt *ctxt,
                                 struct memcache_req *req,
                                 const char *key,
                                 size_t len);

/*
 See mcm_req_add.
 */
struct memcache_res *mc_req_add(struct memcache_req *req, const char *key, size_t len);

/*
 As mcm_req_add, and keeps your pointer instead of a copy: the key must stay as it is for as long as
 the response lives.
 */
struct memcache_res *mcm_req_add_ref(const struct memcache_ctxt *ctxt,
                                     struct memcache_req *req,
                                     const char *key,
                                     size_t len);

/*
 See mcm_req_add_ref.
 */
struct memcache_res *mc_req_add_ref(struct memcache_req *req, const char *key, size_t len);

/*
 Frees a request with its responses, the keys it copied, its callbacks, and every value that is
 marked so (see mc_res_free_on_delete). NULL is fine.
 */
void mcm_req_free(const struct memcache_ctxt *ctxt, struct memcache_req *req);

/*
 See mcm_req_free.
 */
void mc_req_free(struct memcache_req *req);

/*
 Takes a response out of its request and frees it with its callbacks, its copied key and, when
 marked so, its value. A callback may free its own response, or any other.
 */
void mcm_res_free(const struct memcache_ctxt *ctxt,
                  struct memcache_req *req,
                  struct memcache_res *res);

/*
 See mcm_res_free.
 */
void mc_res_free(struct memcache_req *req, struct memcache_res *res);

/*
 Whether a fetch of the response was tried: 1 or 0.
 */
int mcm_res_attempted(const struct memcache_ctxt *ctxt, const struct memcache_res *res);

/*
 See mcm_res_attempted.
 */
int mc_res_attempted(const struct memcache_res *res);

/*
 Whether the last fetch of the response found a value: 1 or 0.
 */
int mcm_res_found(const struct memcache_ctxt *ctxt, const struct memcache_res *res);

/*
 See mcm_res_found.
 */
int mc_res_found(const struct memcache_res *res);

/*
 Who frees the response's val. 1: it is freed with the response, by the context's free. 0: you own
 it, also what later fetches allocate. By default the library frees what it allocated.
 */
void mcm_res_free_on_delete(const struct memcache_ctxt *ctxt,
                            struct memcache_res *res,
                            int free_on_delete);

/*
 See mcm_res_free_on_delete.
 */
void mc_res_free_on_delete(struct memcache_res *res, int free_on_delete);

/*
 Has a function called once after every fetch of a response, found or not, when all reading is done.
 misc is handed to it. 0, or -1 when a pointer but misc is NULL or there is no memory.
 */
int mcm_res_register_fetch_cb(const struct memcache_ctxt *ctxt,
                              struct memcache_req *req,
                              struct memcache_res *res,
                              mcResCallback cb,
                              void *misc);

/*
 See mcm_res_register_fetch_cb.
 */
int mc_res_register_fetch_cb(struct memcache_req *req,
                             struct memcache_res *res,
                             mcResCallback cb,
                             void *misc);

/*
 Stores a value, whatever is there.

 key points to key_len bytes: 1 to MAX_KEY_LEN of them, none a space, a control character or a NUL.
 val points to bytes bytes; it may be NULL when that is 0. expire: 0 never, up to 30 days in seconds
 from now, above that in seconds since 1970, negative at once. flags are stored with the value.

 0: stored, in a pool with backups on both servers. 1: not stored. 2: an unexpected reply. 4: the server
 refused, and its text went to the error handler (MC_STORE). -1: no server could be asked, or it
 is not known whether it stored; or a pointer is NULL. -2: time was up; it may be stored still. -4:
 the value is longer than 1 GiB, and nothing was sent (MC_STORE). A key that may not be sent: what the context's mcKeyValid returns (the position of the offending byte,
 counted from 1), and the error handler gets PROTO. A handler's retcode replaces each but 0.
 */
int mcm_set(const struct memcache_ctxt *ctxt,
            struct memcache *mc,
            const char *key,
            size_t key_len,
            const void *val,
            size_t bytes,
            time_t expire,
            u_int16_t flags);

/*
 See mcm_set.
 */
int mc_set(struct memcache *mc,
           const char *key,
           size_t key_len,
           const void *val,
           size_t bytes,
           time_t expire,
           u_int16_t flags);

/*
 Stores a value where nothing is stored yet. As mcm_set; 1 when the key exists.
 */
int mcm_add(const struct memcache_ctxt *ctxt,
            struct memcache *mc,
            const char *key,
            size_t key_len,
            const void *val,
            size_t bytes,
            time_t expire,
            u_int16_t flags);

/*
 See mcm_add.
 */
int mc_add(struct memcache *mc,
           const char *key,
           size_t key_len,
           const void *val,
           size_t bytes,
           time_t expire,
           u_int16_t flags);

/*
 Stores a value where one is stored already. As mcm_set; 1 when the key does not exist.
 */
int mcm_replace(const struct memcache_ctxt *ctxt,
                struct memcache *mc,
                const char *key,
                size_t key_len,
                const void *val,
                size_t bytes,
                time_t expire,
                u_int16_t flags);

/*
 See mcm_replace.
 */
int mc_replace(struct memcache *mc,
               const char *key,
               size_t key_len,
               const void *val,
               size_t bytes,
               time_t expire,
               u_int16_t flags);

/*
 Deletes a key on every server that may hold it. hold is ignored: servers refuse one nowadays.

 0: deleted. 1: not found. -1: no server could be asked, or a pointer is NULL. -2: time was up. -4: a
 server refused, and its text went to the error handler. A key that may not be sent: as mcm_set.
 */
int mcm_delete(const struct memcache_ctxt *ctxt,
               struct memcache *mc,
               const char *key,
               size_t key_len,
               time_t hold);

/*
 See mcm_delete.
 */
int mc_delete(struct memcache *mc, const char *key, size_t key_len, time_t hold);

/*
 The value of a key, in memory of the context's allocator that you free with its free, and with a
 NUL behind it that is not counted. key points to len bytes. NULL when there is no such value, and
 when it could not be asked for, which the error handler is told: MC_VALID_SERVER when no server
 could be asked, TIMEOUT when time was up, PROTO when the key may not be sent (empty, longer than
 MAX_KEY_LEN, with a space, control character or NUL). Then nothing is known about the key.
 */
void *mcm_aget(const struct memcache_ctxt *ctxt, struct memcache *mc, const char *key, size_t len);

/*
 See mcm_aget.
 */
void *mc_aget(struct memcache *mc, const char *key, size_t len);

/*
 As mcm_aget, and tells the value's length in *retlen: 0 when there is none. An empty value is not
 NULL. retlen may be NULL.
 */
void *mcm_aget2(const struct memcache_ctxt *ctxt,
                struct memcache *mc,
                const char *key,
                size_t len,
                size_t *retlen);

/*
 See mcm_aget2.
 */
void *mc_aget2(struct memcache *mc, const char *key, size_t len, size_t *retlen);

/*
 Fetches every key of a request, from all the servers at once, and fills in each response: see
 struct memcache_res, mc_res_found. Then the callbacks run, in the order in which they were
 registered. A response that was not found is a miss, unless the error handler was told otherwise:
 see mc_aget. While functions of the program's own choose the servers (mcHashKey, mcServerFind), they are
 asked one after another, each within its timeout.
 */
void mcm_get(const struct memcache_ctxt *ctxt,
             struct memcache *mc,
             struct memcache_req *req);

/*
 See mcm_get.
 */
void mc_get(struct memcache *mc, struct memcache_req *req);

/*
 Adds val to a number that is stored as decimal text. key points to key_len bytes. Returns the new
 number, its lower 32 bits; 0 when it did not count, and then ctxt->errnum tells why: ENOENT, there is
 no such key (the error handler is not told); EINVAL, the key may not be sent, or the value is no
 number; EHOSTUNREACH, no server could be asked; ETIMEDOUT, time was up, and it may have counted.
 errnum is 0 when it did count.
 */
u_int32_t mcm_incr(const struct memcache_ctxt *ctxt,
                   struct memcache *mc,
                   const char *key,
                   size_t key_len,
                   u_int32_t val);

/*
 See mcm_incr.
 */
u_int32_t mc_incr(struct memcache *mc, const char *key, size_t key_len, u_int32_t val);

/*
 Subtracts val; a counter stops at 0. As mcm_incr.
 */
u_int32_t mcm_decr(const struct memcache_ctxt *ctxt,
                   struct memcache *mc,
                   const char *key,
                   size_t key_len,
                   u_int32_t val);

/*
 See mcm_decr.
 */
u_int32_t mc_decr(struct memcache *mc, const char *key, size_t key_len, u_int32_t val);

/*
 One server's statistics; NULL when it could not be asked. ms is one of mc->servers. Free it with
 mc_server_stats_free.
 */
struct memcache_server_stats *mcm_server_stats(const struct memcache_ctxt *ctxt,
                                               struct memcache *mc,
                                               struct memcache_server *ms);

/*
 See mcm_server_stats.
 */
struct memcache_server_stats *mc_server_stats(struct memcache *mc, struct memcache_server *ms);

/*
 The statistics of all servers that answer, summed; NULL when none does. Free it with
 mc_server_stats_free.
 */
struct memcache_server_stats *mcm_stats(const struct memcache_ctxt *ctxt, struct memcache *mc);

/*
 See mcm_stats.
 */
struct memcache_server_stats *mc_stats(struct memcache *mc);

/*
 Frees statistics. NULL is fine.
 */
void mcm_server_stats_free(const struct memcache_ctxt *ctxt, struct memcache_server_stats *s);

/*
 See mcm_server_stats_free.
 */
void mc_server_stats_free(struct memcache_server_stats *s);

/*
 Drops everything that one server holds. ms is one of mc->servers. 0, or negative: -1 it could not be
 asked, or a pointer is NULL; -2 time was up; -4 it refused.
 */
int mcm_flush(const struct memcache_ctxt *ctxt,
              struct memcache *mc,
              struct memcache_server *ms);

/*
 See mcm_flush.
 */
int mc_flush(struct memcache *mc, struct memcache_server *ms);

/*
 Drops everything that the servers of a handle hold. A server that is down meanwhile is flushed before
 it is used again. 0, or negative as mc_flush: then some servers may not be flushed.
 */
int mcm_flush_all(const struct memcache_ctxt *ctxt,
                  struct memcache *mc);

/*
 See mcm_flush_all.
 */
int mc_flush_all(struct memcache *mc);

/*
 The hash of a key, by the context's mcHashKey. The default is (crc32(key) >> 16) & 0x7fff, with
 0 as 1; and 1 at once when mc is not NULL and has at most one server. mc may be NULL; key points
 to len bytes. 0 when ctxt or key is NULL.
 */
u_int32_t mcm_hash(const struct memcache_ctxt *ctxt,
                   const struct memcache *mc,
                   const char *key,
                   size_t len);

/*
 See mcm_hash.
 */
u_int32_t mc_hash(const struct memcache *mc, const char *key, size_t len);

/*
 The hash of a key, whatever the number of servers: as mcm_hash with mc = NULL.
 */
u_int32_t mcm_hash_key(const struct memcache_ctxt *ctxt, const char *key, size_t len);

/*
 See mcm_hash_key.
 */
u_int32_t mc_hash_key(const char *key, size_t len);

/*
 Takes a server that mc_server_deactivate took out back into use. It is not connected to here; what it
 holds from before is flushed by one of the next calls, and then it is used. One that failed by itself
 needs no call: it is tried again and used as soon as it can be. 0; -1: its host is unknown, or
 a pointer is NULL; -2: it was never added to this handle; -3: it is up already.
 */
int mcm_server_activate(const struct memcache_ctxt *ctxt,
                        struct memcache *mc,
                        struct memcache_server *ms);

/*
 See mcm_server_activate.
 */
int mc_server_activate(struct memcache *mc, struct memcache_server *ms);

/*
 Takes every server that is down back into use; see mcm_server_activate. 0, or -1 when a pointer is NULL.
 */
int mcm_server_activate_all(const struct memcache_ctxt *ctxt,
                            struct memcache *mc);

/*
 See mcm_server_activate_all.
 */
int mc_server_activate_all(struct memcache *mc);

/*
 Takes a server out of use: closes its connection and marks it down, until mc_server_activate. In a
 process with a pool file in MEMCACHE_POOL this is ignored: its operator decides.
 */
void mcm_server_deactivate(const struct memcache_ctxt *ctxt,
                           struct memcache *mc,
                           struct memcache_server *ms);

/*
 See mcm_server_deactivate.
 */
void mc_server_deactivate(struct memcache *mc, struct memcache_server *ms);

/*
 A copy of a text in memory of the context's allocator. str ends in a NUL. NULL when str is NULL
 or there is no memory. Free it with the context's free.
 */
char *mcm_strdup(const struct memcache_ctxt *ctxt, const char *str);

/*
 See mcm_strdup.
 */
char *mc_strdup(const char *str);

/*
 A copy of the first len bytes of a text (or of fewer, up to its NUL), with a NUL behind them, in
 memory of the context's allocator. NULL when str is NULL or there is no memory.
 */
char *mcm_strndup(const struct memcache_ctxt *ctxt, const char *str, size_t len);

/*
 See mcm_strndup.
 */
char *mc_strndup(const char *str, size_t len);

/*
 The first c within the first len bytes of str and before any NUL, or NULL.
 */
char *mcm_strnchr(const struct memcache_ctxt *ctxt, char *str, int c, size_t len);

/*
 See mcm_strnchr.
 */
char *mc_strnchr(char *str, int c, size_t len);

/*
 The first occurrence of find that lies whole within the first slen bytes of s and before any
 NUL, or NULL. An empty find is found at once.
 */
char *mcm_strnstr(const struct memcache_ctxt *ctxt, char *s, const char *find, size_t slen);

/*
 The release date of this library, as the decimal number YYYYMMDD; MEMCACHE_RELDATE of its header.
 */
u_int32_t mc_reldate(void);

/*
 See mc_reldate. ctxt is not used.
 */
u_int32_t mcm_reldate(const struct memcache_ctxt *ctxt);

/*
 The version of the interface as a number: 10400; MEMCACHE_VERNUM of the header.
 */
u_int32_t mc_vernum(void);

/*
 See mc_vernum. ctxt is not used.
 */
u_int32_t mcm_vernum(const struct memcache_ctxt *ctxt);

/*
 The version of the interface as text; MEMCACHE_VER of the header. Not to be freed.
 */
const char *mc_version(void);

/*
 See mc_version. ctxt is not used.
 */
const char *mcm_version(const struct memcache_ctxt *ctxt);

/*
 How the handle's last call ended: a number of enum mc_reason. MC_REASON_BAD_VALUE when mc is NULL.

 Of a call of the old interface too, where it folds several reasons into one return value: after
 mc_aget gave NULL, MC_REASON_MISS says that there is no such value, and anything below 0 that it is
 not known. Calls that only read the handle (mc_option_get, mc_server_find, ...) leave it as it is,
 and so does an old call that was given NULL.
 */
int mcm_reason(const struct memcache_ctxt *ctxt, const struct memcache *mc);

/*
 See mcm_reason.
 */
int mc_reason(const struct memcache *mc);

/*
 How the handle's last call ended, as a sentence for a person: with the key (bytes that are not
 printable ASCII escaped, as \x00), the servers that it was about and their states, and a server's own
 words when it refused. Ends in a NUL, never NULL, and is the handle's: valid until its next call,
 to be copied by whoever keeps it.
 */
const char *mcm_reason_text(const struct memcache_ctxt *ctxt,
                            const struct memcache *mc);

/*
 See mcm_reason_text.
 */
const char *mc_reason_text(const struct memcache *mc);

/*
 The name of a reason, "MC_REASON_HIT" for 1: for logs. "(no such reason)" for any other number.
 Never NULL; lives as long as the library.
 */
const char *mcm_reason_name(const struct memcache_ctxt *ctxt, int reason);

/*
 See mcm_reason_name.
 */
const char *mc_reason_name(int reason);

/*
 A new handle with the servers and options of a pool file, whatever MEMCACHE_POOL says. pool_file is
 a path that ends in a NUL. The servers are the operator's: the program's own mc_server_add calls are
 accepted and ignored, and mc_option_set changes timeouts only. Names that do not resolve now keep
 their slots. Free the handle with mc_free.

 NULL when the file cannot be read or used, when pool_file is NULL, or when there is no memory. Then
 error has the message: every problem as "file:line: what is wrong, and what is allowed", one per line,
 as many whole lines as fit into error_size bytes (of a single line what fits), always with a NUL.
 After a success it is empty. error may be NULL, error_size 0: then nobody is told. The error handler
 is told of missing memory alone.
 */
struct memcache *mcm_open(const struct memcache_ctxt *ctxt,
                          const char *pool_file,
                          char *error,
                          size_t error_size);

/*
 See mcm_open.
 */
struct memcache *mc_open(const char *pool_file, char *error, size_t error_size);

/*
 Sets an option of a handle by its name; both texts end in a NUL, and are written as in a pool file:

     backups          "pairs" or "none" (preset): every value on two servers. The servers of the list
                      are paired in their order, each counted once: 1 and 2, 3 and 4, ...; an odd
                      last one has its second copies on the first
     read_backup      "recovering" (preset) or "always": ask the backup after every miss
     window           "24h": how long a server that came back is taken for incomplete
     max_ttl          "7d", or "none" (preset): nothing lives longer than this
     timeout          "500ms": of a whole call; sets the timeout of every server, see mc_timeout
     connect_timeout  "100ms": how long a connection may take to be made; at most timeout
     tcp_nodelay      "on" (preset) or "off"; see mc_nodelay_enable
     busy_poll        "50us", or "off" (preset): a call that waits for answers asks its sockets
                      again and again for that long before it sleeps. Where a processor can be
                      spared, an answer that comes soon is had sooner. Where most come later, it
                      sleeps at once, and tries this again now and then

 MC_REASON_DONE; MC_REASON_BAD_OPTION: nothing was changed, and mc_reason_text says what is wrong and
 what is allowed. In a pool that came from a file (mc_open, MEMCACHE_POOL) a program may set timeout,
 connect_timeout, tcp_nodelay and busy_poll; the others are agreed among all programs that share the pool, and
 only its file decides them. Setting one of those others in your own pool makes the next call
 connect anew, and every program that shares the servers should set it alike, before its first call.
 */
int mcm_option_set(const struct memcache_ctxt *ctxt,
                   struct memcache *mc,
                   const char *name,
                   const char *value);

/*
 See mcm_option_set.
 */
int mc_option_set(struct memcache *mc, const char *name, const char *value);

/*
 An option's present value, as mc_option_set takes it. Copies as much of it as fits to the size bytes
 at value, with a NUL behind it; value may be NULL when size is 0. Returns the value's whole length
 without the NUL, as snprintf does; -1 when there is no such option, or a pointer is NULL. Leaves the
 handle's last reason as it is.
 */
int mcm_option_get(const struct memcache_ctxt *ctxt,
                   const struct memcache *mc,
                   const char *name,
                   char *value,
                   size_t size);

/*
 See mcm_option_get.
 */
int mc_option_get(const struct memcache *mc, const char *name, char *value, size_t size);

/*
 Resolves the names of all servers anew; the next call connects to where they are now. It takes as
 long as the system's resolver does. Keys live where they lived: a server is its name, not its
 address. 0; -1 when a pointer is NULL, or when a name did not resolve: the error handler gets NET_HOST
 for each, and what was known of it stays.
 */
int mcm_server_reset_all_dns(const struct memcache_ctxt *ctxt,
                             struct memcache *mc);

/*
 See mcm_server_reset_all_dns.
 */
int mc_server_reset_all_dns(struct memcache *mc);

/*
 Resolves one server's name anew, as mcm_server_reset_all_dns; the handle it was added to connects
 to all its servers anew.
 */
int mcm_server_reset_dns(const struct memcache_ctxt *ctxt, struct memcache_server *ms);

/*
 See mcm_server_reset_dns.
 */
int mc_server_reset_dns(struct memcache_server *ms);

/*
 Whether what is sent to the servers of a handle leaves at once (TCP_NODELAY; preset: it does), or may
 wait until what was sent before is acknowledged: enable is 1 or 0. For the servers of its list and those
 added later, from now on. Of no effect on unix sockets.
 */
void mcm_nodelay_enable(const struct memcache_ctxt *ctxt,
                        struct memcache *mc,
                        int enable);

/*
 See mcm_nodelay_enable.
 */
void mc_nodelay_enable(struct memcache *mc, int enable);

/*
 As mcm_nodelay_enable, for one server. Where the same server is in the list several times, the last
 one of them counts.
 */
void mcm_server_nodelay_enable(const struct memcache_ctxt *ctxt,
                               struct memcache_server *ms,
                               int enable);

/*
 See mcm_server_nodelay_enable.
 */
void mc_server_nodelay_enable(struct memcache_server *ms, int enable);

/*
 Fetches a value. key points to key_len bytes: 1 to MAX_KEY_LEN of them; any bytes up to 186 from a
 server with meta commands (memcached 1.6), else none a space, a control character or a NUL.

 MC_REASON_HIT: *value is a copy in memory of the context's allocator, which you free with its free
 (free(3) unless you chose another), with a NUL behind it that is not counted; *bytes its length,
 *flags what was stored with it, *cas the token for mc_cas. Each of the four may be NULL; without
 value nothing is copied, without cas no token is asked for. MC_REASON_MISS: there is no such
 value. Anything below 0 says nothing about the key; MC_REASON_NO_MEMORY that there is a value, of
 *bytes bytes, and no memory for it. In every case but these *value is NULL and the others are 0.
 */
int mcm_fetch(const struct memcache_ctxt *ctxt,
              struct memcache *mc,
              const char *key,
              size_t key_len,
              void **value,
              size_t *bytes,
              u_int32_t *flags,
              u_int64_t *cas);

/*
 See mcm_fetch.
 */
int mc_fetch(struct memcache *mc,
             const char *key,
             size_t key_len,
             void **value,
             size_t *bytes,
             u_int32_t *flags,
             u_int64_t *cas);

/*
 Fetches a value into your own memory: as mcm_fetch, and copies as much of it as fits to the size
 bytes at buf, without a NUL. *bytes is the value's full length: more than size tells that it was cut.
 What buf holds after any other answer than MC_REASON_HIT is anybody's guess: a large value is received there at once,
 and not all of it may come. buf may be NULL when size is 0. Allocates nothing. MC_REASON_BAD_VALUE when buf is NULL and size is not 0.
 */
int mcm_fetch_into(const struct memcache_ctxt *ctxt,
                   struct memcache *mc,
                   const char *key,
                   size_t key_len,
                   void *buf,
                   size_t size,
                   size_t *bytes,
                   u_int32_t *flags,
                   u_int64_t *cas);

/*
 See mcm_fetch_into.
 */
int mc_fetch_into(struct memcache *mc,
                  const char *key,
                  size_t key_len,
                  void *buf,
                  size_t size,
                  size_t *bytes,
                  u_int32_t *flags,
                  u_int64_t *cas);

/*
 Fetches a value and gives it a new expiry time, on every server that has it: as mcm_fetch, without
 a token. expire as for mc_store. When the value was found and it is unknown whether every copy of it
 has the new expiry time, the answer is MC_REASON_UNAVAILABLE or MC_REASON_TIMEOUT, without a value.
 */
int mcm_gat(const struct memcache_ctxt *ctxt,
            struct memcache *mc,
            const char *key,
            size_t key_len,
            time_t expire,
            void **value,
            size_t *bytes,
            u_int32_t *flags);

/*
 See mcm_gat.
 */
int mc_gat(struct memcache *mc,
           const char *key,
           size_t key_len,
           time_t expire,
           void **value,
           size_t *bytes,
           u_int32_t *flags);

/*
 Stores a value, whatever is there.

 key points to key_len bytes: 1 to MAX_KEY_LEN of them; any bytes up to 186 to a server with meta
 commands (memcached 1.6), else none a space, a control character or a NUL. value points to bytes
 bytes; it may be NULL when that is 0. expire: 0 never, up to 30 days in seconds from now, above that in
 seconds since 1970, negative at once. flags are stored with the value, all 32 bits.

 MC_REASON_STORED: stored, in a pool with backups on both servers. MC_REASON_REFUSED: mc_reason_text
 has the server's words. MC_REASON_UNAVAILABLE: no server could be asked, or it is unknown whether it
 stored. MC_REASON_TIMEOUT: time was up; it may be stored still. MC_REASON_BAD_KEY,
 MC_REASON_BAD_VALUE, MC_REASON_NO_SERVERS, MC_REASON_BAD_FILE: nothing was sent.
 */
int mcm_store(const struct memcache_ctxt *ctxt,
              struct memcache *mc,
              const char *key,
              size_t key_len,
              const void *value,
              size_t bytes,
              time_t expire,
              u_int32_t flags);

/*
 See mcm_store.
 */
int mc_store(struct memcache *mc,
             const char *key,
             size_t key_len,
             const void *value,
             size_t bytes,
             time_t expire,
             u_int32_t flags);

/*
 Stores a value where nothing is stored yet. As mcm_store; MC_REASON_NOT_STORED when the key exists.
 */
int mcm_store_add(const struct memcache_ctxt *ctxt,
                  struct memcache *mc,
                  const char *key,
                  size_t key_len,
                  const void *value,
                  size_t bytes,
                  time_t expire,
                  u_int32_t flags);

/*
 See mcm_store_add.
 */
int mc_store_add(struct memcache *mc,
                 const char *key,
                 size_t key_len,
                 const void *value,
                 size_t bytes,
                 time_t expire,
                 u_int32_t flags);

/*
 Stores a value where one is stored already. As mcm_store; MC_REASON_NOT_STORED when there is none.
 */
int mcm_store_replace(const struct memcache_ctxt *ctxt,
                      struct memcache *mc,
                      const char *key,
                      size_t key_len,
                      const void *value,
                      size_t bytes,
                      time_t expire,
                      u_int32_t flags);

/*
 See mcm_store_replace.
 */
int mc_store_replace(struct memcache *mc,
                     const char *key,
                     size_t key_len,
                     const void *value,
                     size_t bytes,
                     time_t expire,
                     u_int32_t flags);

/*
 Appends bytes to a value; its flags and expiry time stay as they are. Otherwise as mcm_store.
 MC_REASON_NOT_STORED when there is no value.
 */
int mcm_append(const struct memcache_ctxt *ctxt,
               struct memcache *mc,
               const char *key,
               size_t key_len,
               const void *value,
               size_t bytes);

/*
 See mcm_append.
 */
int mc_append(struct memcache *mc,
              const char *key,
              size_t key_len,
              const void *value,
              size_t bytes);

/*
 Puts bytes in front of a value; its flags and expiry time stay as they are. Otherwise as mcm_store.
 MC_REASON_NOT_STORED when there is no value.
 */
int mcm_prepend(const struct memcache_ctxt *ctxt,
                struct memcache *mc,
                const char *key,
                size_t key_len,
                const void *value,
                size_t bytes);

/*
 See mcm_prepend.
 */
int mc_prepend(struct memcache *mc,
               const char *key,
               size_t key_len,
               const void *value,
               size_t bytes);

/*
 Stores a value if it is still the one that mc_fetch handed out with the token cas. As mcm_store, and
 MC_REASON_EXISTS: the value was changed since, or the server that handed out the token restarted or
 another one stands in for it: fetch again. MC_REASON_NOT_FOUND: there is no value any more.
 */
int mcm_cas(const struct memcache_ctxt *ctxt,
            struct memcache *mc,
            const char *key,
            size_t key_len,
            const void *value,
            size_t bytes,
            time_t expire,
            u_int32_t flags,
            u_int64_t cas);

/*
 See mcm_cas.
 */
int mc_cas(struct memcache *mc,
           const char *key,
           size_t key_len,
           const void *value,
           size_t bytes,
           time_t expire,
           u_int32_t flags,
           u_int64_t cas);

/*
 Deletes a key on every server that may have it. MC_REASON_DELETED; MC_REASON_NOT_FOUND: there was
 nothing. Below 0 as mcm_store.
 */
int mcm_remove(const struct memcache_ctxt *ctxt,
               struct memcache *mc,
               const char *key,
               size_t key_len);

/*
 See mcm_remove.
 */
int mc_remove(struct memcache *mc, const char *key, size_t key_len);

/*
 Gives a value a new expiry time, on every server that has it; expire as for mcm_store.
 MC_REASON_TOUCHED; MC_REASON_NOT_FOUND: there is no value. Below 0 as mcm_store.
 */
int mcm_touch(const struct memcache_ctxt *ctxt,
              struct memcache *mc,
              const char *key,
              size_t key_len,
              time_t expire);

/*
 See mcm_touch.
 */
int mc_touch(struct memcache *mc, const char *key, size_t key_len, time_t expire);

/*
 Adds delta to a number that is stored as decimal text, of 64 bits; it wraps around at 2^64. A key as
 for mc_store. MC_REASON_NUMBER: *value is the new number; value may be NULL. MC_REASON_NOT_FOUND: there
 is no such key, and none is made. MC_REASON_REFUSED: what is stored is no number. In every case but
 the first *value is 0. MC_REASON_UNAVAILABLE and MC_REASON_TIMEOUT: it is unknown whether it counted;
 a delta is never sent again to a server that may have taken it.
 */
int mcm_incr64(const struct memcache_ctxt *ctxt,
               struct memcache *mc,
               const char *key,
               size_t key_len,
               u_int64_t delta,
               u_int64_t *value);

/*
 See mcm_incr64.
 */
int mc_incr64(struct memcache *mc,
              const char *key,
              size_t key_len,
              u_int64_t delta,
              u_int64_t *value);

/*
 Subtracts delta; a number stops at 0. As mcm_incr64.
 */
int mcm_decr64(const struct memcache_ctxt *ctxt,
               struct memcache *mc,
               const char *key,
               size_t key_len,
               u_int64_t delta,
               u_int64_t *value);

/*
 See mcm_decr64.
 */
int mc_decr64(struct memcache *mc,
              const char *key,
              size_t key_len,
              u_int64_t delta,
              u_int64_t *value);

/*
 Stores n items, whatever is there, on all their servers at once: reads key, key_len, value, bytes,
 expire and flags of each, and sets its reason, as mcm_store returns it. Returns how many were stored.
 Items with the same key are stored in their order, so the last one wins. The whole call ends within
 the handle's timeout; an item whose turn did not come by then has MC_REASON_TIMEOUT. mc_reason is then
 that of the first item that failed (below 0), MC_REASON_DONE when none did. When a pointer is NULL or
 no items are there, nothing is stored.
 */
size_t mcm_store_many(const struct memcache_ctxt *ctxt,
                      struct memcache *mc,
                      struct mc_item *items,
                      size_t n);

/*
 See mcm_store_many.
 */
size_t mc_store_many(struct memcache *mc, struct mc_item *items, size_t n);

/*
 Deletes n items on all their servers at once: reads key and key_len of each, and sets its reason, as
 mcm_remove returns it. Returns how many were deleted; one that was not found is not among them.
 mc_reason as after mcm_store_many.
 */
size_t mcm_remove_many(const struct memcache_ctxt *ctxt,
                       struct memcache *mc,
                       struct mc_item *items,
                       size_t n);

/*
 See mcm_remove_many.
 */
size_t mc_remove_many(struct memcache *mc, struct mc_item *items, size_t n);

/*
 Fetches n items from all their servers at once: reads key and key_len of each, and sets its value,
 bytes, flags, cas and reason, as mcm_fetch does. A value is memory of the context's allocator, yours
 to free; what value pointed to before is forgotten. Returns how many were found. The call ends within
 the handle's timeout (one for each million of items). mc_reason as after mcm_store_many.
 */
size_t mcm_fetch_many(const struct memcache_ctxt *ctxt,
                      struct memcache *mc,
                      struct mc_item *items,
                      size_t n);

/*
 See mcm_fetch_many.
 */
size_t mc_fetch_many(struct memcache *mc, struct mc_item *items, size_t n);

/*
 Fetches n items as mcm_fetch_many, without tokens: cas is 0 in each. A server answers sooner that is asked for none.
 */
size_t mcm_fetch_values(const struct memcache_ctxt *ctxt,
                        struct memcache *mc,
                        struct mc_item *items,
                        size_t n);

/*
 See mcm_fetch_values.
 */
size_t mc_fetch_values(struct memcache *mc, struct mc_item *items, size_t n);

/*
 Fetches n items as mcm_fetch_values, into your own memory: copies as much of each value as fits to the
 bytes bytes at value, without a NUL, and sets bytes to the value's full length: more than it was before tells that the
 value was cut. 0 when there is no value. value stays as it is; it may be NULL when bytes is 0, and is
 MC_REASON_BAD_VALUE when not. Allocates nothing for the values.
 */
size_t mcm_fetch_into_many(const struct memcache_ctxt *ctxt,
                           struct memcache *mc,
                           struct mc_item *items,
                           size_t n);

/*
 See mcm_fetch_into_many.
 */
size_t mc_fetch_into_many(struct memcache *mc, struct mc_item *items, size_t n);

/*
 Where a key lives, as this process sees its servers at this moment, and why; asks no server. The key as
 for mc_store. Fills in *where, whatever it held, and returns MC_REASON_DONE. MC_REASON_UNAVAILABLE: no
 server is live, and only home, backup and why are known. Other reasons: nothing is known, and *where
 is empty. where->why is such as "home 127.0.0.1:11211 is down; 127.0.0.1:11213 stands in for it; second
 copy on 127.0.0.1:11212". The servers are valid until the handle's list changes.
 */
int mcm_where(const struct memcache_ctxt *ctxt,
              struct memcache *mc,
              const char *key,
              size_t key_len,
              struct mc_where *where);

/*
 See mcm_where.
 */
int mc_where(struct memcache *mc, const char *key, size_t key_len, struct mc_where *where);

/*
 A server's state, as this process sees it at this moment; asks nobody: a number of enum mc_state. -1
 when a pointer is NULL or the server is not of this handle.
 */
int mcm_server_state(const struct memcache_ctxt *ctxt,
                     struct memcache *mc,
                     const struct memcache_server *ms);

/*
 See mcm_server_state.
 */
int mc_server_state(struct memcache *mc, const struct memcache_server *ms);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* MEMCACHE_H */
