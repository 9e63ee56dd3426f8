/* Every new call on live servers: what it answers, and every way not to be carried out. The first
 * argument is the backups option; the others are the servers. */
#include "new_calls.h"

static char *fetched(struct memcache *mc, const char *key, size_t len, size_t *bytes, u_int32_t *flags) {
    void *value = mc;
    REASON(mc, mc_fetch(mc, key, len, &value, bytes, flags, NULL), MC_REASON_HIT);
    CHECK(value != NULL && ((char *)value)[*bytes] == '\0');
    return value;
}

static void is(struct memcache *mc, const char *key, size_t len, const char *expected) {
    size_t bytes;
    char *value = fetched(mc, key, len, &bytes, NULL);
    CHECK(bytes == strlen(expected) && memcmp(value, expected, bytes) == 0);
    free(value);
}

/* All of it for one key, plain or not. */
static void life(struct memcache *mc, const char *key, size_t len) {
    size_t bytes = 7;
    u_int32_t flags = 7;
    u_int64_t cas = 7, other, number = 7;
    void *value = mc;
    char buf[8];

    mc_remove(mc, key, len);
    REASON(mc, mc_fetch(mc, key, len, &value, &bytes, &flags, &cas), MC_REASON_MISS);
    CHECK(value == NULL && bytes == 0 && flags == 0 && cas == 0);
    REASON(mc, mc_remove(mc, key, len), MC_REASON_NOT_FOUND);
    REASON(mc, mc_touch(mc, key, len, 100), MC_REASON_NOT_FOUND);
    REASON(mc, mc_gat(mc, key, len, 100, &value, &bytes, &flags), MC_REASON_MISS);
    REASON(mc, mc_incr64(mc, key, len, 1, &number), MC_REASON_NOT_FOUND);
    CHECK(number == 0);
    REASON(mc, mc_append(mc, key, len, "x", 1), MC_REASON_NOT_STORED);
    REASON(mc, mc_prepend(mc, key, len, "x", 1), MC_REASON_NOT_STORED);
    REASON(mc, mc_store_replace(mc, key, len, "x", 1, 0, 0), MC_REASON_NOT_STORED);

    REASON(mc, mc_store_add(mc, key, len, "bc", 2, 0, 0xfedcba98u), MC_REASON_STORED);
    REASON(mc, mc_store_add(mc, key, len, "x", 1, 0, 0), MC_REASON_NOT_STORED);
    REASON(mc, mc_append(mc, key, len, "d", 1), MC_REASON_STORED);
    REASON(mc, mc_prepend(mc, key, len, "a", 1), MC_REASON_STORED);
    value = fetched(mc, key, len, &bytes, &flags);
    CHECK(bytes == 4 && strcmp(value, "abcd") == 0 && flags == 0xfedcba98u);
    free(value);
    REASON(mc, mc_fetch(mc, key, len, NULL, NULL, NULL, NULL), MC_REASON_HIT);

    memset(buf, '#', sizeof(buf));
    REASON(mc, mc_fetch_into(mc, key, len, buf, 3, &bytes, &flags, &cas), MC_REASON_HIT);
    CHECK(memcmp(buf, "abc#", 4) == 0 && bytes == 4 && flags == 0xfedcba98u && cas != 0);
    REASON(mc, mc_fetch_into(mc, key, len, buf, 8, NULL, NULL, NULL), MC_REASON_HIT);
    CHECK(memcmp(buf, "abcd#", 5) == 0);
    REASON(mc, mc_fetch_into(mc, key, len, NULL, 0, &bytes, NULL, NULL), MC_REASON_HIT);
    CHECK(bytes == 4);

    REASON(mc, mc_cas(mc, key, len, "new", 3, 0, 5, cas), MC_REASON_STORED);
    REASON(mc, mc_cas(mc, key, len, "newer", 5, 0, 5, cas), MC_REASON_EXISTS);
    is(mc, key, len, "new");
    REASON(mc, mc_fetch(mc, key, len, NULL, NULL, NULL, &other), MC_REASON_HIT);
    CHECK(other != cas);
    REASON(mc, mc_store_replace(mc, key, len, "old", 3, 0, 0), MC_REASON_STORED);
    REASON(mc, mc_touch(mc, key, len, 1000), MC_REASON_TOUCHED);
    REASON(mc, mc_gat(mc, key, len, 100, &value, &bytes, &flags), MC_REASON_HIT);
    CHECK(bytes == 3 && strcmp(value, "old") == 0 && flags == 0);
    free(value);
    REASON(mc, mc_gat(mc, key, len, 100, NULL, NULL, NULL), MC_REASON_HIT);
    REASON(mc, mc_incr64(mc, key, len, 1, &number), MC_REASON_REFUSED);
    SAYS(mc, "non-numeric");
    SAYS(mc, "127.0.0.1:");
    REASON(mc, mc_remove(mc, key, len), MC_REASON_DELETED);
    REASON(mc, mc_cas(mc, key, len, "x", 1, 0, 0, other), MC_REASON_NOT_FOUND);
    REASON(mc, mc_store(mc, key, len, NULL, 0, 0, 0), MC_REASON_STORED);
    is(mc, key, len, "");
    REASON(mc, mc_touch(mc, key, len, -1), MC_REASON_TOUCHED);
    REASON(mc, mc_fetch(mc, key, len, &value, NULL, NULL, NULL), MC_REASON_MISS);
}

