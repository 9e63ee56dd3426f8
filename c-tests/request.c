/* Requests: their responses, who owns what, callbacks, and fetching again and again. The arguments are live
 * servers. */
#include "kit.h"

static struct memcache_req *request;
static int told;

static void count(MCM_CALLBACK_FUNC) {
    CHECK(MCM_CALLBACK_CTXT == ctxt && mcm_res_attempted(ctxt, MCM_CALLBACK_RES) == 1);
    *(int *)MCM_CALLBACK_PTR += 1;
}

/* Frees the response that it is told of, and with it the callback behind this one. */
static void free_it(MCM_CALLBACK_FUNC) {
    CHECK(MCM_CALLBACK_CTXT == ctxt && MCM_CALLBACK_PTR == NULL);
    told += 1;
    MC(res_free, request, MCM_CALLBACK_RES);
}

static char order[8];

static void note(MCM_CALLBACK_FUNC) {
    CHECK(MCM_CALLBACK_CTXT == ctxt && MCM_CALLBACK_RES != NULL);
    strncat(order, MCM_CALLBACK_PTR, 1);
}

static void building(void) {
    struct memcache_res *res, *ref;
    char key[4] = "key";
    static char no_keys[1];
    request = MC0(req_new);
    CHECK(request != NULL && request->misc == NULL && request->num_keys == 0 && TAILQ_FIRST(&request->query) == NULL);
    res = MC(req_add, request, key, 3);
    ref = MC(req_add_ref, request, key, 3);
    CHECK(request->num_keys == 2 && TAILQ_FIRST(&request->query) == res && TAILQ_NEXT(res, entries) == ref);
    CHECK(res->key != key && memcmp(res->key, "key", 4) == 0 && res->len == 3 && (res->_flags & MCM_RES_NEED_FREE_KEY));
    CHECK(ref->key == key && ref->len == 3 && !(ref->_flags & MCM_RES_NEED_FREE_KEY));
    CHECK(res->hash == MC(hash_key, "key", 3) && res->misc == NULL && res->val == NULL && res->size == 0 && res->bytes == 0);
    CHECK(MC(res_attempted, res) == 0 && MC(res_found, res) == 0);
    CHECK(MC(req_add, request, NULL, 3) == NULL && MC(req_add_ref, request, NULL, 3) == NULL);
    CHECK(MC(req_add, NULL, "k", 1) == NULL && MC(req_add_ref, NULL, "k", 1) == NULL);
    CHECK(mcm_req_new(NULL) == NULL && mcm_req_add(NULL, request, "k", 1) == NULL && mcm_req_add_ref(NULL, request, "k", 1) == NULL);
    CHECK(MC(req_add, request, no_keys, 0) != NULL); /* fails when it is fetched, as any bad key */

    CHECK(MC(res_register_fetch_cb, NULL, res, count, NULL) == -1 && MC(res_register_fetch_cb, request, NULL, count, NULL) == -1);
    CHECK(MC(res_register_fetch_cb, request, res, NULL, NULL) == -1 && mcm_res_register_fetch_cb(NULL, request, res, count, NULL) == -1);
    CHECK(MC(res_register_fetch_cb, request, res, count, &told) == 0);
    CHECK(TAILQ_FIRST(&request->cb)->res == res && TAILQ_FIRST(&request->cb)->req == request && TAILQ_FIRST(&request->cb)->cb == count);
    CHECK(TAILQ_FIRST(&request->cb)->misc == &told && TAILQ_FIRST(&request->cb)->ctxt == ctxt);
    CHECK(MC(res_attempted, NULL) == 0 && MC(res_found, NULL) == 0);
    MC(res_free_on_delete, NULL, 1);
    MC(res_free, NULL, res);
    MC(res_free, request, NULL);
    mcm_res_free(NULL, request, res);
    mcm_req_free(NULL, request);
    CHECK(request->num_keys == 3);
    MC(res_free, request, res);
    CHECK(request->num_keys == 2 && TAILQ_FIRST(&request->query) == ref && TAILQ_FIRST(&request->cb) == NULL);
    MC(req_free, request);
    MC(req_free, NULL);
    CHECK(silent());

    request = MC0(req_new);
    allocations_fail(1, 1);
    CHECK(MC(req_add, request, "key", 3) == NULL && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR));
    allocations_fail(2, 2);
    CHECK(MC(req_add, request, "key", 3) == NULL && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR));
    allocations_fail(1, 1);
    CHECK(MC(req_add_ref, request, "key", 3) == NULL && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR) && request->num_keys == 0);
    res = MC(req_add, request, "key", 3);
    allocations_fail(1, 1);
    CHECK(MC(res_register_fetch_cb, request, res, count, NULL) == -1 && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR));
    answer_retcode = 12;
    allocations_fail(1, 1);
    CHECK(MC(res_register_fetch_cb, request, res, count, NULL) == 12 && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR));
    answer_retcode = 0;
    MC(req_free, request);
    allocations_fail(1, 1);
    CHECK(MC0(req_new) == NULL && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR));
}

