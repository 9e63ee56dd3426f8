/* The new calls while servers die, come back and hang: what is unavailable is never told as a miss. The
 * arguments are what happens and three servers; the test that runs this does to them what is ordered. */
#include "new_calls.h"

static size_t index_of(struct memcache *mc, const struct memcache_server *server) {
    size_t i = 0;
    while (mc->servers[i] != server)
        CHECK(++i < mc->num_servers);
    return i;
}

#define MANY 300
static char keys[MANY][16];
static struct mc_item items[MANY];

static void prepare(void) {
    size_t i;
    memset(items, 0, sizeof(items));
    for (i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof(keys[i]), i % 3 == 0 ? "k %lu" : "k%lu", (unsigned long)i);
        items[i].key = keys[i];
        items[i].key_len = strlen(keys[i]);
        items[i].value = keys[i];
        items[i].bytes = strlen(keys[i]);
    }
}

static void fetch_all(struct memcache *mc) {
    size_t i;
    CHECK(mc_fetch_many(mc, items, MANY) == MANY);
    for (i = 0; i < MANY; i++) {
        CHECK(strcmp(items[i].value, keys[i]) == 0);
        free(items[i].value);
        items[i].value = keys[i];
    }
}

/* With backups: one server dies, and nothing is lost. */
static void one_dies(char **addresses) {
    struct memcache *mc = handle_of(3, addresses);
    struct mc_where where;
    const struct memcache_server *home;
    u_int64_t number, cas;
    u_int32_t flags;
    size_t dead;
    void *value;

    REASON(mc, mc_option_set(mc, "connect_timeout", "4s"), MC_REASON_DONE); /* as long the first trial waits */
    REASON(mc, mc_option_set(mc, "backups", "pairs"), MC_REASON_DONE);
    prepare();
    CHECK(mc_store_many(mc, items, MANY) == MANY);
    REASON(mc, mc_store(mc, "a b", 3, "value", 5, 0, 0x12345678), MC_REASON_STORED);
    REASON(mc, mc_store(mc, "a b n", 5, "41", 2, 0, 0), MC_REASON_STORED);
    REASON(mc, mc_fetch(mc, "a b", 3, NULL, NULL, NULL, &cas), MC_REASON_HIT);
    REASON(mc, mc_where(mc, "a b", 3, &where), MC_REASON_DONE);
    home = where.home;
    dead = index_of(mc, home);

    order("kill", dead);
    REASON(mc, mc_fetch(mc, "a b", 3, &value, NULL, &flags, NULL), MC_REASON_HIT);
    CHECK(strcmp(value, "value") == 0 && flags == 0x12345678);
    free(value);
    CHECK(mc_server_state(mc, home) == MC_STATE_DOWN);
    REASON(mc, mc_where(mc, "a b", 3, &where), MC_REASON_DONE);
    CHECK(where.home == home && where.acting != home && where.acting != NULL && where.mirror != NULL);
    CHECK(strstr(where.why, "is down; 127.0.0.1:") != NULL && strstr(where.why, "stands in for it") != NULL);
    CHECK(strstr(where.why, "second copy on 127.0.0.1:") != NULL);
    fetch_all(mc);
    CHECK(mc_store_many(mc, items, MANY) == MANY);
    fetch_all(mc);
    REASON(mc, mc_cas(mc, "a b", 3, "x", 1, 0, 0, cas), MC_REASON_EXISTS); /* another server's token */
    REASON(mc, mc_incr64(mc, "a b n", 5, 1, &number), MC_REASON_NUMBER);
    CHECK(number == 42);
    REASON(mc, mc_append(mc, "a b", 3, "s", 1), MC_REASON_STORED);
    REASON(mc, mc_touch(mc, "a b", 3, 1000), MC_REASON_TOUCHED);

    order("restart", dead);
    while (mc_server_state(mc, home) == MC_STATE_DOWN)
        mc_fetch(mc, "a b", 3, NULL, NULL, NULL, NULL);
    CHECK(mc_server_state(mc, home) == MC_STATE_RETURNED);
    REASON(mc, mc_where(mc, "a b", 3, &where), MC_REASON_DONE);
    CHECK(where.acting == home && strstr(where.why, "is returned") != NULL);
    fetch_all(mc);
    REASON(mc, mc_gat(mc, "a b", 3, 1000, &value, NULL, &flags), MC_REASON_HIT);
    CHECK(strcmp(value, "values") == 0 && flags == 0x12345678);
    free(value);
    REASON(mc, mc_incr64(mc, "a b n", 5, 1, &number), MC_REASON_NUMBER);
    CHECK(number == 43);
    CHECK(mc_remove_many(mc, items, MANY) == MANY);
    CHECK(mc_fetch_many(mc, items, MANY) == 0 && mc_reason(mc) == MC_REASON_DONE);
    CHECK(items[0].reason == MC_REASON_MISS);
    mc_free(mc);
}