static void counters(struct memcache *mc, const char *key, size_t len) {
    const u_int64_t all = (u_int64_t)-1, four = (u_int64_t)1 << 32;
    u_int64_t number = 7;

    REASON(mc, mc_store(mc, key, len, "4294967295", 10, 0, 0), MC_REASON_STORED);
    REASON(mc, mc_incr64(mc, key, len, 1, &number), MC_REASON_NUMBER);
    CHECK(number == four);
    REASON(mc, mc_decr64(mc, key, len, 1, &number), MC_REASON_NUMBER);
    CHECK(number == four - 1);
    REASON(mc, mc_incr64(mc, key, len, four * 16, NULL), MC_REASON_NUMBER);
    REASON(mc, mc_store(mc, key, len, "18446744073709551614", 20, 0, 0), MC_REASON_STORED);
    REASON(mc, mc_incr64(mc, key, len, 1, &number), MC_REASON_NUMBER);
    CHECK(number == all);
    REASON(mc, mc_incr64(mc, key, len, 2, &number), MC_REASON_NUMBER);
    CHECK(number == 1); /* it wraps around */
    REASON(mc, mc_incr64(mc, key, len, all, &number), MC_REASON_NUMBER);
    CHECK(number == 0);
    REASON(mc, mc_store(mc, key, len, "5", 1, 0, 0), MC_REASON_STORED);
    REASON(mc, mc_decr64(mc, key, len, all, &number), MC_REASON_NUMBER);
    CHECK(number == 0); /* it stops there */
    REASON(mc, mc_incr64(mc, key, len, 3, &number), MC_REASON_NUMBER);
    CHECK(number == 3);
}

#define MANY 2500 /* more than are under way at once */

