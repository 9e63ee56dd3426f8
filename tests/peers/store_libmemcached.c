/*
 * Stores keys through libmemcached, as a program does that is to move over: see tests/examples/migrating.rs.
 *
 * usage: store_libmemcached KEYS HOST:PORT/WEIGHT,... BEHAVIOR=VALUE...
 *
 * A BEHAVIOR is KETAMA or KETAMA_WEIGHTED, with 1, or HASH or DISTRIBUTION, with the name of a value. The value under each of
 * the keys session:0, session:1, ... is its own key.
 */
#include <libmemcached/memcached.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    memcached_behavior_t behavior;
    uint64_t value;
} known[] = {
    {"HASH=CRC", MEMCACHED_BEHAVIOR_HASH, MEMCACHED_HASH_CRC},
    {"HASH=MD5", MEMCACHED_BEHAVIOR_HASH, MEMCACHED_HASH_MD5},
    {"DISTRIBUTION=MODULA", MEMCACHED_BEHAVIOR_DISTRIBUTION, MEMCACHED_DISTRIBUTION_MODULA},
    {"DISTRIBUTION=CONSISTENT", MEMCACHED_BEHAVIOR_DISTRIBUTION, MEMCACHED_DISTRIBUTION_CONSISTENT},
    {"KETAMA=1", MEMCACHED_BEHAVIOR_KETAMA, 1},
    {"KETAMA_WEIGHTED=1", MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1},
};

static void check(memcached_st *pool, memcached_return_t rc, const char *what)
{
    if (rc == MEMCACHED_SUCCESS)
        return;
    fprintf(stderr, "store_libmemcached: %s: %s\n", what, memcached_strerror(pool, rc));
    exit(1);
}

int main(int argc, char **argv)
{
    memcached_st *pool = memcached_create(NULL);
    char key[32], *server, *rest;
    int count, i;
    size_t at;

    if (argc < 3 || pool == NULL)
        return 2;
    for (i = 3; i < argc; i++) {
        for (at = 0; at < sizeof known / sizeof *known && strcmp(known[at].text, argv[i]) != 0; at++)
            ;
        if (at == sizeof known / sizeof *known) {
            fprintf(stderr, "store_libmemcached: %s is not known\n", argv[i]);
            return 2;
        }
        check(pool, memcached_behavior_set(pool, known[at].behavior, known[at].value), argv[i]);
    }
    for (server = strtok_r(argv[2], ",", &rest); server; server = strtok_r(NULL, ",", &rest)) {
        char *port = strrchr(server, ':'), *weight = strrchr(server, '/');
        if (port == NULL || weight == NULL)
            return 2;
        *port = '\0';
        check(pool, memcached_server_add_with_weight(pool, server, (in_port_t)atoi(port + 1), (uint32_t)atoi(weight + 1)),
              server);
    }
    count = atoi(argv[1]);
    for (i = 0; i < count; i++) {
        int length = snprintf(key, sizeof key, "session:%d", i);
        check(pool, memcached_set(pool, key, (size_t)length, key, (size_t)length, 3600, 7), key);
    }
    memcached_free(pool);
    return 0;
}
