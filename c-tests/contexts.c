/* Contexts, allocators, errors, texts, hashes: everything that needs no server. */
#include <memcache.h>

#include "check.h"

static int blocks, budget = -1; /* allocations that are not freed yet; how many more are allowed */

static void *counting_malloc(const size_t size) {
    if (budget == 0)
        return NULL;
    if (budget > 0)
        budget--;
    blocks++;
    return malloc(size);
}

static void *counting_realloc(void *ptr, const size_t size) {
    if (budget == 0)
        return NULL;
    if (budget > 0)
        budget--;
    if (ptr == NULL)
        blocks++;
    return realloc(ptr, size);
}

static void counting_free(void *ptr) {
    if (ptr != NULL)
        blocks--;
    free(ptr);
}

static int calls;
static int marker;
static int32_t chosen_retcode;

static int32_t handler(MCM_ERR_FUNC_ARGS) {
    const struct memcache_ctxt *ctxt;
    struct memcache_err_ctxt *ectxt;
    MCM_ERR_INIT_CTXT(ctxt, ectxt);
    CHECK(ctxt == ectxt->ctxt && ectxt->misc == &marker);
    CHECK(ectxt->cont == 'y' && ectxt->funcname != NULL && ectxt->errstr != NULL);
    ectxt->retcode = chosen_retcode;
    calls++;
    return 0;
}

static void failing(struct memcache_ctxt *ctxt) {
    MCM_ERRX_MSG(MCM_ERR_TEST, "a message");
    MCM_WARNX(MCM_ERR_TIMEOUT);
    MCM_ERR(MCM_ERR_SYS_READ);
    CHECK(MCM_RET_CODE(5) == (chosen_retcode != 0 ? chosen_retcode : 5));
}

static u_int32_t all_one(MCM_HASH_FUNC) {
    struct memcache_ctxt *ctxt;
    const struct memcache *mc;
    const char *key;
    size_t len;
    MCM_HASH_INIT(ctxt, mc, key, len);
    CHECK(ctxt != NULL && mc == NULL && key != NULL);
    return (u_int32_t)len;
}

/* Everything that allocates, with any number of allocations granted: fails cleanly, leaks nothing. */
static void short_of_memory(struct memcache_ctxt *ctxt) {
    int granted, before = blocks;
    for (granted = 0; granted < 24; granted++) {
        struct memcache *mc;
        struct memcache_req *req;
        char *text;
        budget = granted;
        mc = mcm_new(ctxt);
        if (mc != NULL) {
            int added = mcm_server_add(ctxt, mc, "127.0.0.1", "11211");
            CHECK(added == 0 || (added <= -1 && added >= -5));
            CHECK(mc->num_servers == (added == 0 ? 1u : 0u));
        }
        req = mcm_req_new(ctxt);
        if (req != NULL) {
            struct memcache_res *res = mcm_req_add(ctxt, req, "key", 3);
            CHECK(req->num_keys == (res != NULL ? 1 : 0));
            if (res != NULL)
                mcm_res_register_fetch_cb(ctxt, req, res, NULL, NULL);
        }
        text = mcm_strdup(ctxt, "text");
        budget = -1;
        mcm_free(ctxt, mc);
        mcm_req_free(ctxt, req);
        ctxt->mcFree(text);
        CHECK(blocks == before);
    }
}

static void texts(void) {
    char text[] = "one two";
    char *copy = mc_strndup(text, 3);
    CHECK(strcmp(copy, "one") == 0);
    free(copy);
    CHECK(mc_strnchr(text, 't', 7) == text + 4 && mc_strnchr(text, 't', 4) == NULL);
    CHECK(mcm_strnstr(mc_global_ctxt(), text, "two", 7) == text + 4);
    CHECK(mcm_strnstr(mc_global_ctxt(), text, "two", 6) == NULL);
    CHECK(mc_strdup(NULL) == NULL && mc_strndup(NULL, 3) == NULL && mc_strnchr(NULL, 'x', 3) == NULL);
}

static void nulls(void) {
    struct memcache *mc = mc_new();
    size_t len = 1;
    CHECK(mc_set(NULL, "k", 1, "v", 1, 0, 0) < 0 && mc_set(mc, NULL, 1, "v", 1, 0, 0) < 0);
    CHECK(mc_set(mc, "k", 1, NULL, 1, 0, 0) < 0);
    CHECK(mcm_set(NULL, mc, "k", 1, "v", 1, 0, 0) < 0);
    CHECK(mc_aget2(NULL, "k", 1, &len) == NULL && len == 0);
    CHECK(mc_delete(NULL, "k", 1, 0) < 0 && mc_incr(NULL, "k", 1, 1) == 0 && mc_flush_all(NULL) < 0);
    CHECK(mc_stats(NULL) == NULL && mc_server_stats(mc, NULL) == NULL && mc_flush(mc, NULL) < 0);
    CHECK(mc_req_add(NULL, "k", 1) == NULL && mc_res_found(NULL) == 0 && mc_res_attempted(NULL) == 0);
    CHECK(mc_server_add(NULL, "h", "1") < 0 && mc_server_add3(mc, NULL) < 0);
    CHECK(mc_server_find(mc, 3) == NULL && mc_server_timeout(NULL, 1, 0) == 0);
    CHECK(mc_server_activate(mc, NULL) < 0 && mc_server_activate_all(mc) == 0);
    mc_server_deactivate(mc, NULL);
    mc_get(NULL, NULL);
    mc_get(mc, NULL);
    mc_req_free(NULL);
    mc_res_free(NULL, NULL);
    mc_free(NULL);
    mc_server_free(NULL);
    mc_server_stats_free(NULL);
    mcMemFreeCtxt(NULL);
    mc_free(mc);
}