/* A token outlives no server. */
static void tokens(char **addresses) {
    struct memcache *mc = handle_of(1, addresses);
    u_int64_t cas;

    REASON(mc, mc_store(mc, "token", 5, "v", 1, 0, 0), MC_REASON_STORED);
    REASON(mc, mc_fetch(mc, "token", 5, NULL, NULL, NULL, &cas), MC_REASON_HIT);
    order("restart", 0);
    REASON(mc, mc_fetch(mc, "token", 5, NULL, NULL, NULL, NULL), MC_REASON_MISS);
    REASON(mc, mc_cas(mc, "token", 5, "x", 1, 0, 0, cas), MC_REASON_EXISTS);
    REASON(mc, mc_store(mc, "token", 5, "v", 1, 0, 0), MC_REASON_STORED);
    REASON(mc, mc_cas(mc, "token", 5, "x", 1, 0, 0, cas), MC_REASON_EXISTS);
    mc_free(mc);
}

/* Nobody is there: unavailable, by every call, and never a miss. */
static void all_die(char **addresses) {
    struct memcache *mc = handle_of(3, addresses);
    struct mc_where where;
    u_int64_t number;
    size_t i;
    void *value;

    CHECK(mc_store(mc, "key", 3, "v", 1, 0, 0) == MC_REASON_STORED);
    for (i = 0; i < 3; i++)
        order("kill", i);
    REASON(mc, mc_fetch(mc, "key", 3, &value, NULL, NULL, NULL), MC_REASON_UNAVAILABLE);
    CHECK(value == NULL);
    SAYS(mc, "\"key\"");
    SAYS(mc, "is down");
    REASON(mc, mc_fetch_into(mc, "key", 3, NULL, 0, NULL, NULL, NULL), MC_REASON_UNAVAILABLE);
    REASON(mc, mc_gat(mc, "key", 3, 0, NULL, NULL, NULL), MC_REASON_UNAVAILABLE);
    REASON(mc, mc_store(mc, "key", 3, "v", 1, 0, 0), MC_REASON_UNAVAILABLE);
    REASON(mc, mc_store_add(mc, "key", 3, "v", 1, 0, 0), MC_REASON_UNAVAILABLE);
    REASON(mc, mc_store_replace(mc, "key", 3, "v", 1, 0, 0), MC_REASON_UNAVAILABLE);
    REASON(mc, mc_append(mc, "key", 3, "v", 1), MC_REASON_UNAVAILABLE);
    REASON(mc, mc_prepend(mc, "key", 3, "v", 1), MC_REASON_UNAVAILABLE);
    REASON(mc, mc_cas(mc, "key", 3, "v", 1, 0, 0, 1), MC_REASON_UNAVAILABLE);
    REASON(mc, mc_remove(mc, "key", 3), MC_REASON_UNAVAILABLE);
    REASON(mc, mc_touch(mc, "key", 3, 0), MC_REASON_UNAVAILABLE);
    REASON(mc, mc_incr64(mc, "key", 3, 1, &number), MC_REASON_UNAVAILABLE);
    REASON(mc, mc_decr64(mc, "key", 3, 1, &number), MC_REASON_UNAVAILABLE);
    REASON(mc, mc_where(mc, "key", 3, &where), MC_REASON_UNAVAILABLE);
    CHECK(where.home != NULL && where.acting == NULL && strstr(where.why, "no server") != NULL);
    prepare();
    CHECK(mc_store_many(mc, items, MANY) == 0 && mc_reason(mc) == MC_REASON_UNAVAILABLE);
    CHECK(mc_remove_many(mc, items, MANY) == 0 && items[MANY - 1].reason == MC_REASON_UNAVAILABLE);
    CHECK(mc_fetch_many(mc, items, MANY) == 0 && items[0].reason == MC_REASON_UNAVAILABLE);
    mc_err_filter_add(MCM_ERR_LVL_ERR);
    CHECK(mc_aget(mc, "key", 3) == NULL && mc_reason(mc) == MC_REASON_UNAVAILABLE);
    mc_free(mc);
    for (i = 0; i < 3; i++)
        order("restart", i);
}

/* Servers that accept and never answer: time is up. */
static void all_hang(char **addresses) {
    struct memcache *mc = mc_new();
    size_t i;

    for (i = 0; i < 3; i++)
        CHECK(mc_server_add4(mc, addresses[i]) == 0);
    REASON(mc, mc_option_set(mc, "timeout", "300ms"), MC_REASON_DONE);
    REASON(mc, mc_option_set(mc, "connect_timeout", "300ms"), MC_REASON_DONE);
    for (i = 0; i < 3; i++)
        order("hang", i);
    REASON(mc, mc_fetch(mc, "key", 3, NULL, NULL, NULL, NULL), MC_REASON_TIMEOUT);
    SAYS(mc, "time");
    mc_free(mc);
    for (i = 0; i < 3; i++)
        order("wake", i);
}

int main(int argc, char **argv) {
    CHECK(argc == 5);
    /* What a process knows of a server outlives its handles, so each of these begins in a new one. */
    if (strcmp(argv[1], "one") == 0)
        one_dies(argv + 2);
    else if (strcmp(argv[1], "tokens") == 0)
        tokens(argv + 2);
    else if (strcmp(argv[1], "hang") == 0)
        all_hang(argv + 2);
    else
        all_die(argv + 2);
    return 0;
}