static void many(struct memcache *mc) {
    static char keys[MANY][16], into[MANY][16];
    static struct mc_item items[MANY];
    u_int64_t token = 0;
    size_t i;

    memset(items, 0, sizeof(items));
    for (i = 0; i < MANY; i++) {
        /* Every tenth is no plain key. */
        snprintf(keys[i], sizeof(keys[i]), i % 10 == 0 ? "many %lu" : "many-%lu", (unsigned long)i);
        items[i].key = keys[i];
        items[i].key_len = strlen(keys[i]);
        items[i].value = keys[i];
        items[i].bytes = strlen(keys[i]);
        items[i].flags = (u_int32_t)i << 16;
    }
    CHECK(mc_store_many(mc, items, MANY) == MANY && mc_reason(mc) == MC_REASON_DONE);
    CHECK(items[0].reason == MC_REASON_STORED && items[MANY - 1].reason == MC_REASON_STORED);
    items[7].key_len = 0;
    items[11].key = "nobody";
    items[11].key_len = 6;
    CHECK(mc_fetch_many(mc, items, MANY) == MANY - 2);
    CHECK(mc_reason(mc) == MC_REASON_BAD_KEY);
    for (i = 0; i < MANY; i++) {
        if (i == 7 || i == 11) {
            CHECK(items[i].reason == (i == 7 ? MC_REASON_BAD_KEY : MC_REASON_MISS));
            CHECK(items[i].value == NULL && items[i].bytes == 0 && items[i].cas == 0);
        } else {
            CHECK(items[i].reason == MC_REASON_HIT && items[i].flags == (u_int32_t)i << 16);
            CHECK(items[i].cas != 0 && items[i].bytes == strlen(keys[i]));
            token = i == 3 ? items[i].cas : token;
            CHECK(strcmp(items[i].value, keys[i]) == 0);
            free(items[i].value);
        }
    }
    /* The same without tokens. */
    CHECK(mc_fetch_values(mc, items, MANY) == MANY - 2 && mc_reason(mc) == MC_REASON_BAD_KEY);
    for (i = 0; i < MANY; i++) {
        CHECK(items[i].cas == 0);
        CHECK(items[i].reason == (i == 7 ? MC_REASON_BAD_KEY : i == 11 ? MC_REASON_MISS : MC_REASON_HIT));
        CHECK(i == 7 || i == 11 || (items[i].flags == (u_int32_t)i << 16 && strcmp(items[i].value, keys[i]) == 0));
        free(items[i].value);
    }
    /* The same into memory of our own: too little of it for the fourth, none for the fifth. */
    for (i = 0; i < MANY; i++) {
        items[i].value = into[i];
        items[i].bytes = i == 3 ? 2 : sizeof(into[i]);
        memset(into[i], '#', sizeof(into[i]));
    }
    items[4].value = NULL;
    items[5].value = NULL;
    items[5].bytes = 0;
    CHECK(mc_fetch_into_many(mc, items, MANY) == MANY - 3 && mc_reason(mc) == MC_REASON_BAD_VALUE);
    CHECK(items[4].reason == MC_REASON_BAD_VALUE && items[4].bytes == 0 && items[4].value == NULL);
    for (i = 0; i < MANY; i++) {
        size_t full = i == 4 || i == 7 || i == 11 ? 0 : strlen(keys[i]);
        size_t fits = i == 3 ? 2 : i == 5 ? 0 : full;
        CHECK(items[i].bytes == full && items[i].cas == 0);
        CHECK((items[i].reason == MC_REASON_HIT) == (full > 0));
        CHECK(i == 4 || i == 5 || items[i].value == into[i]);
        CHECK(memcmp(into[i], keys[i], fits) == 0 && into[i][fits] == '#');
    }
    REASON(mc, mc_cas(mc, keys[3], strlen(keys[3]), "x", 1, 0, 0, token), MC_REASON_STORED);
    items[7].key_len = strlen(keys[7]);
    CHECK(mc_remove_many(mc, items, MANY) == MANY - 1 && mc_reason(mc) == MC_REASON_DONE);
    CHECK(items[11].reason == MC_REASON_NOT_FOUND && items[0].reason == MC_REASON_DELETED);

    /* Equal keys: in order, and each gets its own value. */
    for (i = 0; i < 100; i++) {
        items[i].key = "same";
        items[i].key_len = 4;
        items[i].value = keys[i];
        items[i].bytes = strlen(keys[i]);
    }
    CHECK(mc_store_many(mc, items, 100) == 100);
    CHECK(mc_fetch_many(mc, items, 100) == 100);
    for (i = 0; i < 100; i++) {
        CHECK(strcmp(items[i].value, keys[99]) == 0);
        free(items[i].value);
    }
    /* One is refused: only that one. */
    items[0].value = calloc(1, 2000000);
    items[0].bytes = 2000000;
    items[1].key = "other";
    items[1].key_len = 5;
    items[1].value = keys[1];
    items[1].bytes = 1;
    CHECK(mc_store_many(mc, items, 2) == 1 && mc_reason(mc) == MC_REASON_REFUSED);
    CHECK(items[0].reason == MC_REASON_REFUSED && items[1].reason == MC_REASON_STORED);
    SAYS(mc, "too large");
    SAYS(mc, "same");
    free(items[0].value);

    CHECK(mc_store_many(mc, NULL, 3) == 0 && mc_reason(mc) == MC_REASON_BAD_VALUE);
    CHECK(mc_fetch_many(mc, items, (size_t)-1) == 0 && mc_reason(mc) == MC_REASON_BAD_VALUE);
    CHECK(mc_remove_many(NULL, items, 1) == 0 && items[0].reason == MC_REASON_BAD_VALUE);
    CHECK(mcm_store_many(NULL, mc, items, 1) == 0);
    CHECK(mc_store_many(mc, items, 0) == 0 && mc_reason(mc) == MC_REASON_DONE);
    items[0].value = NULL;
    items[0].bytes = 1;
    CHECK(mc_store_many(mc, items, 1) == 0 && items[0].reason == MC_REASON_BAD_VALUE);
    CHECK(mc_reason(mc) == MC_REASON_BAD_VALUE);
}

