/*
 * The drill's stages and its bookkeeping, apart from any client library: what a web site does to
 * its sessions while a cache server dies, comes back, and dies again. Each client library that is
 * drilled brings its own three functions and the same stages are played on all of them.
 */
#ifndef DRILL_STAGES_H
#define DRILL_STAGES_H

#include <stddef.h>

#define DRILL_KEY_MAX 32
#define DRILL_VALUE_MAX 512

enum drill_answer {
    DRILL_OK,     /* stored, found, or deleted */
    DRILL_ABSENT, /* there is nothing under that key */
    DRILL_FAILED  /* the library reported an error */
};

/* One question and its answer. */
struct drill_item {
    char key[DRILL_KEY_MAX];
    size_t key_len;
    char value[DRILL_VALUE_MAX]; /* to store, or as it was found */
    size_t value_len;
    enum drill_answer answer; /* of a fetch: set by the client, for every item */
};

struct drill_client {
    void *state; /* handed back to the functions below */
    enum drill_answer (*store)(void *state, const struct drill_item *item);
    enum drill_answer (*remove)(void *state, const struct drill_item *item);
    /* One call of the library for all of these items. */
    void (*fetch)(void *state, struct drill_item *items, unsigned count);
};

/*
 * Plays the six stages. Before each it writes `wait NUMBER NAME` to standard output and waits for
 * a line on standard input: whoever reads along does to the servers what the name says and sends
 * `go`. `turn` instead of `go` lets the program read a hundred sessions, unmeasured, and answer
 * `turned`: so whoever broke a server can wait until it is in use again. After each stage it
 * writes `stage NUMBER` and what it counted, as `name=value`; after the last, `end`.
 *
 * Returns the program's exit status: 0; 1 when `strict` is set and not every read of every stage
 * returned the newest value, or a write was refused; 2 when the standard input ended too early.
 */
int drill_play(const struct drill_client *client, int strict);

#endif
