/* A program's own hash, find and validation functions, against the live servers of the arguments. */
#include <sys/socket.h>

#include "kit.h"

/* The first character, a digit, is the server. */
static u_int32_t first_digit(MCM_HASH_FUNC) {
    struct memcache_ctxt *c;
    const struct memcache *mc;
    const char *key;
    size_t len;
    MCM_HASH_INIT(c, mc, key, len);
    CHECK(c == ctxt && mc != NULL && len > 0);
    return (u_int32_t)(key[0] - '0');
}

static void *in_list(const void *c, void *mc, const u_int32_t hash) {
    struct memcache *cache = mc;
    CHECK(c == ctxt);
    return hash < cache->num_servers ? cache->servers[hash] : NULL;
}

static int32_t no_x(MCM_KEY_VALID_FUNC_ARGS) {
    struct memcache_ctxt *c;
    char *key;
    size_t len, i;
    MCM_KEY_VALID_INIT(c, key, len);
    CHECK(c == ctxt && len > 0);
    for (i = 0; i < len; i++)
        if (key[i] == 'x')
            return (int32_t)i + 1;
    return 0;
}

/* How many items a server was given since it started: what was flushed stays in the count of the present. */
static u_int64_t given(struct memcache *mc, int i) {
    struct memcache_server_stats *stats = MC(server_stats, mc, mc->servers[i]);
    u_int64_t n;
    CHECK(stats != NULL);
    n = stats->total_items;
    MC(server_stats_free, stats);
    return n;
}

static u_int32_t items(struct memcache *mc, int i) {
    struct memcache_server_stats *stats = MC(server_stats, mc, mc->servers[i]);
    u_int32_t n;
    CHECK(stats != NULL);
    n = stats->curr_items;
    MC(server_stats_free, stats);
    return n;
}

static void placing(struct memcache *mc) {
    struct memcache_req *req = MC0(req_new);
    struct memcache_res *res;
    int n = 0;
    CHECK(put(mc, "2a", "A") == 0 && put(mc, "2b", "B") == 0 && put(mc, "0c", "C") == 0);
    CHECK(items(mc, 0) == 1 && items(mc, 1) == 0 && items(mc, 2) == 2);
    CHECK(holds(mc, "2a", "A") && holds(mc, "0c", "C") && silent());
    CHECK(MC(server_find, mc, 2) == mc->servers[2] && MC(server_find, mc, 3) == NULL);
    CHECK(put(mc, "3d", "D") == -1 && raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE)); /* no such server */
    CHECK(MC(add, mc, "1n", 2, "7", 1, 0, 0) == 0 && MC(incr, mc, "1n", 2, 1) == 8 && items(mc, 1) == 1);
    CHECK(MC(delete, mc, "1n", 2, 0) == 0 && items(mc, 1) == 0);

    MC(req_add, req, "2b", 2);
    MC(req_add, req, "0c", 2);
    MC(req_add, req, "3d", 2);
    MC(req_add, req, "2a", 2);
    MC(get, mc, req);
    CHECK(raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE));
    TAILQ_FOREACH(res, &req->query, entries) {
        CHECK(MC(res_attempted, res));
        if (MC(res_found, res)) {
            CHECK(res->bytes == 1 && ((char *)res->val)[0] == res->key[1] - 'a' + 'A');
            n++;
        }
    }
    CHECK(n == 3);
    MC(req_free, req);
}

/* How long the socket of a server waits for an answer, in milliseconds. */
static long patience(struct memcache_server *ms) {
    struct timeval tv;
    socklen_t size = sizeof tv;
    CHECK(getsockopt(ms->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &size) == 0);
    return tv.tv_sec * 1000L + tv.tv_usec / 1000;
}

static struct memcache *handlers;