static int32_t unwanted(MCM_ERR_FUNC_ARGS) {
    CHECK(MCM_CALLBACK_CTXT == NULL && MCM_CALLBACK_PTR == NULL); /* no new call runs the handler */
    return 0;
}

static int32_t no_x(MCM_KEY_VALID_FUNC_ARGS) {
    CHECK(MCM_CALLBACK_CTXT != NULL);
    return memchr(MCM_CALLBACK_KEY, 'x', MCM_CALLBACK_LEN) != NULL;
}

static void refusals(struct memcache *mc) {
    char longest[251];
    char *large = calloc(1, 2000000);
    u_int64_t number = 7;
    void *value;

    memset(longest, 'k', sizeof(longest));
    REASON(mc, mc_store(mc, longest, 250, "v", 1, 0, 0), MC_REASON_STORED);
    REASON(mc, mc_store(mc, longest, 251, "v", 1, 0, 0), MC_REASON_BAD_KEY);
    SAYS(mc, "251 bytes");
    longest[0] = '\n';
    REASON(mc, mc_store(mc, longest, 186, "v", 1, 0, 0), MC_REASON_STORED);
    REASON(mc, mc_store(mc, longest, 187, "v", 1, 0, 0), MC_REASON_BAD_KEY);
    REASON(mc, mc_store(mc, "", 0, "v", 1, 0, 0), MC_REASON_BAD_KEY);
    REASON(mc, mc_fetch(mc, NULL, 3, &value, NULL, NULL, NULL), MC_REASON_BAD_KEY);
    SAYS(mc, "NULL");
    REASON(mc, mc_store(mc, "key", 3, NULL, 1, 0, 0), MC_REASON_BAD_VALUE);
    REASON(mc, mc_store(mc, "key", 3, "v", ((size_t)1 << 30) + 1, 0, 0), MC_REASON_BAD_VALUE);
    REASON(mc, mc_fetch_into(mc, "key", 3, NULL, 1, NULL, NULL, NULL), MC_REASON_BAD_VALUE);
    REASON(mc, mc_store(mc, "l\x01", 2, large, 2000000, 0, 0), MC_REASON_REFUSED);
    SAYS(mc, "too large for cache");
    SAYS(mc, "\"l\\x01\"");
    free(large);

    CHECK(mc_store(NULL, "key", 3, "v", 1, 0, 0) == MC_REASON_BAD_VALUE);
    CHECK(mcm_store(NULL, mc, "key", 3, "v", 1, 0, 0) == MC_REASON_BAD_VALUE);
    CHECK(mc_store_add(NULL, "key", 3, "v", 1, 0, 0) == MC_REASON_BAD_VALUE);
    CHECK(mc_store_replace(NULL, "key", 3, "v", 1, 0, 0) == MC_REASON_BAD_VALUE);
    CHECK(mc_append(NULL, "key", 3, "v", 1) == MC_REASON_BAD_VALUE);
    CHECK(mc_prepend(NULL, "key", 3, "v", 1) == MC_REASON_BAD_VALUE);
    CHECK(mc_cas(NULL, "key", 3, "v", 1, 0, 0, 1) == MC_REASON_BAD_VALUE);
    CHECK(mc_fetch(NULL, "key", 3, NULL, NULL, NULL, NULL) == MC_REASON_BAD_VALUE);
    CHECK(mc_fetch_into(NULL, "key", 3, NULL, 0, NULL, NULL, NULL) == MC_REASON_BAD_VALUE);
    CHECK(mc_gat(NULL, "key", 3, 0, NULL, NULL, NULL) == MC_REASON_BAD_VALUE);
    CHECK(mc_remove(NULL, "key", 3) == MC_REASON_BAD_VALUE);
    CHECK(mc_touch(NULL, "key", 3, 0) == MC_REASON_BAD_VALUE);
    CHECK(mc_incr64(NULL, "key", 3, 1, &number) == MC_REASON_BAD_VALUE);
    CHECK(mc_decr64(NULL, "key", 3, 1, &number) == MC_REASON_BAD_VALUE);
    CHECK(mc_where(NULL, "key", 3, NULL) == MC_REASON_BAD_VALUE);
    REASON(mc, mc_where(mc, "key", 3, NULL), MC_REASON_BAD_VALUE);
    CHECK(mc_reason(NULL) == MC_REASON_BAD_VALUE && *mc_reason_text(NULL) != '\0');
    CHECK(strcmp(mc_reason_name(MC_REASON_HIT), "MC_REASON_HIT") == 0);
    CHECK(strcmp(mc_reason_name(99), "(no such reason)") == 0);

    mc_global_ctxt()->mcKeyValid = no_x;
    REASON(mc, mc_store(mc, "fox", 3, "v", 1, 0, 0), MC_REASON_BAD_KEY);
    SAYS(mc, "validator");
    REASON(mc, mc_store(mc, "f o", 3, "v", 1, 0, 0), MC_REASON_STORED);
    mc_global_ctxt()->mcKeyValid = NULL;
}

