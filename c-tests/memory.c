/* Out of memory, everywhere: a whole session in which the n-th allocation fails, for n = 1, 2, ... until none
 * does; and one in which every allocation from the n-th on fails. Whatever fails, the calls say so, nothing is
 * freed twice or left behind, and what succeeded is right. The arguments are live servers. */
#include <memcache/buffer.h>

#include "kit.h"

static void fetched(MCM_CALLBACK_FUNC) {
    CHECK(MCM_CALLBACK_CTXT == ctxt && MCM_CALLBACK_PTR == NULL && mcm_res_attempted(ctxt, MCM_CALLBACK_RES));
}

static void servers(struct memcache *mc, int argc, char **argv) {
    struct memcache_server *ms = MC0(server_new);
    int i, before = 0;
    MC(timeout, mc, 10, 0);
    for (i = 1; i < argc; i++) {
        int added = i % 2 ? MC(server_add4, mc, argv[i]) : MC(server_add5, mc, argv[i], strlen(argv[i]));
        CHECK(added == 0 || (added <= -1 && added >= -5 && added != -4));
        before += added == 0;
        CHECK(mc->num_servers == (u_int32_t)before && (before == 0 || mc->servers[before] == NULL));
    }
    if (MC(server_add, mc, "127.0.0.1", "1") == 0)
        MC(server_free, mc->servers[mc->num_servers - 1]);
    if (MC(server_add2, mc, "127.0.0.1", 9, "1", 1) == 0)
        MC(server_free, mc->servers[mc->num_servers - 1]);
    if (ms != NULL) {
        (void)MC(server_add3, mc, ms); /* without memory it is ours still; with it, it leaves the list again */
        MC(server_free, ms);
    }
    CHECK(mc->num_servers == (u_int32_t)before);
}

static void values(struct memcache *mc) {
    struct memcache_req *req = MC0(req_new);
    struct memcache_server_stats *stats;
    int none = mc->num_servers == 0;
    size_t len = 77;
    char *value;
    CHECK(put(mc, "key", "value") == (none ? -1 : 0)); /* storing needs none of the program's memory */
    value = MC(aget2, mc, "key", 3, &len);
    CHECK(value == NULL ? len == 0 : !none && len == 5 && memcmp(value, "value", 6) == 0);
    ctxt->mcFree(value);
    value = MC(aget, mc, "key", 3);
    CHECK(value == NULL || strcmp(value, "value") == 0);
    ctxt->mcFree(value);
    CHECK(MC(incr, mc, "key", 3, 1) == 0);
    if (req != NULL) {
        struct memcache_res *one = MC(req_add, req, "key", 3), *two = MC(req_add_ref, req, "key", 3);
        CHECK(req->num_keys == (one != NULL) + (two != NULL));
        if (one != NULL)
            (void)MC(res_register_fetch_cb, req, one, fetched, NULL);
        MC(get, mc, req);
        CHECK(one == NULL || !MC(res_found, one) || (one->bytes == 5 && strcmp(one->val, "value") == 0));
        CHECK(two == NULL || !MC(res_found, two) || (two->bytes == 5 && strcmp(two->val, "value") == 0));
        MC(get, mc, req);
    }
    MC(req_free, req);
    stats = MC(stats, mc);
    CHECK(stats == NULL || (stats->version != NULL && stats->pid > 0));
    MC(server_stats_free, stats);
    if (!none) {
        stats = MC(server_stats, mc, mc->servers[0]);
        CHECK(stats == NULL || stats->version[0] == '1');
        MC(server_stats_free, stats);
    }
    CHECK(MC(delete, mc, "key", 3, 0) == (none ? -1 : 0) && MC(flush_all, mc) == (none ? -1 : 0));
}

static void texts(void) {
    char *copy = MC(strdup, "text");
    CHECK(copy == NULL || strcmp(copy, "text") == 0);
    ctxt->mcFree(copy);
    copy = MC(strndup, "text", 2);
    CHECK(copy == NULL || strcmp(copy, "te") == 0);
    ctxt->mcFree(copy);
}