/* As many keys as its count can say, and not one more. */
static void full(void) {
    long i;
    request = MC0(req_new);
    for (i = 0; i < 65535; i++)
        if (MC(req_add_ref, request, "key", 3) == NULL)
            break;
    CHECK(i == 65535 && request->num_keys == 65535 && MC(req_add, request, "key", 3) == NULL);
    MC(req_free, request);
}

static void fetching(struct memcache *mc) {
    char small[4] = "zzz", wide[16] = "zzzzzzzzzzzzzzz", name[16];
    struct memcache_res *res, *twice, *again, *place, *room, *none, *bad;
    int i, n, calls = 0, callbacks_of_again = 0;

    CHECK(MC(set, mc, "key", 3, "value", 5, 0, 7) == 0 && put(mc, "empty", "") == 0);
    for (i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "many%d", i);
        CHECK(MC(set, mc, name, strlen(name), name, strlen(name), 0, (u_int16_t)(i * 655)) == 0);
    }
    request = MC0(req_new);
    for (i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "many%d", i);
        CHECK(MC(req_add, request, name, strlen(name)) != NULL);
    }
    twice = MC(req_add_ref, request, "key", 3);
    again = MC(req_add, request, "key", 3);
    place = MC(req_add, request, "key", 3);
    place->val = small;
    place->size = 2;
    room = MC(req_add, request, "key", 3);
    room->val = wide;
    room->size = sizeof(wide);
    none = MC(req_add, request, "none", 4);
    bad = MC(req_add, request, "no good", 7);
    CHECK(MC(res_register_fetch_cb, request, none, count, &calls) == 0);
    CHECK(MC(res_register_fetch_cb, request, bad, count, &calls) == 0);
    CHECK(MC(res_register_fetch_cb, request, again, count, &callbacks_of_again) == 0);

    for (i = 1; i <= 3; i++) { /* a request is fetched again and again */
        MC(get, mc, request);
        CHECK(raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR)); /* the bad key, and nothing else */
        CHECK(calls == 2 * i && callbacks_of_again == i);
        CHECK(MC(res_attempted, again) && MC(res_found, again) && MC(res_found, twice));
        CHECK(again->bytes == 5 && again->size == 5 && again->flags == 7 && strcmp(again->val, "value") == 0);
        CHECK((again->_flags & MCM_RES_FOUND) && (again->_flags & MCM_RES_ATTEMPTED) && (again->_flags & MCM_RES_FREE_ON_DELETE));
        CHECK(twice->bytes == 5 && twice->val != again->val);
        /* The program's own memory: never more than it has, no NUL, the full length. */
        CHECK(place->val == small && place->size == 2 && place->bytes == 5 && memcmp(small, "vaz", 4) == 0);
        CHECK(room->val == wide && room->size == sizeof(wide) && room->bytes == 5 && memcmp(wide, "valuezz", 7) == 0);
        CHECK(MC(res_attempted, none) && !MC(res_found, none) && none->val == NULL && none->bytes == 0 && none->size == 0);
        CHECK(MC(res_attempted, bad) && !MC(res_found, bad) && bad->val == NULL);
        n = 0;
        TAILQ_FOREACH(res, &request->query, entries) {
            if (strncmp(res->key, "many", 4) != 0)
                continue;
            CHECK(res->bytes == res->len && memcmp(res->val, res->key, res->len) == 0 && res->flags == n * 655);
            n++;
        }
        CHECK(n == 100);
        memcpy(small, "zzz", 4);
        memset(wide, 'z', sizeof(wide));
    }

    /* What was found before is not shown when it is gone. */
    CHECK(MC(delete, mc, "key", 3, 0) == 0);
    MC(get, mc, request);
    CHECK(raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
    CHECK(!MC(res_found, again) && again->val == NULL && again->bytes == 0 && again->size == 0 && again->flags == 0);
    CHECK(!MC(res_found, place) && place->val == small && place->size == 2 && place->bytes == 0 && small[0] == 'z');
    MC(req_free, request);
}

