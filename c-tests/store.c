/* Storing and deleting, against the live servers of the arguments: every result that the calls document. */
#include "kit.h"

static int store(int verb, struct memcache *mc, const char *key, size_t len, const void *value, size_t bytes) {
    switch (verb) {
    case 0:
        return MC(set, mc, key, len, value, bytes, 0, 0);
    case 1:
        return MC(add, mc, key, len, value, bytes, 0, 0);
    default:
        return MC(replace, mc, key, len, value, bytes, 0, 0);
    }
}

static void stored_or_not(struct memcache *mc) {
    CHECK(MC(set, mc, "key", 3, "value", 5, 0, 7) == 0 && holds(mc, "key", "value"));
    CHECK(MC(set, mc, "key", 3, NULL, 0, 0, 7) == 0 && holds(mc, "key", ""));
    CHECK(MC(add, mc, "key", 3, "x", 1, 0, 0) == 1 && raised(MCM_ERR_MC_STORE, MCM_ERR_LVL_NOTICE));
    answer_retcode = -42;
    CHECK(MC(add, mc, "key", 3, "x", 1, 0, 0) == -42 && raised(MCM_ERR_MC_STORE, MCM_ERR_LVL_NOTICE));
    answer_retcode = 0;
    CHECK(MC(replace, mc, "key", 3, "new", 3, 0, 0) == 0 && holds(mc, "key", "new"));
    CHECK(MC(delete, mc, "key", 3, 0) == 0 && !holds(mc, "key", ""));
    CHECK(MC(replace, mc, "key", 3, "x", 1, 0, 0) == 1 && raised(MCM_ERR_MC_STORE, MCM_ERR_LVL_NOTICE));
    CHECK(MC(add, mc, "key", 3, "added", 5, 0, 0) == 0 && holds(mc, "key", "added"));
    CHECK(MC(delete, mc, "key", 3, 30) == 0); /* a hold is not sent: servers refuse one */
    CHECK(MC(delete, mc, "key", 3, 30) == 1 && MC(delete, mc, "key", 3, 0) == 1 && silent());
    CHECK(MC(set, mc, "key", 3, "gone", 4, -1, 0) == 0 && !holds(mc, "key", "gone")); /* expired at once */
    CHECK(MC(set, mc, "key", 3, "kept", 4, 1000, 0) == 0 && holds(mc, "key", "kept"));
    CHECK(MC(set, mc, "bytes", 5, "a\0\r\nEND\r\n", 9, 0, 0) == 0);
    {
        size_t len = 0;
        char *value = MC(aget2, mc, "bytes", 5, &len);
        CHECK(len == 9 && memcmp(value, "a\0\r\nEND\r\n", 10) == 0);
        ctxt->mcFree(value);
    }
    CHECK(silent());
}

/* What a server refuses: its words reach the handler, and the next call is answered as ever. */
static void refused_by_the_server(struct memcache *mc) {
    size_t large = 3u << 20;
    char *value = calloc(1, large);
    int verb;
    CHECK(put(mc, "large", "before") == 0);
    for (verb = 0; verb < 3; verb++) {
        if (verb == 1) /* the server drops what a refused store would have replaced */
            CHECK(MC(delete, mc, "large", 5, 0) <= 1);
        if (verb == 2)
            CHECK(put(mc, "large", "before") == 0);
        CHECK(store(verb, mc, "large", 5, value, large) == 4);
        CHECK(raised(MCM_ERR_MC_STORE, MCM_ERR_LVL_NOTICE));
        CHECK(strstr(last_message, "too large") != NULL);
        CHECK(put(mc, "after", "a") == 0 && holds(mc, "after", "a") && silent());
    }
    answer_retcode = 17;
    CHECK(store(0, mc, "large", 5, value, large) == 17 && raised(MCM_ERR_MC_STORE, MCM_ERR_LVL_NOTICE));
    answer_retcode = 0;
    free(value);
}

/* What cannot be a value is refused before one byte of it is read or sent. */
static void refused_before_it_is_sent(struct memcache *mc) {
    static const size_t lengths[] = { ((size_t)1 << 30) + 1, (size_t)1 << 40, (size_t)-1 / 2, (size_t)-1 / 2 + 1, (size_t)-1 };
    size_t i;
    int verb;
    CHECK(put(mc, "huge", "before") == 0);
    for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        for (verb = 0; verb < 3; verb++) {
            CHECK(store(verb, mc, "huge", 4, "only these", lengths[i]) == -4);
            CHECK(raised(MCM_ERR_MC_STORE, MCM_ERR_LVL_NOTICE) && holds(mc, "huge", "before"));
        }
    answer_retcode = 18;
    CHECK(store(0, mc, "huge", 4, "only these", lengths[4]) == 18 && raised(MCM_ERR_MC_STORE, MCM_ERR_LVL_NOTICE));
    answer_retcode = 0;
}

