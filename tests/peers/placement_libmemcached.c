/*
 * Where libmemcached places keys: the other side of tests/placement.rs.
 *
 * usage: placement_libmemcached POOL... < keys
 *
 * A POOL is `modula=` or `ketama=` and its servers, each `HOST*WEIGHT*PORT`, separated by commas; a HOST that
 * begins with a slash is the path of a unix socket. Keys come one to a line. For every key one line is
 * printed: the index of its server in each POOL, separated by spaces. The last line is `end COUNT`.
 *
 * Nothing is connected: libmemcached computes a placement without its servers.
 */
#include <libmemcached/memcached.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, const char *which)
{
    fprintf(stderr, "placement_libmemcached: %s: %s\n", what, which);
    exit(1);
}

/* Adds one `HOST*WEIGHT*PORT`; cuts the text up. */
static void add_server(memcached_st *pool, char *text)
{
    char *weight = strchr(text, '*');
    char *port = weight ? strchr(weight + 1, '*') : NULL;
    memcached_return_t rc;

    if (!port)
        fail("not HOST*WEIGHT*PORT", text);
    *weight++ = '\0';
    *port++ = '\0';
    if (text[0] == '/')
        rc = memcached_server_add_unix_socket_with_weight(pool, text, (uint32_t)strtoul(weight, NULL, 10));
    else
        rc = memcached_server_add_with_weight(pool, text, (in_port_t)strtoul(port, NULL, 10),
                                              (uint32_t)strtoul(weight, NULL, 10));
    if (rc != MEMCACHED_SUCCESS)
        fail("server not added", memcached_strerror(pool, rc));
}

static void behave(memcached_st *pool, memcached_behavior_t behavior, uint64_t value)
{
    memcached_return_t rc = memcached_behavior_set(pool, behavior, value);

    if (rc != MEMCACHED_SUCCESS)
        fail("behavior not set", memcached_strerror(pool, rc));
}

static memcached_st *open_pool(char *text)
{
    memcached_st *pool = memcached_create(NULL);
    char *servers = strchr(text, '=');
    char *server, *rest;

    if (!pool || !servers)
        fail("no pool", text);
    *servers++ = '\0';
    if (strcmp(text, "ketama") == 0) {
        behave(pool, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1);
    } else if (strcmp(text, "modula") == 0) {
        behave(pool, MEMCACHED_BEHAVIOR_HASH, MEMCACHED_HASH_CRC);
        behave(pool, MEMCACHED_BEHAVIOR_DISTRIBUTION, MEMCACHED_DISTRIBUTION_MODULA);
    } else {
        fail("unknown distribution", text);
    }
    for (server = strtok_r(servers, ",", &rest); server; server = strtok_r(NULL, ",", &rest))
        add_server(pool, server);
    return pool;
}

int main(int argc, char **argv)
{
    memcached_st **pools = calloc((size_t)argc, sizeof *pools);
    unsigned long count = 0;
    char *key = NULL;
    size_t room = 0;
    ssize_t len;
    int i;

    if (!pools)
        fail("out of memory", "pools");
    for (i = 1; i < argc; i++)
        pools[i] = open_pool(argv[i]);
    while ((len = getline(&key, &room, stdin)) > 0) {
        if (key[len - 1] == '\n')
            len--;
        for (i = 1; i < argc; i++)
            printf("%s%u", i == 1 ? "" : " ", memcached_generate_hash(pools[i], key, (size_t)len));
        putchar('\n');
        count++;
    }
    printf("end %lu\n", count);
    for (i = 1; i < argc; i++)
        memcached_free(pools[i]);
    free(pools);
    free(key);
    return ferror(stdin) || fflush(stdout) != 0;
}
