/* Every call of the old interface that talks to servers, against the live servers of the arguments. */
#include <errno.h>
#include <memcache.h>

#include "check.h"

static int told; /* callbacks that ran */
static struct memcache_req *request;

static void count(MCM_CALLBACK_FUNC) {
    CHECK(MCM_CALLBACK_CTXT == mc_global_ctxt());
    CHECK(MCM_CALLBACK_RES != NULL);
    *(int *)MCM_CALLBACK_PTR += 1;
}

/* Frees the response that it is told of, and with it the callback behind this one. */
static void free_it(MCM_CALLBACK_FUNC) {
    CHECK(MCM_CALLBACK_CTXT != NULL && MCM_CALLBACK_PTR == NULL);
    told += 1;
    mc_res_free(request, MCM_CALLBACK_RES);
}

static u_int32_t last_code, last_severity;

static int32_t remember(MCM_ERR_FUNC_ARGS) {
    const struct memcache_ctxt *ctxt;
    struct memcache_err_ctxt *ectxt;
    MCM_ERR_INIT_CTXT(ctxt, ectxt);
    CHECK(ctxt == mc_global_ctxt());
    CHECK(ectxt->cont == 'y');
    CHECK(ectxt->errmsg == NULL || strlen(ectxt->errmsg) == ectxt->errlen);
    last_code = ectxt->errcode;
    last_severity = (u_int32_t)ectxt->severity;
    return 0;
}

static int raised(u_int32_t code, u_int32_t severity) {
    int so = last_code == code && last_severity == severity;
    last_code = last_severity = 0;
    return so;
}

static void values(struct memcache *mc) {
    size_t len = 77;
    char *value;

    CHECK(mc_set(mc, "key", 3, "value", 5, 0, 7) == 0);
    value = mc_aget2(mc, "key", 3, &len);
    CHECK(value != NULL && len == 5 && strcmp(value, "value") == 0);
    free(value);
    value = mc_aget(mc, "key", 3);
    CHECK(value != NULL && strcmp(value, "value") == 0);
    free(value);

    CHECK(mc_aget2(mc, "none", 4, &len) == NULL && len == 0);
    CHECK(mc_aget2(mc, "none", 4, NULL) == NULL);
    CHECK(mc_set(mc, "empty", 5, NULL, 0, 0, 0) == 0);
    len = 77;
    value = mc_aget2(mc, "empty", 5, &len);
    CHECK(value != NULL && len == 0 && value[0] == '\0');
    free(value);

    CHECK(mc_add(mc, "key", 3, "x", 1, 0, 0) == 1);
    CHECK(raised(MCM_ERR_MC_STORE, MCM_ERR_LVL_NOTICE));
    CHECK(mc_add(mc, "new", 3, "x", 1, 0, 0) == 0);
    CHECK(mc_replace(mc, "new", 3, "y", 1, 0, 0) == 0);
    CHECK(mc_replace(mc, "none", 4, "y", 1, 0, 0) == 1);
    CHECK(mc_delete(mc, "new", 3, 30) == 0);
    CHECK(mc_delete(mc, "new", 3, 0) == 1);
}

static void counters(struct memcache *mc) {
    struct memcache_ctxt *ctxt = mc_global_ctxt();

    CHECK(mc_set(mc, "n", 1, "40", 2, 0, 0) == 0);
    CHECK(mc_incr(mc, "n", 1, 2) == 42 && ctxt->errnum == 0);
    CHECK(mc_decr(mc, "n", 1, 2) == 40);
    CHECK(mc_decr(mc, "n", 1, 100) == 0 && ctxt->errnum == 0);
    last_code = 0;
    CHECK(mc_incr(mc, "none", 4, 1) == 0 && ctxt->errnum == ENOENT && last_code == 0);
    CHECK(mc_incr(mc, "key", 3, 1) == 0 && ctxt->errnum == EINVAL);
    CHECK(raised(MCM_ERR_MC_STORE, MCM_ERR_LVL_NOTICE));
}