/* One key, an empty value, and a request that is empty. */
static void small_ones(struct memcache *mc) {
    struct memcache_res *res;
    int i;
    CHECK(MC(set, mc, "key", 3, "value", 5, 0, 65535) == 0);
    request = MC0(req_new);
    MC(get, mc, request); /* nothing to do */
    res = MC(req_add, request, "key", 3);
    for (i = 0; i < 3; i++) {
        MC(get, mc, request);
        CHECK(MC(res_found, res) && strcmp(res->val, "value") == 0 && res->flags == 65535);
    }
    MC(res_free, request, res);
    res = MC(req_add, request, "empty", 5);
    MC(get, mc, request);
    CHECK(MC(res_found, res) && res->val != NULL && res->bytes == 0 && res->size == 0 && ((char *)res->val)[0] == '\0');
    MC(get, mc, request);
    CHECK(MC(res_found, res) && res->val != NULL);
    MC(get, mc, NULL);
    MC(get, NULL, request);
    mcm_get(NULL, mc, request);
    CHECK(silent());
    MC(req_free, request);
}

/* Who frees a value. */
static void ownership(struct memcache *mc) {
    struct memcache_res *res;
    char own[8] = "", *mine, *first;

    request = MC0(req_new); /* taken over by the program, fetch after fetch */
    res = MC(req_add, request, "key", 3);
    MC(get, mc, request);
    first = res->val;
    MC(res_free_on_delete, res, 0);
    CHECK((res->_flags & MCM_RES_NO_FREE_ON_DELETE) && !(res->_flags & MCM_RES_FREE_ON_DELETE));
    MC(get, mc, request);
    mine = res->val;
    MC(req_free, request);
    CHECK(strcmp(first, "value") == 0 && strcmp(mine, "value") == 0);
    ctxt->mcFree(first);
    ctxt->mcFree(mine);

    request = MC0(req_new); /* given back */
    res = MC(req_add, request, "key", 3);
    MC(res_free_on_delete, res, 0);
    MC(get, mc, request);
    MC(res_free_on_delete, res, 1);
    MC(req_free, request);

    request = MC0(req_new); /* the program's own memory, freed with the response because it says so */
    res = MC(req_add, request, "key", 3);
    res->val = ctxt->mcMalloc(16);
    res->size = 16;
    MC(res_free_on_delete, res, 1);
    MC(get, mc, request);
    CHECK(MC(res_found, res) && res->size == 16 && memcmp(res->val, "value", 5) == 0);
    MC(req_free, request);

    request = MC0(req_new); /* the library's value is freed by the program, which then has a place of its own */
    res = MC(req_add, request, "key", 3);
    MC(get, mc, request);
    ctxt->mcFree(res->val);
    res->val = own;
    res->size = sizeof(own);
    MC(get, mc, request);
    CHECK(MC(res_found, res) && res->val == own && memcmp(own, "value", 5) == 0);
    MC(req_free, request);

    request = MC0(req_new); /* the same, and the place may lie where the value lay */
    res = MC(req_add, request, "key", 3);
    MC(get, mc, request);
    ctxt->mcFree(res->val);
    mine = ctxt->mcMalloc(8);
    res->val = mine;
    res->size = 8;
    MC(get, mc, request);
    CHECK(MC(res_found, res) && res->val == mine && res->size == 8 && memcmp(mine, "value", 5) == 0);
    MC(req_free, request);
    ctxt->mcFree(mine);
    CHECK(silent());
}

