/* The work of work.h through libmemcached, by the calls that its manual shows for it. */
#include "work.h"

#include <libmemcached/memcached.h>

#include <stdlib.h>
#include <string.h>

struct session {
    memcached_st *memc;
    memcached_result_st result;
    size_t *lens;
    memcached_return_t code;
};

static int configured(memcached_st *memc, const struct setup *setup) {
    int i, right = 1;
    right &= memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1) == MEMCACHED_SUCCESS;
    /* As in ours.c: nothing here is about what happens when a server is late. */
    right &= memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, 5000) == MEMCACHED_SUCCESS;
    right &= memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, 20000) == MEMCACHED_SUCCESS;
    if (setup->doubled) {
        /* It knows replicas by the binary protocol only, and asks the second server for no answer. */
        right &= memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, 1) == MEMCACHED_SUCCESS;
        right &= memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_NUMBER_OF_REPLICAS, 1) == MEMCACHED_SUCCESS;
    }
    for (i = 0; i < setup->servers; i++) {
        char host[64];
        const char *colon = strrchr(setup->addresses[i], ':');
        size_t len = colon != NULL ? (size_t)(colon - setup->addresses[i]) : sizeof host;
        if (len >= sizeof host) {
            return 0;
        }
        memcpy(host, setup->addresses[i], len);
        host[len] = '\0';
        right &= memcached_server_add(memc, host, (in_port_t)atoi(colon + 1)) == MEMCACHED_SUCCESS;
    }
    return right;
}

struct session *session_open(const struct setup *setup) {
    struct session *session = calloc(1, sizeof *session);
    size_t i;
    session->memc = memcached_create(NULL);
    session->lens = calloc(setup->keys, sizeof *session->lens);
    for (i = 0; i < setup->keys; i++) {
        session->lens[i] = KEY_LEN;
    }
    memcached_result_create(session->memc, &session->result);
    if (!configured(session->memc, setup)) {
        session_close(session);
        return NULL;
    }
    return session;
}

void session_close(struct session *session) {
    memcached_result_free(&session->result);
    memcached_free(session->memc);
    free(session->lens);
    free(session);
}

int session_set(struct session *session, const char *key, const char *value, size_t bytes) {
    session->code = memcached_set(session->memc, key, KEY_LEN, value, bytes, 0, 0);
    return session->code == MEMCACHED_SUCCESS;
}

/* It has no call that reads into the caller's memory. */
int session_get(struct session *session, const char *key, char *buffer, size_t size, size_t *bytes) {
    uint32_t flags;
    char *value = memcached_get(session->memc, key, KEY_LEN, bytes, &flags, &session->code);
    if (value == NULL) {
        return 0;
    }
    memcpy(buffer, value, *bytes < size ? *bytes : size);
    free(value);
    return session->code == MEMCACHED_SUCCESS;
}

int session_delete(struct session *session, const char *key) {
    session->code = memcached_delete(session->memc, key, KEY_LEN, 0);
    return session->code == MEMCACHED_SUCCESS;
}

int session_incr(struct session *session, const char *key, uint64_t *number) {
    session->code = memcached_increment(session->memc, key, KEY_LEN, 1, number);
    return session->code == MEMCACHED_SUCCESS;
}

size_t session_get_many(struct session *session, const char *const *keys, size_t count) {
    size_t right = 0;
    session->code = memcached_mget(session->memc, keys, session->lens, count);
    if (session->code != MEMCACHED_SUCCESS) {
        return 0;
    }
    while (memcached_fetch_result(session->memc, &session->result, &session->code) != NULL) {
        const memcached_result_st *result = &session->result;
        right += memcached_result_key_length(result) == KEY_LEN &&
                 is_value(memcached_result_key_value(result), memcached_result_value(result),
                          memcached_result_length(result));
    }
    return right;
}

const char *session_error(struct session *session) {
    return memcached_strerror(session->memc, session->code);
}
