/* A program's own hash, find and validation functions, against the live servers of the arguments. */
#include <memcache.h>

#include "check.h"

/* The first character, a digit, is the server. */
static u_int32_t first_digit(MCM_HASH_FUNC) {
    struct memcache_ctxt *ctxt;
    const struct memcache *mc;
    const char *key;
    size_t len;
    MCM_HASH_INIT(ctxt, mc, key, len);
    CHECK(ctxt == mc_global_ctxt() && mc != NULL && len > 0);
    return (u_int32_t)(key[0] - '0');
}

static void *in_list(const void *ctxt, void *mc, const u_int32_t hash) {
    struct memcache *cache = mc;
    CHECK(ctxt == mc_global_ctxt());
    return hash < cache->num_servers ? cache->servers[hash] : NULL;
}

static int32_t no_x(MCM_KEY_VALID_FUNC_ARGS) {
    struct memcache_ctxt *ctxt;
    char *key;
    size_t len, i;
    MCM_KEY_VALID_INIT(ctxt, key, len);
    CHECK(ctxt == mc_global_ctxt());
    for (i = 0; i < len; i++)
        if (key[i] == 'x')
            return (int32_t)i + 1;
    return 0;
}

static u_int32_t items(struct memcache *mc, int i) {
    struct memcache_server_stats *stats = mc_server_stats(mc, mc->servers[i]);
    u_int32_t n;
    CHECK(stats != NULL);
    n = stats->curr_items;
    mc_server_stats_free(stats);
    return n;
}

int main(int argc, char **argv) {
    struct memcache *mc = mc_new();
    struct memcache_ctxt *ctxt = mc_global_ctxt();
    struct memcache_req *req = mc_req_new();
    struct memcache_res *res;
    int i, n = 0;

    for (i = 1; i < argc; i++)
        CHECK(mc_server_add4(mc, argv[i]) == 0);
    CHECK(mc->num_servers == 3);
    ctxt->mcHashKey = first_digit;
    ctxt->mcServerFind = in_list;
    ctxt->mcKeyValid = no_x;
    mc_err_filter_add(MCM_ERR_LVL_ERR);

    CHECK(mc_set(mc, "2a", 2, "A", 1, 0, 0) == 0 && mc_set(mc, "2b", 2, "B", 1, 0, 0) == 0);
    CHECK(mc_set(mc, "0c", 2, "C", 1, 0, 0) == 0);
    CHECK(items(mc, 0) == 1 && items(mc, 1) == 0 && items(mc, 2) == 2);
    CHECK(mc_set(mc, "3d", 2, "D", 1, 0, 0) == -1); /* no such server */
    CHECK(mc_set(mc, "0x", 2, "X", 1, 0, 0) == 2);
    CHECK(mc_set(mc, "0 ", 2, " ", 1, 0, 0) == 2); /* what would break the stream is refused as well */

    mc_req_add(req, "2b", 2);
    mc_req_add(req, "0c", 2);
    mc_req_add(req, "3d", 2);
    mc_req_add(req, "2a", 2);
    mc_get(mc, req);
    TAILQ_FOREACH(res, &req->query, entries) {
        CHECK(mc_res_attempted(res));
        if (mc_res_found(res)) {
            CHECK(res->bytes == 1 && ((char *)res->val)[0] == res->key[1] - 'a' + 'A');
            n++;
        }
    }
    CHECK(n == 3);
    mc_req_free(req);
    mc_free(mc);
    return 0;
}