/* The old calls leave their reason too. */
static void old_calls(struct memcache *mc) {
    char *value;
    CHECK(mc_set(mc, "old", 3, "v", 1, 0, 0) == 0 && mc_reason(mc) == MC_REASON_STORED);
    CHECK((value = mc_aget(mc, "old", 3)) != NULL && mc_reason(mc) == MC_REASON_HIT);
    free(value);
    CHECK(mc_delete(mc, "old", 3, 0) == 0 && mc_reason(mc) == MC_REASON_DELETED);
    CHECK(mc_aget(mc, "old", 3) == NULL && mc_reason(mc) == MC_REASON_MISS);
    mc_err_filter_add(MCM_ERR_LVL_ERR);
    CHECK(mc_aget(mc, "o d", 3) == NULL && mc_reason(mc) == MC_REASON_BAD_KEY);
    mc_err_filter_del(MCM_ERR_LVL_ERR);
}

static size_t allowed;

static void *limited(size_t size) {
    return allowed-- > 0 ? malloc(size) : (allowed = 0, NULL);
}

static void no_memory(const char *address) {
    struct memcache_ctxt *ctxt = mcMemNewCtxt(free, malloc, limited, realloc);
    struct memcache *mc = mcm_new(ctxt);
    struct mc_item items[2];
    void *value = mc;
    size_t bytes;

    CHECK(mcm_server_add4(ctxt, mc, address) == 0);
    REASON(mc, mcm_option_set(ctxt, mc, "timeout", "60s"), MC_REASON_DONE);
    REASON(mc, mcm_store(ctxt, mc, "mem", 3, "value", 5, 0, 0), MC_REASON_STORED);
    allowed = 0;
    REASON(mc, mcm_fetch(ctxt, mc, "mem", 3, &value, &bytes, NULL, NULL), MC_REASON_NO_MEMORY);
    CHECK(value == NULL && bytes == 5);
    SAYS(mc, "mem");
    REASON(mc, mcm_gat(ctxt, mc, "mem", 3, 0, &value, &bytes, NULL), MC_REASON_NO_MEMORY);
    memset(items, 0, sizeof(items));
    items[0].key = items[1].key = "mem";
    items[0].key_len = items[1].key_len = 3;
    allowed = 1;
    CHECK(mcm_fetch_many(ctxt, mc, items, 2) == 1 && mc_reason(mc) == MC_REASON_NO_MEMORY);
    CHECK(items[0].reason == MC_REASON_NO_MEMORY || items[1].reason == MC_REASON_NO_MEMORY);
    free(items[0].value);
    free(items[1].value);
    allowed = 1;
    REASON(mc, mcm_fetch(ctxt, mc, "mem", 3, &value, &bytes, NULL, NULL), MC_REASON_HIT);
    free(value);
    mcm_free(ctxt, mc);
    mcMemFreeCtxt(ctxt);
}

