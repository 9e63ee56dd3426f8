/* Out of memory, everywhere: a whole session in which the n-th allocation fails, for n = 1, 2, ... until none
 * does; and one in which every allocation from the n-th on fails. Whatever fails, the calls say so, nothing is
 * freed twice or left behind, and what succeeded is right. The session makes every call that there is, which
 * tests/capi sees to. The arguments: how many allocations to go on by, a pool file, live servers. */
#include <memcache/buffer.h>

#include "kit.h"

/* How many calls said that there was no memory, which their reason tells and no handler. */
static long said;

/* A new call's reason: one of these, or that there was no memory. */
static int is(int reason, int expected) {
    said += reason == MC_REASON_NO_MEMORY;
    if (reason != expected && reason != MC_REASON_NO_MEMORY)
        fprintf(stderr, "%s, not %s\n", MC(reason_name, reason), MC(reason_name, expected));
    return reason == expected || reason == MC_REASON_NO_MEMORY;
}

/* What needs no memory, or is about the context itself. */
static void contexts(void) {
    struct memcache_ctxt *other;
    mcFreeFunc given_free;
    mcMallocFunc given, atomic;
    mcReallocFunc grown;
    mcErrFunc told;
    CHECK(mcMemGet(&given_free, &given, &atomic, &grown) == 0 && mcErrGet(&told) == 0);
    CHECK(mcMemSetup(given_free, given, atomic, grown) == 0 && mcErrSetup(told) == 0);
    CHECK(mcMemSetupCtxt(ctxt, counting_free, counting_malloc, NULL, counting_realloc) == 0);
    CHECK(mcErrSetupCtxt(ctxt, remember) == 0 && mc_global_ctxt() != NULL);
    CHECK(MC(err_filter_add, MCM_ERR_LVL_INFO) == 1 && MC(err_filter_test, MCM_ERR_LVL_INFO) == 1);
    CHECK(MC0(err_filter_get) & MCM_ERR_LVL_INFO && MC(err_filter_del, MCM_ERR_LVL_INFO) == 1);
    errors_told = 0;
    mcm_err(ctxt, ERR_FLAG, "here", 1, MCM_ERR_TEST, "a text", 6, 0);
    MC0(err_test);
    CHECK(errors_told == 2);
    errors_told = 0;
    CHECK(MC0(vernum) == MEMCACHE_VERNUM && MC0(reldate) == MEMCACHE_RELDATE && strcmp(MC0(version), MEMCACHE_VER) == 0);
    other = mcMemNewCtxt(counting_free, counting_malloc, NULL, counting_realloc);
    said += other == NULL; /* nobody has set a handler of its own yet */
    mcMemFreeCtxt(other);
}

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

/* What is asked of the list and of one of its servers. */
static void about_servers(struct memcache *mc) {
    struct memcache_server *ms = mc->servers[0];
    struct mc_where where;
    char text[32];
    CHECK(MC(hash, mc, "key", 3) == (mc->num_servers > 1 ? MC(hash_key, "key", 3) : 1) && MC(server_find, mc, 0) == ms);
    CHECK(MC(server_timeout, ms, 10, 0) == 1 && MC(server_state, mc, ms) == MC_STATE_STEADY);
    CHECK(MC(option_set, mc, "connect_timeout", "9s") == MC_REASON_DONE && MC(reason, mc) == MC_REASON_DONE);
    CHECK(MC(option_get, mc, "connect_timeout", text, sizeof(text)) == 2 && strcmp(text, "9s") == 0);
    CHECK(MC(where, mc, "key", 3, &where) == MC_REASON_DONE && where.home != NULL);
    MC(nodelay_enable, mc, 1);
    MC(server_nodelay_enable, ms, 0);
    CHECK(MC(server_reset_dns, ms) == 0 && MC(server_reset_all_dns, mc) == 0);
    MC(server_disconnect, ms);
    MC(server_disconnect_all, mc);
    MC(server_deactivate, mc, ms);
    CHECK(MC(server_activate, mc, ms) == 0 && MC(server_activate_all, mc) == 0);
}

#define ITEMS 3