/* A handler that makes calls of its own with the handle. */
static int32_t asks_another(MCM_ERR_FUNC_ARGS) {
    const struct memcache_ctxt *raised_in;
    struct memcache_err_ctxt *ectxt;
    MCM_ERR_INIT_CTXT(raised_in, ectxt);
    CHECK(raised_in == ctxt && ectxt->errcode == MCM_ERR_MC_VALID_SERVER);
    CHECK(MC(aget, handlers, "0none", 5) == NULL && MC(reason, handlers) == MC_REASON_MISS);
    return 0;
}

/* What is known of a server stands in its struct, and a timeout that is written there holds from the next call on. */
static void showing(struct memcache *mc) {
    struct memcache_server *ms = mc->servers[0];
    long before;
    CHECK(put(mc, "0t", "T") == 0);
    CHECK(ms->active == 'u' && ms->fd > 2);
    before = patience(ms);
    CHECK(MC(server_timeout, ms, 90, 0) == 1 && put(mc, "0t", "U") == 0 && patience(ms) > before);
    MC(server_deactivate, mc, ms); /* and one that is out of use is not used */
    CHECK(put(mc, "0t", "V") == -1 && raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE) && ms->active == 'd');
    CHECK(put(mc, "", "V") == 1 && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR)); /* the program's validator is not asked */
    MC(server_activate, mc, ms);
    CHECK(put(mc, "0t", "V") == 0 && put(mc, "0c", "C") == 0); /* it came back empty */
    CHECK(MC(server_add, mc, "127.0.0.1", "1") == 0); /* nobody listens there */
    ms = mc->servers[3];
    CHECK(ms->active == 't' && put(mc, "3t", "T") == -1 && ms->active == 'd' && ms->fd == -1);
    CHECK(raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE));
    handlers = mc;
    ctxt->mcErr = asks_another;
    CHECK(MC(aget, mc, "3t", 2) == NULL && MC(reason, mc) == MC_REASON_UNAVAILABLE);
    ctxt->mcErr = remember;
    MC(server_free, ms);
}

static void validating(struct memcache *mc) {
    size_t len = 77;
    CHECK(put(mc, "0x", "X") == 2 && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
    CHECK(put(mc, "0 ", " ") == 2 && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR)); /* what would break the stream is refused as well */
    CHECK(MC(delete, mc, "00x", 3, 0) == 3 && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
    CHECK(MC(aget2, mc, "0x", 2, &len) == NULL && len == 0 && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
    CHECK(MC(incr, mc, "0x", 2, 1) == 0 && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
    CHECK(holds(mc, "0c", "C"));
}

/* A server that is added twice has twice the keys: counted, with the program's functions out of the way. */
static void weights(struct memcache *mc) {
    u_int64_t before[3], once, twice;
    u_int32_t i;
    char key[16];
    CHECK(MC(server_add, mc, mc->servers[1]->hostname, mc->servers[1]->port) == 0 && mc->num_servers == 4);
    for (i = 0; i < 3; i++)
        before[i] = given(mc, (int)i);
    for (i = 0; i < 400; i++) {
        snprintf(key, sizeof(key), "key%u", i);
        CHECK(put(mc, key, "x") == 0);
        CHECK(MC(server_find, mc, MC(hash, mc, key, strlen(key))) == mc->servers[MC(hash_key, key, strlen(key)) % 4]);
    }
    once = given(mc, 0) - before[0] + given(mc, 2) - before[2];
    twice = given(mc, 1) - before[1];
    CHECK(once + twice == 400 && given(mc, 3) == given(mc, 1)); /* one server, two slots of four */
    CHECK(twice > 120 && once > 120);
}

int main(int argc, char **argv) {
    struct memcache *mc;
    begin();
    mc = open_servers(argc, argv);
    CHECK(mc->num_servers == 3);
    ctxt->mcHashKey = first_digit;
    ctxt->mcServerFind = in_list;
    ctxt->mcKeyValid = no_x;
    placing(mc);
    showing(mc);
    validating(mc);
    ctxt->mcHashKey = NULL;
    ctxt->mcServerFind = NULL;
    ctxt->mcKeyValid = NULL;
    weights(mc);
    MC(free, mc);
    return end();
}