/* A buffer keeps its text when it cannot grow. */
static void buffers(void) {
    struct memcache_buf *b = mcm_buf_new2(ctxt, "one two", 7), *two = mcm_buf_new3(ctxt, "two"), *made;
    u_int32_t len;
    int i;
    if (b != NULL) {
        for (i = 0; i < 9; i++) {
            len = mcm_buf_len(ctxt, b);
            CHECK(mcm_buf_append_buf(ctxt, b, b) == 1 ? mcm_buf_len(ctxt, b) == 2 * len : mcm_buf_len(ctxt, b) == len);
        }
        len = mcm_buf_len(ctxt, b);
        CHECK(mcm_buf_append(ctxt, b, "x", 1) == 1 ? mcm_buf_len(ctxt, b) == len + 1 : mcm_buf_len(ctxt, b) == len);
        (void)mcm_buf_append2(ctxt, b, "x");
        (void)mcm_buf_append_char(ctxt, b, 'x');
        CHECK(memcmp(mcm_buf_val(ctxt, b), "one two", 7) == 0);
        made = mcm_buf_copy(ctxt, b);
        CHECK(made == NULL || mcm_buf_cmp_buf(ctxt, made, b));
        mcm_buf_free(ctxt, &made);
        made = mcm_buf_find_replace2(ctxt, b, "one", b);
        CHECK(made == NULL || mcm_buf_len(ctxt, made) > mcm_buf_len(ctxt, b));
        mcm_buf_free(ctxt, &made);
        if (two != NULL) {
            made = mcm_buf_find_replace(ctxt, b, two, two);
            CHECK(made == NULL || mcm_buf_cmp_buf(ctxt, made, b));
            mcm_buf_free(ctxt, &made);
            len = mcm_buf_len(ctxt, two);
            CHECK(mcm_buf_replace_buf(ctxt, two, b) == 1 ? mcm_buf_cmp_buf(ctxt, two, b) : mcm_buf_cmp2(ctxt, two, "two"));
            (void)mcm_buf_replace(ctxt, two, "three", 5);
            (void)mcm_buf_replace2(ctxt, two, "three");
        }
        (void)mcm_buf_compact(ctxt, b);
        len = mcm_buf_len(ctxt, b);
        CHECK(mcm_buf_realloc(ctxt, b, 100000) == 1 ? mcm_buf_size(ctxt, b) >= 100000 : mcm_buf_size(ctxt, b) < 100000);
        CHECK(mcm_buf_resize(ctxt, b, 200000) == 1 ? mcm_buf_len(ctxt, b) == 200000 : mcm_buf_len(ctxt, b) == len);
        CHECK(memcmp(mcm_buf_val(ctxt, b), "one two", 7) == 0 && mcm_buf_to_cstr(ctxt, b) != NULL);
    }
    mcm_buf_free(ctxt, &b);
    mcm_buf_free(ctxt, &two);
    b = mcm_buf_new(ctxt);
    mcm_buf_free(ctxt, &b);
}

static void session(int argc, char **argv) {
    long before = blocks;
    struct memcache *mc = MC0(new);
    if (mc != NULL) {
        servers(mc, argc, argv);
        values(mc);
        MC(free, mc);
    }
    texts();
    buffers();
    CHECK(blocks == before);
}

int main(int argc, char **argv) {
    long n, total, step, last;
    begin();
    CHECK(mcm_err_filter_add(ctxt, MCM_ERR_LVL_NOTICE) == 1);
    CHECK(argc > 2);
    step = atol(argv[1]); /* 1: each n; more: every so many, for the slow tools */
    allocations_fail(0, 0);
    session(argc - 1, argv + 1);
    CHECK(silent());
    total = asked;
    CHECK(step >= 1 && total > 50);
    for (n = 1; n <= total; n += step) {
        allocations_fail(n, n);
        session(argc - 1, argv + 1);
        CHECK(errors_told >= 1); /* it failed, and the handler knows */
        errors_told = 0;
    }
    for (n = 1; n <= total; n += step) {
        allocations_fail(n, 1L << 40);
        session(argc - 1, argv + 1);
        CHECK(errors_told >= 1);
        errors_told = 0;
    }
    last = asked;
    allocations_fail(total + 1, total + 1);
    session(argc - 1, argv + 1);
    CHECK(silent() && last > 0);
    allocations_fail(0, 0);
    return end();
}