static void server_structs(void) {
    struct memcache *mc = mc_new();
    struct memcache_server *ms = mc_server_new();
    mc_timeout(mc, 2, 3000001);
    CHECK(mc->tv.tv_sec == 5 && mc->tv.tv_usec == 1);
    CHECK(mc_server_add(mc, NULL, NULL) == 0);
    CHECK(strcmp(mc->servers[0]->hostname, "localhost") == 0 && strcmp(mc->servers[0]->port, "11211") == 0);
    CHECK(mc->servers[0]->tv.tv_sec == 5 && mc->servers[0]->active == 't' && mc->servers[0]->fd == -1);
    CHECK(mc_server_add2(mc, "127.0.0.1x", 9, "11212x", 5) == 0);
    CHECK(strcmp(mc->servers[1]->hostname, "127.0.0.1") == 0 && strcmp(mc->servers[1]->port, "11212") == 0);
    CHECK(mc_server_add5(mc, "[::1]:11213junk", 11) == 0);
    CHECK(strcmp(mc->servers[2]->hostname, "::1") == 0 && strcmp(mc->servers[2]->port, "11213") == 0);
    CHECK(mc_server_add4(mc, "unix:/tmp/nobody.sock") == 0);
    CHECK(mc_err_filter_add(MCM_ERR_LVL_WARN) == 1);
    CHECK(mc_server_add(mc, "no such host.invalid", "1") == -4);
    CHECK(mc_err_filter_del(MCM_ERR_LVL_WARN) == 1);
    CHECK(mc->num_servers == 4);
    ms->hostname = mc_strdup("127.0.0.1");
    CHECK(mc_server_add3(mc, ms) == 0 && mc->servers[4] == ms && strcmp(ms->port, "11211") == 0);
    CHECK(mc_server_add3(mc, ms) == -1 && mc_server_timeout(ms, 0, 250) == 1 && ms->tv.tv_usec == 250);
    mc_server_free(mc->servers[0]);
    CHECK(mc->num_servers == 4 && mc->servers[3] == ms && mc->servers[4] == NULL);
    mc_free(mc);
    ms = mc_server_new();
    mc_server_free(ms);
}

int main(void) {
    struct memcache_ctxt *ctxt;
    mcErrFunc default_handler;
    char *text;

    CHECK(mcErrGet(&default_handler) == 0 && default_handler != NULL && mcErrGet(NULL) == 1);
    CHECK(mcErrSetup(NULL) == 1);
    CHECK(mcMemNewCtxt(NULL, counting_malloc, NULL, counting_realloc) == NULL);
    ctxt = mcMemNewCtxt(counting_free, counting_malloc, NULL, counting_realloc);
    CHECK(ctxt != NULL && blocks == 2 && ctxt->mcMallocAtomic == counting_malloc);

    CHECK(mcm_err_filter_get(ctxt) == (MCM_ERR_LVL_INFO | MCM_ERR_LVL_NOTICE));
    CHECK(mcm_err_filter_test(ctxt, MCM_ERR_LVL_INFO) == 1 && mcm_err_filter_test(ctxt, MCM_ERR_LVL_ERR) == 0);
    CHECK(mcm_err_filter_add(ctxt, MCM_ERR_LVL_INFO) == 0 && mcm_err_filter_del(ctxt, MCM_ERR_LVL_INFO) == 1);
    CHECK(ctxt->MCM_ERR_MASK == MCM_ERR_LVL_NOTICE);

    CHECK(mcErrSetupCtxt(ctxt, handler) == 0 && mcErrSetupCtxt(NULL, handler) == 1);
    ctxt->ectxt->misc = &marker;
    mcm_err_test(ctxt);
    CHECK(calls == 1 && ctxt->ectxt->errcode == MCM_ERR_TEST && ctxt->ectxt->severity == MCM_ERR_LVL_WARN);
    failing(ctxt);
    CHECK(calls == 4);
    chosen_retcode = -42;
    failing(ctxt);
    CHECK(mcm_server_add(ctxt, NULL, "h", "1") == -1);
    {
        struct memcache *mc = mcm_new(ctxt);
        CHECK(mcm_set(ctxt, mc, "bad key", 7, "v", 1, 0, 0) == -42);
        CHECK(mcm_err_filter_add(ctxt, 31) == 1);
        CHECK(mcm_set(ctxt, mc, "bad key", 7, "v", 1, 0, 0) == 4);
        CHECK(mcm_set(ctxt, mc, "key", 3, "v", 1, 0, 0) == -1);
        mcm_free(ctxt, mc);
    }
    short_of_memory(ctxt);

    text = mcm_strdup(ctxt, "text");
    CHECK(blocks == 3);
    ctxt->mcFree(text);
    ctxt->mcHashKey = all_one;
    CHECK(mcm_hash_key(ctxt, "12345", 5) == 5);
    mcMemFreeCtxt(ctxt);
    CHECK(blocks == 0);

    CHECK(mc_hash_key("foo", 3) == ((0x8c736521u >> 16) & 0x7fff));
    texts();
    nulls();
    server_structs();
    CHECK(mc_vernum() == MEMCACHE_VERNUM && strcmp(mc_version(), MEMCACHE_VER) == 0);
    CHECK(mc_reldate() == MEMCACHE_RELDATE && mcm_vernum(NULL) == 10400);
    return 0;
}
