/*
 * A program that was never told of a table: it does what it reads from standard input, one line at a time,
 * and answers with one line. Whoever drives it plays the daemon.
 *
 *   set KEY VALUE | get KEY | servers | state N | held | choose TIMEOUT | preset SECONDS | timeouts | end
 *
 * The pool file is in MEMCACHE_POOL. What the error handler is told goes to standard error, one line each.
 */
#include <memcache.h>

#include "check.h"

static int32_t tell(MCM_ERR_FUNC_ARGS) {
    const struct memcache_ctxt *ctxt;
    struct memcache_err_ctxt *ectxt;
    MCM_ERR_INIT_CTXT(ctxt, ectxt);
    (void)ctxt;
    fprintf(stderr, "%s\n", ectxt->errmsg == NULL ? ectxt->errstr : ectxt->errmsg);
    return 0;
}

static void get(struct memcache *mc, char *key) {
    char *value = mc_aget(mc, key, strlen(key));
    printf("%s %s\n", mc_reason_name(mc_reason(mc)), value == NULL ? "-" : value);
    free(value);
}

/* Array and tail queue must be the same list. */
static void servers(struct memcache *mc) {
    struct memcache_server *server;
    u_int32_t count = 0;

    TAILQ_FOREACH(server, &mc->server_list, entries) {
        CHECK(count < mc->num_servers && mc->servers[count] == server);
        printf("%s%s:%s=%c", count == 0 ? "" : " ", server->hostname, server->port, server->active);
        count++;
    }
    CHECK(count == mc->num_servers && mc->servers[count] == NULL);
    printf("\n");
}

static void timeouts(struct memcache *mc) {
    struct memcache_server *server;

    TAILQ_FOREACH(server, &mc->server_list, entries) {
        printf("%ld.%06ld ", (long)server->tv.tv_sec, (long)server->tv.tv_usec);
    }
    printf("\n");
}

int main(void) {
    char line[256], key[100], value[100];
    struct memcache *mc = mc_new();
    struct memcache_server *first;
    unsigned number;

    CHECK(mc != NULL);
    mcErrSetup(tell);
    first = mc->servers[0];
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (sscanf(line, "set %99s %99s", key, value) == 2) {
            int answer = mc_set(mc, key, strlen(key), value, strlen(value), 0, 0);
            printf("%s %d\n", mc_reason_name(mc_reason(mc)), answer);
        } else if (sscanf(line, "get %99s", key) == 1) {
            get(mc, key);
        } else if (strcmp(line, "servers\n") == 0) {
            servers(mc);
        } else if (sscanf(line, "state %u", &number) == 1) {
            CHECK(number < mc->num_servers);
            printf("%d\n", mc_server_state(mc, mc->servers[number]));
        } else if (strcmp(line, "held\n") == 0) {
            /* The struct that the program has held since it began is its own to read until mc_free. */
            printf("%s:%s=%c\n", first->hostname, first->port, first->active);
        } else if (sscanf(line, "choose %99s", value) == 1) {
            printf("%s\n", mc_reason_name(mc_option_set(mc, "timeout", value)));
        } else if (sscanf(line, "preset %u", &number) == 1) {
            mc_timeout(mc, (int)number, 0);
            printf("%u\n", number);
        } else if (strcmp(line, "timeouts\n") == 0) {
            timeouts(mc);
        } else {
            CHECK(strcmp(line, "end\n") == 0);
            break;
        }
    }
    mc_server_free(first); /* in the list or not, the program may free it */
    mc_free(mc);
    return 0;
}