static void no_servers(void) {
    struct memcache *mc = mc_new();
    struct mc_where where;
    struct mc_item item;
    REASON(mc, mc_store(mc, "key", 3, "v", 1, 0, 0), MC_REASON_NO_SERVERS);
    SAYS(mc, "mc_server_add");
    REASON(mc, mc_where(mc, "key", 3, &where), MC_REASON_NO_SERVERS);
    CHECK(where.home == NULL && where.num_places == 0);
    memset(&item, 0, sizeof(item));
    item.key = "key";
    item.key_len = 3;
    CHECK(mc_fetch_many(mc, &item, 1) == 0 && item.reason == MC_REASON_NO_SERVERS);
    CHECK(mc_reason(mc) == MC_REASON_NO_SERVERS);
    mc_free(mc);
}

static void places(struct memcache *mc, int backups) {
    struct mc_where where;
    REASON(mc, mc_where(mc, "key", 3, &where), MC_REASON_DONE);
    CHECK(where.home != NULL && where.acting == where.home && where.places[0] == where.home);
    CHECK(where.num_places == (backups ? 2u : 1u) && (where.mirror != NULL) == backups);
    CHECK(where.backup == where.mirror && strstr(where.why, "is steady") != NULL);
    CHECK(strstr(where.why, backups ? "second copy on 127.0.0.1:" : "no second copy") != NULL);
    CHECK(mc_server_state(mc, where.home) == MC_STATE_STEADY);
    CHECK(mc_server_state(mc, NULL) == -1 && mc_server_state(NULL, where.home) == -1);
}

int main(int argc, char **argv) {
    struct memcache *mc;
    int pairs;

    CHECK(argc > 2);
    pairs = strcmp(argv[1], "pairs") == 0 && argc > 3;
    mc = handle_of(argc - 2, argv + 2);
    mcErrSetup(unwanted);
    REASON(mc, mc_option_set(mc, "backups", argv[1]), MC_REASON_DONE);
    life(mc, "plain", 5);
    life(mc, "a\0b \r\n\xff", 7);
    counters(mc, "number", 6);
    counters(mc, "a number", 8);
    many(mc);
    refusals(mc);
    places(mc, pairs);
    no_servers();
    old_calls(mc);
    no_memory(argv[2]);
    mc_free(mc);
    return 0;
}