struct refusal {
    const char *key;
    size_t len;
    int position;
};

static char long_key[300];

static const struct refusal refusals[] = {
    { "a b", 3, 2 },      { " ", 1, 1 },        { "ab\r\n", 4, 3 }, { "a\nset b 0 0 1\nx", 15, 2 }, { "nul\0", 4, 4 },
    { "\t", 1, 1 },       { "del\x7f", 4, 4 },  { "", 0, 1 },       { NULL, 0, 1 },                { long_key, 251, 251 },
    { long_key, 300, 251 },
};

/* Keys that would put the stream out of step: the position of the offending byte, nothing is sent. */
static void refused_keys(struct memcache *mc) {
    size_t i;
    memset(long_key, 'k', sizeof(long_key));
    for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct refusal *r = &refusals[i];
        int verb;
        for (verb = 0; verb < 3; verb++)
            CHECK(store(verb, mc, r->key, r->len, "x", 1) == r->position && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
        CHECK(MC(delete, mc, r->key, r->len, 0) == r->position && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
        CHECK(put(mc, "in step", "x") == 3 && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
        CHECK(put(mc, "in_step", "x") == 0 && holds(mc, "in_step", "x"));
        CHECK(MC(add, mc, "in_step", 7, "x", 1, 0, 0) == 1 && raised(MCM_ERR_MC_STORE, MCM_ERR_LVL_NOTICE));
    }
    CHECK(store(0, mc, "k", (size_t)1 << 40, "x", 1) == 251 && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
    answer_retcode = 19;
    CHECK(store(0, mc, "a b", 3, "x", 1) == 19 && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
    CHECK(MC(delete, mc, "a b", 3, 0) == 19 && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
    answer_retcode = 0;
    CHECK(MC(set, mc, long_key, 250, "x", 1, 0, 0) == 0 && MC(delete, mc, long_key, 250, 0) == 0);
    CHECK(MC(set, mc, "\xc3\xa9", 2, "x", 1, 0, 0) == 0); /* UTF-8 is fine */
}

static void nulls(struct memcache *mc) {
    int verb;
    for (verb = 0; verb < 3; verb++) {
        CHECK(store(verb, NULL, "k", 1, "v", 1) == -1 && store(verb, mc, NULL, 1, "v", 1) == -1);
        CHECK(store(verb, mc, "k", 1, NULL, 1) == -1);
    }
    CHECK(MC(delete, NULL, "k", 1, 0) == -1 && MC(delete, mc, NULL, 1, 0) == -1);
    CHECK(mcm_set(NULL, mc, "k", 1, "v", 1, 0, 0) == -1 && mcm_add(NULL, mc, "k", 1, "v", 1, 0, 0) == -1);
    CHECK(mcm_replace(NULL, mc, "k", 1, "v", 1, 0, 0) == -1 && mcm_delete(NULL, mc, "k", 1, 0) == -1);
    CHECK(silent());
}

/* A handle with nobody to ask: an error at once. */
static void nobody_to_ask(struct memcache *mc) {
    int verb;
    for (verb = 0; verb < 3; verb++)
        CHECK(store(verb, mc, "k", 1, "v", 1) == -1 && raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE));
    CHECK(MC(delete, mc, "k", 1, 0) == -1 && raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE));
    answer_retcode = 20;
    CHECK(store(0, mc, "k", 1, "v", 1) == 20 && raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE));
    CHECK(MC(delete, mc, "k", 1, 0) == 20 && raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE));
    answer_retcode = 0;
}

int main(int argc, char **argv) {
    struct memcache *mc;
    begin();
    mc = open_servers(argc, argv);
    stored_or_not(mc);
    refused_by_the_server(mc);
    refused_before_it_is_sent(mc);
    refused_keys(mc);
    nulls(mc);
    CHECK(MC(server_timeout, mc->servers[0], 2147483647, 2147483647) == 1 && put(mc, "patient", "x") == 0);
    MC(free, mc);
    mc = MC0(new);
    nobody_to_ask(mc);
    CHECK(MC(server_add, mc, "127.0.0.1", "1") == 0 && MC(server_add, mc, "127.0.0.1", "2") == 0);
    nobody_to_ask(mc);
    CHECK(mc->servers[0]->active == 'd' && mc->servers[0]->fd == -1);
    MC(free, mc);
    return end();
}
