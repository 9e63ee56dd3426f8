/*
 * Calls, for counting the system calls of each: stores a hundred keys, then reads or stores.
 *
 *   gets one|busy|many|set TIMES HOST:PORT...    one key a call (busy: polled for), or all hundred in one
 *                                                call; or stores one
 *
 * Prints how often it slept while it did.
 * With MEMCACHE_POOL in the environment the servers are those of the pool file.
 */
#include <memcache.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define KEYS 100

static int read_one(struct memcache *mc, char *key) {
    char *value = mc_aget(mc, key, strlen(key));
    int found = value != NULL && strcmp(value, key) == 0;

    free(value);
    return found;
}

static int read_many(struct memcache *mc, char keys[KEYS][16]) {
    struct memcache_req *req = mc_req_new();
    struct memcache_res *res;
    int i, found = 0;

    for (i = 0; i < KEYS; i++) {
        mc_req_add_ref(req, keys[i], strlen(keys[i]));
    }
    mc_get(mc, req);
    TAILQ_FOREACH(res, &req->query, entries) {
        found += mc_res_found(res);
    }
    mc_req_free(req);
    return found == KEYS;
}

static int store_one(struct memcache *mc, char *key) {
    return mc_set(mc, key, strlen(key), key, strlen(key), 0, 0) == 0;
}

/* Since it began. */
static long slept(void) {
    struct rusage used;
    return getrusage(RUSAGE_SELF, &used) == 0 ? used.ru_nvcsw : -1;
}

static int once(struct memcache *mc, const char *how, char keys[KEYS][16], int i) {
    if (strcmp(how, "set") == 0) {
        return store_one(mc, keys[i % KEYS]);
    }
    return strcmp(how, "many") != 0 ? read_one(mc, keys[i % KEYS]) : read_many(mc, keys);
}

int main(int argc, char **argv) {
    static char keys[KEYS][16];
    struct memcache *mc = mc_new();
    int i, times;
    long before;

    if (mc == NULL || argc < 3) {
        return 64;
    }
    times = atoi(argv[2]);
    for (i = 3; i < argc; i++) {
        mc_server_add4(mc, argv[i]);
    }
    for (i = 0; i < KEYS; i++) {
        snprintf(keys[i], sizeof keys[i], "key:%d", i);
        if (!store_one(mc, keys[i])) {
            return 1;
        }
    }
    if (strcmp(argv[1], "busy") == 0 && mc_option_set(mc, "busy_poll", "10ms") != MC_REASON_DONE) {
        return 1;
    }
    before = slept();
    for (i = 0; i < times; i++) {
        if (!once(mc, argv[1], keys, i)) {
            fprintf(stderr, "call %d did not find what was stored, or did not store\n", i);
            return 1;
        }
    }
    printf("%ld\n", slept() - before);
    mc_free(mc);
    return 0;
}
