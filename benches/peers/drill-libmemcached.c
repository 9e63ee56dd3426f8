/*
 * The drill of examples-c/, played with libmemcached, so that it can stand beside ours: the same
 * stages, the same bookkeeping, the same timeouts, and the ways its manual offers to survive the
 * death of a server.
 *
 *   drill-libmemcached default|eject|ketama|replicas HOST:PORT...
 */
#include <libmemcached/memcached.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../examples-c/drill-stages.h"

static enum drill_answer answer_of(memcached_return_t code) {
    switch (code) {
    case MEMCACHED_SUCCESS:
    case MEMCACHED_STORED:
    case MEMCACHED_DELETED:
    case MEMCACHED_BUFFERED:
        return DRILL_OK;
    case MEMCACHED_NOTFOUND:
        return DRILL_ABSENT;
    default:
        return DRILL_FAILED;
    }
}

static enum drill_answer store(void *state, const struct drill_item *item) {
    return answer_of(memcached_set(state, item->key, item->key_len, item->value, item->value_len, 0, 0));
}

static enum drill_answer drop(void *state, const struct drill_item *item) {
    return answer_of(memcached_delete(state, item->key, item->key_len, 0));
}

static void keep(struct drill_item *item, const char *value, size_t len) {
    item->value_len = len < sizeof item->value ? len : sizeof item->value;
    memcpy(item->value, value, item->value_len);
    item->answer = DRILL_OK;
}

static void fetch_one(memcached_st *memc, struct drill_item *item) {
    memcached_return_t code;
    uint32_t flags;
    size_t len;
    char *value = memcached_get(memc, item->key, item->key_len, &len, &flags, &code);

    item->answer = answer_of(code);
    if (item->answer == DRILL_OK) {
        keep(item, value != NULL ? value : "", value != NULL ? len : 0);
    }
    free(value);
}

static struct drill_item *item_named(struct drill_item *items, unsigned count, const char *key, size_t len) {
    unsigned i;

    for (i = 0; i < count; i++) {
        if (items[i].key_len == len && memcmp(items[i].key, key, len) == 0) {
            return &items[i];
        }
    }
    return NULL;
}

/* memcached_mget says for the whole call that something failed, not which keys could not be
 * asked: then the ones without a value count as failed, else as absent. */
static void fetch_many(memcached_st *memc, struct drill_item *items, unsigned count) {
    const char **keys = calloc(count, sizeof *keys);
    size_t *lens = calloc(count, sizeof *lens);
    memcached_result_st result;
    memcached_return_t code;
    unsigned i;
    int failed;

    if (keys == NULL || lens == NULL) {
        abort();
    }
    for (i = 0; i < count; i++) {
        keys[i] = items[i].key;
        lens[i] = items[i].key_len;
        items[i].answer = DRILL_ABSENT;
    }
    failed = memcached_mget(memc, keys, lens, count) != MEMCACHED_SUCCESS;
    memcached_result_create(memc, &result);
    while (memcached_fetch_result(memc, &result, &code) != NULL) {
        struct drill_item *item =
            item_named(items, count, memcached_result_key_value(&result), memcached_result_key_length(&result));
        if (item != NULL) {
            keep(item, memcached_result_value(&result), memcached_result_length(&result));
        }
    }
    memcached_result_free(&result);
    failed |= code != MEMCACHED_END && code != MEMCACHED_NOTFOUND && code != MEMCACHED_SUCCESS;
    for (i = 0; failed && i < count; i++) {
        if (items[i].answer == DRILL_ABSENT) {
            items[i].answer = DRILL_FAILED;
        }
    }
    free(keys);
    free(lens);
}

static void fetch(void *state, struct drill_item *items, unsigned count) {
    if (count == 1) {
        fetch_one(state, items);
    } else {
        fetch_many(state, items, count);
    }
}

/* 0, or -1 when there is no such way. */
static int configure(memcached_st *memc, const char *way) {
    memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, 100);
    memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, 500);
    memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
    if (strcmp(way, "default") == 0) {
        return 0;
    }
    if (strcmp(way, "eject") == 0) {
        memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_AUTO_EJECT_HOSTS, 1);
        return 0;
    }
    if (strcmp(way, "ketama") == 0) {
        memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_KETAMA, 1);
        memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_SERVER_FAILURE_LIMIT, 1);
        memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_AUTO_EJECT_HOSTS, 1);
        return 0;
    }
    if (strcmp(way, "replicas") == 0) {
        memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, 1);
        memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_NUMBER_OF_REPLICAS, 1);
        return 0;
    }
    return -1;
}

int main(int argc, char **argv) {
    struct drill_client client = {NULL, store, drop, fetch};
    memcached_st *memc = memcached_create(NULL);
    int i, status;

    if (memc == NULL || argc < 3 || configure(memc, argv[1]) != 0) {
        fprintf(stderr, "usage: %s default|eject|ketama|replicas HOST:PORT...\n", argv[0]);
        return 64;
    }
    for (i = 2; i < argc; i++) {
        char *colon = strrchr(argv[i], ':');
        if (colon == NULL) {
            fprintf(stderr, "%s: `%s' is not HOST:PORT\n", argv[0], argv[i]);
            return 64;
        }
        *colon = '\0';
        memcached_server_add(memc, argv[i], (in_port_t)atoi(colon + 1));
    }
    client.state = memc;
    status = drill_play(&client, 0);
    memcached_free(memc);
    return status;
}
