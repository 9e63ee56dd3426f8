/* The work of work.h through this library. */
#include "work.h"

#include <memcache.h>

#include <stdlib.h>
#include <string.h>

struct session {
    struct memcache *mc;
    struct mc_item *items;
    char *values; /* the memory for them */
    size_t size;
};

static int configured(struct memcache *mc, const struct setup *setup) {
    int i;
    for (i = 0; i < setup->servers; i++) {
        if (mc_server_add4(mc, setup->addresses[i]) != 0) {
            return 0;
        }
    }
    /* A busy machine stops a healthy server for longer than timeouts for production allow. */
    return mc_option_set(mc, "timeout", "20s") == MC_REASON_DONE &&
           mc_option_set(mc, "connect_timeout", "5s") == MC_REASON_DONE &&
           (!setup->doubled || mc_option_set(mc, "backups", "pairs") == MC_REASON_DONE) &&
           (!setup->busy || mc_option_set(mc, "busy_poll", "200us") == MC_REASON_DONE);
}

struct session *session_open(const struct setup *setup) {
    struct session *session = calloc(1, sizeof *session);
    session->mc = mc_new();
    session->items = calloc(setup->keys, sizeof *session->items);
    session->size = setup->bytes;
    session->values = malloc(setup->keys * setup->bytes + 1);
    if (session->mc == NULL || session->items == NULL || session->values == NULL || !configured(session->mc, setup)) {
        session_close(session);
        return NULL;
    }
    return session;
}

void session_close(struct session *session) {
    mc_free(session->mc);
    free(session->items);
    free(session->values);
    free(session);
}

int session_set(struct session *session, const char *key, const char *value, size_t bytes) {
    return mc_store(session->mc, key, KEY_LEN, value, bytes, 0, 0) == MC_REASON_STORED;
}

int session_get(struct session *session, const char *key, char *buffer, size_t size, size_t *bytes) {
    u_int32_t flags;
    return mc_fetch_into(session->mc, key, KEY_LEN, buffer, size, bytes, &flags, NULL) == MC_REASON_HIT;
}

int session_delete(struct session *session, const char *key) {
    return mc_remove(session->mc, key, KEY_LEN) == MC_REASON_DELETED;
}

int session_incr(struct session *session, const char *key, uint64_t *number) {
    u_int64_t counted = 0;
    int reason = mc_incr64(session->mc, key, KEY_LEN, 1, &counted);
    *number = counted;
    return reason == MC_REASON_NUMBER;
}

size_t session_get_many(struct session *session, const char *const *keys, size_t count) {
    size_t i, right = 0;
    for (i = 0; i < count; i++) {
        struct mc_item *item = &session->items[i];
        item->key = keys[i];
        item->key_len = KEY_LEN;
        item->value = session->values + i * session->size;
        item->bytes = session->size;
    }
    mc_fetch_into_many(session->mc, session->items, count);
    for (i = 0; i < count; i++) {
        struct mc_item *item = &session->items[i];
        right += item->reason == MC_REASON_HIT && is_value(item->key, item->value, item->bytes);
    }
    return right;
}

const char *session_error(struct session *session) {
    return mc_reason_text(session->mc);
}
