/*
 * The work that the programs of `make bench-library` do, each through a library of its own: ours.c, libmemcached.c,
 * and raw.c, which has none and sends and receives on sockets. work.c has the loop, the clock and the keys, so that
 * the calls between are all that differs.
 */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include <stddef.h>
#include <stdint.h>

/* Every key is so long. */
#define KEY_LEN 11

/* Where the servers are, and what is asked of them. */
struct setup {
    char **addresses; /* HOST:PORT each */
    int servers;
    int doubled;  /* every value is stored on two servers */
    int busy;     /* a library that can polls before it sleeps */
    int spin;     /* so does the raw loop, and it never sleeps */
    size_t bytes; /* the longest value */
    size_t keys;  /* so many keys in a get of many */
};

/* A connection to all servers, as the library at hand has it. */
struct session;

/* NULL: it cannot be made. */
struct session *session_open(const struct setup *setup);
void session_close(struct session *session);

/* 1: done as asked, which for a delete means that there was something. Else 0. */
int session_set(struct session *session, const char *key, const char *value, size_t bytes);
int session_get(struct session *session, const char *key, char *buffer, size_t size, size_t *bytes);
int session_delete(struct session *session, const char *key);
int session_incr(struct session *session, const char *key, uint64_t *number);

/* How many of them were found with the right value: is_value says so of each, while the library still has it. */
size_t session_get_many(struct session *session, const char *const *keys, size_t count);

int is_value(const char *key, const char *value, size_t bytes);

/* What went wrong, for the one line that a program ends with. */
const char *session_error(struct session *session);

#endif