static void callbacks(struct memcache *mc) {
    struct memcache_res *res, *other;
    char a = 'a', b = 'b', c = 'c';
    request = MC0(req_new);
    res = MC(req_add, request, "key", 3);
    other = MC(req_add, request, "none", 4);
    CHECK(MC(res_register_fetch_cb, request, other, note, &a) == 0 && MC(res_register_fetch_cb, request, res, note, &b) == 0);
    CHECK(MC(res_register_fetch_cb, request, res, note, &c) == 0);
    MC(get, mc, request);
    CHECK(strcmp(order, "abc") == 0); /* in their order, found or not */
    MC(res_free, request, res);
    MC(get, mc, request);
    CHECK(strcmp(order, "abca") == 0); /* those of a freed response are gone */
    MC(req_free, request);

    request = MC0(req_new);
    res = MC(req_add, request, "key", 3);
    CHECK(MC(res_register_fetch_cb, request, res, free_it, NULL) == 0);
    CHECK(MC(res_register_fetch_cb, request, res, free_it, NULL) == 0);
    told = 0;
    MC(get, mc, request);
    CHECK(told == 1 && request->num_keys == 0 && TAILQ_FIRST(&request->query) == NULL);
    MC(get, mc, request);
    MC(req_free, request);
    CHECK(told == 1 && silent());
}

static void failing(struct memcache *mc) {
    struct memcache_res *res;
    int calls = 0;
    request = MC0(req_new);
    res = MC(req_add, request, "key", 3);
    CHECK(MC(res_register_fetch_cb, request, res, count, &calls) == 0);
    allocations_fail(1, 1);
    MC(get, mc, request);
    CHECK(raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR) && calls == 1);
    CHECK(MC(res_attempted, res) && !MC(res_found, res) && res->val == NULL && res->bytes == 0);
    MC(get, mc, request);
    CHECK(MC(res_found, res) && calls == 2);
    MC(req_free, request);
}

static void nobody_to_ask(struct memcache *mc) {
    struct memcache_res *res, *other;
    int calls = 0;
    request = MC0(req_new);
    res = MC(req_add, request, "key", 3);
    other = MC(req_add, request, "other", 5);
    CHECK(MC(res_register_fetch_cb, request, res, count, &calls) == 0);
    MC(get, mc, request);
    CHECK(raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE)); /* once, not once a key */
    CHECK(MC(res_attempted, res) && !MC(res_found, res) && MC(res_attempted, other) && !MC(res_found, other) && calls == 1);
    MC(req_free, request);
}

int main(int argc, char **argv) {
    struct memcache *mc;
    begin();
    mc = open_servers(argc, argv);
    building();
    full();
    fetching(mc);
    small_ones(mc);
    ownership(mc);
    callbacks(mc);
    failing(mc);
    MC(free, mc);
    mc = MC0(new);
    nobody_to_ask(mc);
    CHECK(MC(server_add, mc, "127.0.0.1", "1") == 0);
    nobody_to_ask(mc);
    MC(free, mc);
    return end();
}