static void many(struct memcache *mc) {
    const char *keys[ITEMS] = {"a", "b", "a"};
    char into[ITEMS];
    struct mc_item items[ITEMS];
    size_t i, round, found;
    memset(items, 0, sizeof(items));
    for (i = 0; i < ITEMS; i++) {
        items[i].key = items[i].value = (char *)keys[i];
        items[i].key_len = items[i].bytes = 1;
    }
    CHECK(MC(store_many, mc, items, ITEMS) == ITEMS);
    for (round = 0; round < 2; round++) {
        found = round == 0 ? MC(fetch_many, mc, items, ITEMS) : MC(fetch_values, mc, items, ITEMS);
        for (i = 0; i < ITEMS; i++) {
            CHECK(is(items[i].reason, MC_REASON_HIT) && items[i].bytes == 1);
            CHECK((items[i].value == NULL) == (items[i].reason == MC_REASON_NO_MEMORY));
            CHECK(items[i].value == NULL || strcmp(items[i].value, keys[i]) == 0);
            found -= items[i].value != NULL;
            ctxt->mcFree(items[i].value);
        }
        CHECK(found == 0);
    }
    for (i = 0; i < ITEMS; i++) {
        items[i].value = &into[i];
        items[i].bytes = 1;
    }
    CHECK(MC(fetch_into_many, mc, items, ITEMS) == ITEMS && memcmp(into, "aba", ITEMS) == 0);
    CHECK(MC(remove_many, mc, items, ITEMS) == 2); /* the third was gone with the first */
}

static void new_values(struct memcache *mc) {
    void *value = mc;
    char buf[8];
    size_t bytes = 77;
    u_int64_t cas = 0, number = 0;
    u_int32_t flags = 77;
    CHECK(is(MC(store, mc, "new", 3, "x", 1, 0, 7), MC_REASON_STORED));
    CHECK(is(MC(store_add, mc, "new", 3, "x", 1, 0, 7), MC_REASON_NOT_STORED));
    CHECK(is(MC(store_replace, mc, "new", 3, "1", 1, 0, 7), MC_REASON_STORED));
    CHECK(is(MC(append, mc, "new", 3, "2", 1), MC_REASON_STORED));
    CHECK(is(MC(prepend, mc, "new", 3, "4", 1), MC_REASON_STORED));
    CHECK(is(MC(incr64, mc, "new", 3, 2, &number), MC_REASON_NUMBER) && number == 414);
    CHECK(is(MC(decr64, mc, "new", 3, 1, &number), MC_REASON_NUMBER) && number == 413);
    CHECK(is(MC(fetch, mc, "new", 3, &value, &bytes, &flags, &cas), MC_REASON_HIT));
    CHECK(value == NULL || strcmp(value, "413") == 0); /* what can be told of it is told all the same */
    CHECK(bytes == 3 && flags == 7 && cas != 0 && *MC(reason_text, mc) != '\0');
    ctxt->mcFree(value);
    CHECK(is(MC(cas, mc, "new", 3, "5", 1, 0, 8, cas), MC_REASON_STORED));
    CHECK(is(MC(gat, mc, "new", 3, 100, &value, &bytes, &flags), MC_REASON_HIT) && bytes == 1 && flags == 8);
    ctxt->mcFree(value);
    CHECK(is(MC(fetch_into, mc, "new", 3, buf, sizeof(buf), &bytes, NULL, NULL), MC_REASON_HIT) && *buf == '5');
    CHECK(is(MC(touch, mc, "new", 3, 100), MC_REASON_TOUCHED));
    CHECK(is(MC(remove, mc, "new", 3), MC_REASON_DELETED));
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
    CHECK(MC(incr, mc, "key", 3, 1) == 0 && MC(decr, mc, "key", 3, 1) == 0);
    CHECK(MC(add, mc, "key", 3, "x", 1, 0, 0) == (none ? -1 : 1));
    CHECK(MC(replace, mc, "key", 3, "value", 5, 0, 0) == (none ? -1 : 0));
    if (req != NULL) {
        struct memcache_res *one = MC(req_add, req, "key", 3), *two = MC(req_add_ref, req, "key", 3);
        CHECK(req->num_keys == (one != NULL) + (two != NULL));
        if (one != NULL)
            (void)MC(res_register_fetch_cb, req, one, fetched, NULL);
        MC(get, mc, req);
        CHECK(one == NULL || !MC(res_found, one) || (one->bytes == 5 && strcmp(one->val, "value") == 0));
        CHECK(two == NULL || !MC(res_found, two) || (two->bytes == 5 && strcmp(two->val, "value") == 0));
        MC(get, mc, req);
        if (two != NULL) {
            CHECK(MC(res_attempted, two));
            MC(res_free_on_delete, two, 1);
            MC(res_free, req, two);
        }
    }
    MC(req_free, req);
    stats = MC(stats, mc);
    CHECK(stats == NULL || (stats->version != NULL && stats->pid > 0));
    MC(server_stats_free, stats);
    if (!none) {
        stats = MC(server_stats, mc, mc->servers[0]);
        CHECK(stats == NULL || stats->version[0] == '1');
        MC(server_stats_free, stats);
        new_values(mc);
        many(mc);
        about_servers(mc);
    }
    CHECK(MC(delete, mc, "key", 3, 0) == (none ? -1 : 0) && MC(flush_all, mc) == (none ? -1 : 0));
    CHECK(none || MC(flush, mc, mc->servers[0]) == 0);
}

