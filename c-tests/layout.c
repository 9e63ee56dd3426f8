/* Every public field where programs that were compiled against the old header expect it. */
#include <stddef.h>
#include <memcache.h>

#if defined(__x86_64__) && defined(__LP64__)
#define FIELD(type, field, offset, size)                                              \
    _Static_assert(offsetof(struct type, field) == (offset), #type "." #field " moved"); \
    _Static_assert(sizeof(((struct type *)0)->field) == (size), #type "." #field " has another size")

/* Private fields may follow the public ones, never stand before or among them. */
#define SIZE(type, size)                                                   \
    _Static_assert(sizeof(struct type) >= (size), #type " shrank");            \
    _Static_assert(_Alignof(struct type) == 8, #type " is aligned otherwise")

FIELD(memcache_err_ctxt, misc, 0, 8);
FIELD(memcache_err_ctxt, funcname, 8, 8);
FIELD(memcache_err_ctxt, lineno, 16, 4);
FIELD(memcache_err_ctxt, errnum, 20, 4);
FIELD(memcache_err_ctxt, errcode, 24, 4);
FIELD(memcache_err_ctxt, severity, 28, 1);
FIELD(memcache_err_ctxt, cont, 29, 1);
FIELD(memcache_err_ctxt, retcode, 32, 4);
FIELD(memcache_err_ctxt, sysexit, 36, 4);
FIELD(memcache_err_ctxt, errstr, 40, 8);
FIELD(memcache_err_ctxt, errmsg, 48, 8);
FIELD(memcache_err_ctxt, errlen, 56, 8);
FIELD(memcache_err_ctxt, ctxt, 64, 8);
SIZE(memcache_err_ctxt, 72);

FIELD(memcache_ctxt, mcFree, 0, 8);
FIELD(memcache_ctxt, mcMalloc, 8, 8);
FIELD(memcache_ctxt, mcMallocAtomic, 16, 8);
FIELD(memcache_ctxt, mcRealloc, 24, 8);
FIELD(memcache_ctxt, mcErr, 32, 8);
FIELD(memcache_ctxt, mcKeyValid, 40, 8);
FIELD(memcache_ctxt, mcHashKey, 48, 8);
FIELD(memcache_ctxt, mcServerFind, 56, 8);
FIELD(memcache_ctxt, errnum, 64, 4);
FIELD(memcache_ctxt, _rbuf, 72, 8);
FIELD(memcache_ctxt, _wbuf, 80, 8);
FIELD(memcache_ctxt, _last_hash, 88, 4);
FIELD(memcache_ctxt, ectxt, 96, 8);
FIELD(memcache_ctxt, err_mask, 104, 4);
SIZE(memcache_ctxt, 112);

FIELD(memcache_server, misc, 0, 8);
FIELD(memcache_server, hostname, 8, 8);
FIELD(memcache_server, port, 16, 8);
FIELD(memcache_server, fd, 24, 4);
FIELD(memcache_server, tv, 32, 16);
FIELD(memcache_server, active, 48, 1);
FIELD(memcache_server, hostinfo, 56, 8);
FIELD(memcache_server, num_addrs, 64, 4);
FIELD(memcache_server, rbuf, 72, 8);
FIELD(memcache_server, wbuf, 80, 8);
FIELD(memcache_server, _last_hash, 88, 4);
FIELD(memcache_server, soff, 96, 8);
FIELD(memcache_server, startoff, 104, 8);
FIELD(memcache_server, entries, 112, 16);
SIZE(memcache_server, 128);

FIELD(memcache_server_stats, pid, 0, 4);
FIELD(memcache_server_stats, uptime, 8, 8);
FIELD(memcache_server_stats, time, 16, 8);
FIELD(memcache_server_stats, version, 24, 8);
FIELD(memcache_server_stats, rusage_user, 32, 16);
FIELD(memcache_server_stats, rusage_system, 48, 16);
FIELD(memcache_server_stats, curr_items, 64, 4);
FIELD(memcache_server_stats, total_items, 72, 8);
FIELD(memcache_server_stats, bytes, 80, 8);
FIELD(memcache_server_stats, curr_connections, 88, 4);
FIELD(memcache_server_stats, total_connections, 96, 8);
FIELD(memcache_server_stats, connection_structures, 104, 4);
FIELD(memcache_server_stats, cmd_get, 112, 8);
FIELD(memcache_server_stats, cmd_set, 120, 8);
FIELD(memcache_server_stats, get_hits, 128, 8);
FIELD(memcache_server_stats, get_misses, 136, 8);
FIELD(memcache_server_stats, bytes_read, 144, 8);
FIELD(memcache_server_stats, bytes_written, 152, 8);
FIELD(memcache_server_stats, limit_maxbytes, 160, 8);
SIZE(memcache_server_stats, 168);

FIELD(memcache, misc, 0, 8);
FIELD(memcache, tv, 8, 16);
FIELD(memcache, num_servers, 24, 4);
FIELD(memcache, servers, 32, 8);
FIELD(memcache, server_list, 40, 16);
SIZE(memcache, 56);

FIELD(memcache_res, misc, 0, 8);
FIELD(memcache_res, key, 8, 8);
FIELD(memcache_res, len, 16, 8);
FIELD(memcache_res, hash, 24, 4);
FIELD(memcache_res, bytes, 32, 8);
FIELD(memcache_res, val, 40, 8);
FIELD(memcache_res, size, 48, 8);
FIELD(memcache_res, entries, 56, 16);
FIELD(memcache_res, flags, 72, 2);
FIELD(memcache_res, _flags, 74, 1);
SIZE(memcache_res, 80);

FIELD(memcache_req, misc, 0, 8);
FIELD(memcache_req, query, 8, 16);
FIELD(memcache_req, cb, 24, 16);
FIELD(memcache_req, num_keys, 40, 2);
SIZE(memcache_req, 48);

FIELD(memcache_res_cb, misc, 0, 8);
FIELD(memcache_res_cb, ctxt, 8, 8);
FIELD(memcache_res_cb, req, 16, 8);
FIELD(memcache_res_cb, res, 24, 8);
FIELD(memcache_res_cb, cb, 32, 8);
FIELD(memcache_res_cb, entries, 40, 16);
SIZE(memcache_res_cb, 56);

FIELD(memcache_buf, ptr, 0, 8);
FIELD(memcache_buf, flags, 8, 1);
FIELD(memcache_buf, len, 16, 8);
FIELD(memcache_buf, size, 24, 8);
FIELD(memcache_buf, off, 32, 8);
FIELD(memcache_buf, next, 40, 16);
SIZE(memcache_buf, 56);
_Static_assert(sizeof(struct memcache_buf) == 56, "programs have memcache_buf by value");

#endif

int main(void) {
    return 0;
}