static void bad_keys(struct memcache *mc) {
    char longest[252];
    memset(longest, 'k', sizeof(longest));

    CHECK(mc_set(mc, "a b", 3, "x", 1, 0, 0) == 2);
    CHECK(raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
    CHECK(mc_set(mc, longest, 251, "x", 1, 0, 0) == 251);
    CHECK(mc_set(mc, longest, 250, "x", 1, 0, 0) == 0);
    CHECK(mc_set(mc, "", 0, "x", 1, 0, 0) != 0);
    CHECK(mc_aget(mc, "a\nb", 3) == NULL);
    CHECK(mc_delete(mc, "a\r\nb", 4, 0) == 2);
    CHECK(mc_incr(mc, "a b", 3, 1) == 0);
    last_code = 0;
    CHECK(mc_delete(mc, longest, 250, 0) == 0); /* the connection is in step */
}

static void requests(struct memcache *mc) {
    char small[4] = "zzz", name[16];
    struct memcache_res *res, *twice, *place, *none, *bad;
    int i, n = 0, calls = 0;

    for (i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "many%d", i);
        CHECK(mc_set(mc, name, strlen(name), name, strlen(name), 0, (u_int16_t)i) == 0);
    }
    request = mc_req_new();
    CHECK(request != NULL && request->num_keys == 0);
    for (i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "many%d", i);
        CHECK(mc_req_add(request, name, strlen(name)) != NULL);
    }
    twice = mc_req_add_ref(request, "key", 3);
    res = mc_req_add(request, "key", 3);
    place = mc_req_add(request, "key", 3);
    place->val = small;
    place->size = 2;
    none = mc_req_add(request, "none", 4);
    bad = mc_req_add(request, "no good", 7);
    CHECK(request->num_keys == 105);
    CHECK(!mc_res_attempted(res) && !mc_res_found(res));
    CHECK(mc_res_register_fetch_cb(request, none, count, &calls) == 0);
    CHECK(mc_res_register_fetch_cb(request, res, count, &calls) == 0);

    for (i = 1; i <= 2; i++) { /* a request is fetched again and again */
        mc_get(mc, request);
        CHECK(calls == 2 * i);
        CHECK(mc_res_attempted(res) && mc_res_found(res) && mc_res_found(twice));
        CHECK(res->bytes == 5 && res->size == 5 && res->flags == 7 && strcmp(res->val, "value") == 0);
        CHECK(twice->bytes == 5 && twice->val != res->val);
        CHECK(place->val == small && place->size == 2 && place->bytes == 5);
        CHECK(memcmp(small, "vaz", 3) == 0);
        CHECK(mc_res_attempted(none) && !mc_res_found(none) && none->val == NULL);
        CHECK(mc_res_attempted(bad) && !mc_res_found(bad));
        n = 0;
        TAILQ_FOREACH(res, &request->query, entries) {
            if (strncmp(res->key, "many", 4) != 0)
                continue;
            CHECK(res->bytes == res->len && memcmp(res->val, res->key, res->len) == 0 && res->flags == n);
            n++;
        }
        CHECK(n == 100);
        res = twice;
        while (res->len != 3 || res == twice)
            res = TAILQ_NEXT(res, entries);
    }

    { /* a value is taken over by the program */
        char *mine = res->val;
        mc_res_free_on_delete(res, 0);
        CHECK(mc_res_register_fetch_cb(request, twice, free_it, NULL) == 0);
        CHECK(mc_res_register_fetch_cb(request, twice, free_it, NULL) == 0);
        mc_req_free(request);
        CHECK(told == 0);
        CHECK(strcmp(mine, "value") == 0);
        free(mine);
    }

    request = mc_req_new();
    res = mc_req_add(request, "key", 3);
    CHECK(mc_res_register_fetch_cb(request, res, free_it, NULL) == 0);
    CHECK(mc_res_register_fetch_cb(request, res, free_it, NULL) == 0);
    mc_get(mc, request);
    CHECK(told == 1 && request->num_keys == 0 && TAILQ_FIRST(&request->query) == NULL);
    mc_get(mc, request);
    mc_req_free(request);
}

static void servers(struct memcache *mc, int count_of_servers) {
    struct memcache_server_stats *one, *all;
    struct memcache_server *ms;
    u_int64_t sets = 0;
    int n = 0, i;

    CHECK(mc->num_servers == (u_int32_t)count_of_servers && mc->servers[count_of_servers] == NULL);
    TAILQ_FOREACH(ms, &mc->server_list, entries) {
        CHECK(ms == mc->servers[n++]);
        CHECK(ms->active == 'u' && ms->fd >= 0 && ms->num_addrs >= 1 && ms->hostinfo != NULL);
        one = mc_server_stats(mc, ms);
        CHECK(one != NULL && one->pid > 0 && one->version[0] != '\0' && one->time > 0);
        sets += one->cmd_set;
        mc_server_stats_free(one);
    }
    CHECK(n == count_of_servers);
    all = mc_stats(mc);
    CHECK(all != NULL && all->cmd_set == sets && all->limit_maxbytes > 0 && all->curr_items > 0);
    mc_server_stats_free(all);
    CHECK(mc_server_find(mc, 0) == mc->servers[0] && mc_server_find(mc, 1) == mc->servers[1 % n]);

    mc_server_disconnect(mc->servers[0]);
    CHECK(mc->servers[0]->fd == -1);
    mc_server_disconnect_all(mc);
    CHECK(mc_set(mc, "key", 3, "value", 5, 0, 7) == 0);

    CHECK(mc_server_activate(mc, mc->servers[0]) == -3);
    mc_server_deactivate(mc, mc->servers[0]);
    CHECK(mc->servers[0]->active == 'd');
    CHECK(mc_set(mc, "key", 3, "newer", 5, 0, 7) == (count_of_servers == 1 ? -1 : 0));
    CHECK(mc->servers[0]->active == 'd');
    CHECK(mc_server_activate(mc, mc->servers[0]) == 0);
    CHECK(mc_set(mc, "key", 3, "value", 5, 0, 7) == 0);
    /* The calls bring it back; it may be late, and is emptied, but never holds what is old. */
    for (i = 0; i < 1000000 && mc->servers[0]->active != 'u'; i++) {
        char *read = mc_aget(mc, "key", 3);
        CHECK(read == NULL || strcmp(read, "value") == 0);
        free(read);
    }
    CHECK(mc->servers[0]->active == 'u');

    CHECK(mc_flush(mc, mc->servers[0]) == 0);
    CHECK(mc_flush_all(mc) == 0);
    CHECK(mc_aget(mc, "key", 3) == NULL);
}

int main(int argc, char **argv) {
    struct memcache *mc = mc_new();
    int i;

    CHECK(mc != NULL && mc->num_servers == 0);
    CHECK(mcErrSetup(remember) == 0);
    CHECK(mc_err_filter_del(MCM_ERR_LVL_INFO | MCM_ERR_LVL_NOTICE) == 1);
    CHECK(mc_set(mc, "key", 3, "x", 1, 0, 0) == -1);
    CHECK(raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE));

    mc_timeout(mc, 5, 0); /* valgrind is slow */
    for (i = 1; i < argc; i++)
        CHECK(mc_server_add4(mc, argv[i]) == 0);
    values(mc);
    counters(mc);
    bad_keys(mc);
    requests(mc);
    servers(mc, argc - 1);
    mc_free(mc);
    return 0;
}