static void texts(void) {
    char *copy = MC(strdup, "text");
    CHECK(copy == NULL || strcmp(copy, "text") == 0);
    ctxt->mcFree(copy);
    copy = MC(strndup, "text", 2);
    CHECK(copy == NULL || (strcmp(copy, "te") == 0 && MC(strnchr, copy, 'e', 2) == copy + 1));
    CHECK(copy == NULL || mcm_strnstr(ctxt, copy, "e", 2) == copy + 1);
    ctxt->mcFree(copy);
}

/* A pool file's handle. */
static void opened(const char *file) {
    char error[200];
    struct memcache *mc = MC(open, file, error, sizeof(error));
    CHECK(mc != NULL ? *error == '\0' : strstr(error, "no memory") != NULL);
    CHECK(mc == NULL || mc->num_servers == 2);
    MC(free, mc);
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
        len = mcm_buf_len(ctxt, b);
        CHECK(mcm_buf_cmp(ctxt, b, mcm_buf_val(ctxt, b), len) && mcm_buf_end(ctxt, b, "", 0) && mcm_buf_end2(ctxt, b, ""));
        CHECK(mcm_buf_end_buf(ctxt, b, b) && mcm_buf_find_buf(ctxt, b, b) == mcm_buf_val(ctxt, b));
        CHECK(mcm_buf_find(ctxt, b, "two") != NULL && mcm_buf_find2(ctxt, b, "two", 3) != NULL);
        CHECK(mcm_buf_tail(ctxt, b) == mcm_buf_val(ctxt, b) + len);
        CHECK(mcm_buf_remain(ctxt, b) == mcm_buf_size(ctxt, b) - len && mcm_buf_remain_off(ctxt, b) <= mcm_buf_size(ctxt, b));
        CHECK(mcm_buf_to_upper(ctxt, b) != NULL && memcmp(mcm_buf_val(ctxt, b), "ONE", 3) == 0);
        i = errors_told;
        mcm_buf_eat_line(ctxt, b); /* there is none */
        errors_told = i;
        CHECK(mcm_buf_reset(ctxt, b) == 1 && mcm_buf_read(ctxt, b, -1) == 0);
    }
    mcm_buf_free(ctxt, &b);
    mcm_buf_free(ctxt, &two);
    b = mcm_buf_new(ctxt);
    mcm_buf_free(ctxt, &b);
}

static void session(int argc, char **argv, const char *file) {
    long before = blocks;
    struct memcache *mc;
    contexts();
    mc = MC0(new);
    if (mc != NULL) {
        servers(mc, argc, argv);
        values(mc);
        MC(free, mc);
    }
    opened(file);
    texts();
    buffers();
    CHECK(blocks == before);
}

/* The session, while the allocations from one to another fail. Somebody was told so. */
static void without(long first, long last, int argc, char **argv, const char *file) {
    allocations_fail(first, last);
    said = 0;
    session(argc, argv, file);
    CHECK(errors_told + said >= 1);
    errors_told = 0;
}

int main(int argc, char **argv) {
    long n, total, step;
    const char *file = argv[2];
    begin();
    CHECK(mcm_err_filter_add(ctxt, MCM_ERR_LVL_NOTICE) == 1);
    CHECK(argc > 3);
    step = atol(argv[1]); /* 1: each n; more: every so many, for the slow tools */
    argc -= 2, argv += 2;
    allocations_fail(0, 0);
    session(argc, argv, file);
    CHECK(silent() && said == 0);
    total = asked;
    CHECK(step >= 1 && total > 50);
    for (n = 1; n <= total; n += step) {
        without(n, n, argc, argv, file);
        without(n, 1L << 40, argc, argv, file);
    }
    allocations_fail(total + 1, total + 1);
    session(argc, argv, file);
    CHECK(silent());
    allocations_fail(0, 0);
    return end();
}
