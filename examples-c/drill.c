/*
 * A web site's sessions in memcached, as a program of the old libmemcache keeps them: nothing here
 * knows of pools, backups, or that a server may die. With MEMCACHE_POOL=/path/pool.toml in the
 * environment the same program lives through the death of a server.
 *
 *   drill [--strict] HOST:PORT...
 *
 * What it reads and writes, and what it prints, stands in drill-stages.h. With --strict it ends
 * with status 1 unless every read of every stage returned the newest value.
 */
#include <memcache.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drill-stages.h"

static unsigned complaints; /* failures of calls, as the library's error handler was told */

static int32_t complain(MCM_ERR_FUNC_SIG) {
    const struct memcache_ctxt *ctxt;
    struct memcache_err_ctxt *ectxt;

    MCM_ERR_INIT_CTXT(ctxt, ectxt);
    (void)ctxt;
    ectxt->cont = 'y';
    switch (ectxt->errcode) {
    case MCM_ERR_MC_VALID_SERVER:
    case MCM_ERR_TIMEOUT:
    case MCM_ERR_PROTO:
        complaints++;
    }
    return 0;
}

static enum drill_answer store(void *state, const struct drill_item *item) {
    int code = mc_set(state, (char *)item->key, item->key_len, item->value, item->value_len, 0, 0);
    return code == 0 ? DRILL_OK : DRILL_FAILED;
}

static enum drill_answer drop(void *state, const struct drill_item *item) {
    int code = mc_delete(state, (char *)item->key, item->key_len, 0);
    return code == 0 ? DRILL_OK : code == 1 ? DRILL_ABSENT : DRILL_FAILED;
}

static void keep(struct drill_item *item, const void *value, size_t len) {
    item->value_len = len < sizeof item->value ? len : sizeof item->value;
    memcpy(item->value, value, item->value_len);
    item->answer = DRILL_OK;
}

static void fetch_one(struct memcache *mc, struct drill_item *item) {
    unsigned before = complaints;
    size_t len;
    void *value = mc_aget2(mc, item->key, item->key_len, &len);

    if (value != NULL) {
        keep(item, value, len);
    } else {
        item->answer = complaints == before ? DRILL_ABSENT : DRILL_FAILED;
    }
    free(value);
}

static void fetch_many(struct memcache *mc, struct drill_item *items, unsigned count) {
    struct memcache_req *req = mc_req_new();
    struct memcache_res *res;
    unsigned before = complaints, i = 0;

    for (i = 0; i < count; i++) {
        mc_req_add(req, items[i].key, items[i].key_len);
    }
    mc_get(mc, req);
    i = 0;
    TAILQ_FOREACH(res, &req->query, entries) {
        if (mc_res_found(res)) {
            keep(&items[i], res->val, res->bytes);
        } else {
            items[i].answer = mc_res_attempted(res) && complaints == before ? DRILL_ABSENT : DRILL_FAILED;
        }
        i++;
    }
    mc_req_free(req);
}

static void fetch(void *state, struct drill_item *items, unsigned count) {
    if (count == 1) {
        fetch_one(state, items);
    } else {
        fetch_many(state, items, count);
    }
}

int main(int argc, char **argv) {
    struct drill_client client = {NULL, store, drop, fetch};
    struct memcache *mc;
    int first = 1, strict, i, status;

    strict = argc > 1 && strcmp(argv[1], "--strict") == 0;
    first += strict;
    mcErrSetup(complain);
    mc_err_filter_del(MCM_ERR_LVL_NOTICE);
    mc = mc_new();
    if (mc == NULL) {
        fprintf(stderr, "%s: mc_new failed\n", argv[0]);
        return 70;
    }
    mc_timeout(mc, 0, 500000);
    for (i = first; i < argc; i++) {
        if (mc_server_add4(mc, argv[i]) != 0) {
            fprintf(stderr, "%s: cannot use the server `%s'\n", argv[0], argv[i]);
            return 64;
        }
    }
    client.state = mc;
    status = drill_play(&client, strict);
    mc_free(mc);
    return status;
}
