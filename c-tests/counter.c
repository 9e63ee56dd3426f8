/* Counters, against the live servers of the arguments. */
#include "kit.h"

static void counting(struct memcache *mc) {
    CHECK(put(mc, "n", "40") == 0);
    ctxt->errnum = 99;
    CHECK(MC(incr, mc, "n", 1, 2) == 42 && ctxt->errnum == 0);
    CHECK(MC(decr, mc, "n", 1, 2) == 40 && ctxt->errnum == 0);
    CHECK(MC(decr, mc, "n", 1, 100) == 0 && ctxt->errnum == 0); /* stops at 0, and that is no failure */
    CHECK(MC(incr, mc, "n", 1, 0) == 0 && ctxt->errnum == 0);
    CHECK(MC(incr, mc, "n", 1, 4294967295u) == 4294967295u);
    CHECK(MC(incr, mc, "n", 1, 2) == 1 && ctxt->errnum == 0); /* 32 bits of 4294967297 */
    CHECK(MC(decr, mc, "n", 1, 7) == 4294967290u);
    CHECK(put(mc, "n", "18446744073709551615") == 0 && MC(incr, mc, "n", 1, 1) == 0 && ctxt->errnum == 0);
    CHECK(silent());
}

static void failures(struct memcache *mc) {
    char key[251];
    memset(key, 'k', sizeof(key));
    ctxt->errnum = 99;
    CHECK(MC(incr, mc, "none", 4, 1) == 0 && ctxt->errnum == ENOENT && silent());
    ctxt->errnum = 99;
    CHECK(MC(decr, mc, "none", 4, 1) == 0 && ctxt->errnum == ENOENT && silent());

    CHECK(put(mc, "text", "no number") == 0);
    CHECK(MC(incr, mc, "text", 4, 1) == 0 && ctxt->errnum == EINVAL && raised(MCM_ERR_MC_STORE, MCM_ERR_LVL_NOTICE));
    CHECK(strstr(last_message, "non-numeric") != NULL);
    CHECK(MC(decr, mc, "text", 4, 1) == 0 && ctxt->errnum == EINVAL && raised(MCM_ERR_MC_STORE, MCM_ERR_LVL_NOTICE));

    CHECK(MC(incr, mc, "a b", 3, 1) == 0 && ctxt->errnum == EINVAL && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
    CHECK(MC(decr, mc, "a\n", 2, 1) == 0 && ctxt->errnum == EINVAL && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
    CHECK(MC(incr, mc, key, 251, 1) == 0 && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
    CHECK(MC(incr, mc, "", 0, 1) == 0 && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
    CHECK(put(mc, "n", "1") == 0 && MC(incr, mc, "n", 1, 1) == 2); /* the connection is in step */

    ctxt->errnum = 0;
    CHECK(MC(incr, NULL, "n", 1, 1) == 0 && ctxt->errnum == EINVAL);
    ctxt->errnum = 0;
    CHECK(MC(incr, mc, NULL, 1, 1) == 0 && ctxt->errnum == EINVAL);
    CHECK(MC(incr, NULL, "n", 1, 1) == 0 && MC(incr, mc, NULL, 1, 1) == 0 && mcm_incr(NULL, mc, "n", 1, 1) == 0);
    CHECK(MC(decr, NULL, "n", 1, 1) == 0 && MC(decr, mc, NULL, 1, 1) == 0 && mcm_decr(NULL, mc, "n", 1, 1) == 0);
    CHECK(silent() && holds(mc, "n", "2"));
}

static void nobody_to_ask(struct memcache *mc) {
    CHECK(MC(incr, mc, "n", 1, 1) == 0 && ctxt->errnum == EHOSTUNREACH);
    CHECK(raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE));
    CHECK(MC(decr, mc, "n", 1, 1) == 0 && ctxt->errnum == EHOSTUNREACH);
    CHECK(raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE));
}

/* A handler that makes calls of its own: what it did is not what the call answers. */
static struct memcache *handlers;

static int32_t calls_again(MCM_ERR_FUNC_ARGS) {
    const struct memcache_ctxt *raised_in;
    struct memcache_err_ctxt *ectxt;
    MCM_ERR_INIT_CTXT(raised_in, ectxt);
    CHECK(raised_in == ctxt && ectxt->errcode == MCM_ERR_MC_VALID_SERVER);
    CHECK(MC(incr, handlers, "n", 1, 1) > 0 && ctxt->errnum == 0);
    CHECK(MC(aget, handlers, "none", 4) == NULL);
    return 0;
}

static void within_a_handler(struct memcache *mc, struct memcache *dead) {
    mcErrFunc before = ctxt->mcErr;
    handlers = mc;
    ctxt->mcErr = calls_again;
    CHECK(MC(incr, dead, "n", 1, 1) == 0 && ctxt->errnum == EHOSTUNREACH);
    ctxt->mcErr = before;
}

/* One that does something else with the handle of the call that it is told of, which it finds as it ended. */
static int handled, ended;

static int32_t asks_else(MCM_ERR_FUNC_ARGS) {
    const struct memcache_ctxt *raised_in;
    struct memcache_err_ctxt *ectxt;
    MCM_ERR_INIT_CTXT(raised_in, ectxt);
    CHECK(raised_in == ctxt && ectxt->cont == 'y');
    ended = MC(reason, handlers);
    CHECK(MC(store, handlers, "else where", 10, NULL, 1, 0, 0) == MC_REASON_BAD_VALUE);
    handled++;
    return 0;
}

/* Whether the handler was told once, and the reason is the call's: before it came and after it went. */
static int ended_as(struct memcache *mc, int reason, const char *words) {
    const char *text = MC(reason_text, mc);
    int so = handled == 1 && ended == reason && MC(reason, mc) == reason && strstr(text, words) != NULL;
    if (!so)
        fprintf(stderr, "%d times, %s, %s: %s\n", handled, MC(reason_name, ended), MC(reason_name, MC(reason, mc)), text);
    handled = 0;
    return so;
}

static void gets_by_request(struct memcache *mc) {
    struct memcache_req *req = MC0(req_new);
    CHECK(MC(req_add, req, "n", 1) != NULL);
    MC(get, mc, req);
    MC(req_free, req);
}

static void within_a_handler_of_the_same(struct memcache *mc, struct memcache *dead) {
    mcErrFunc before = ctxt->mcErr;
    ctxt->mcErr = asks_else;
    handlers = mc;
    CHECK(MC(incr, mc, "text", 4, 1) == 0 && ended_as(mc, MC_REASON_REFUSED, "\"text\"") && ctxt->errnum == EINVAL);
    CHECK(MC(add, mc, "n", 1, "7", 1, 0, 0) == 1 && ended_as(mc, MC_REASON_NOT_STORED, "not stored"));
    CHECK(MC(set, mc, "n", 1, "7", (size_t)1 << 40, 0, 0) == -4 && ended_as(mc, MC_REASON_BAD_VALUE, "bytes"));
    allocations_fail(1, 1);
    CHECK(MC(aget, mc, "n", 1) == NULL && ended_as(mc, MC_REASON_NO_MEMORY, "\"n\""));
    allocations_fail(4, 4); /* a request, a response and its key; then the value */
    gets_by_request(mc);
    CHECK(ended_as(mc, MC_REASON_NO_MEMORY, "no memory"));
    allocations_fail(1, 1);
    CHECK(MC(stats, mc) == NULL && MC(reason, mc) == MC_REASON_NO_MEMORY && handled == 1);
    handled = 0;
    handlers = dead;
    CHECK(put(dead, "n", "7") == -1 && ended_as(dead, MC_REASON_UNAVAILABLE, "\"n\""));
    CHECK(MC(delete, dead, "n", 1, 0) == -1 && ended_as(dead, MC_REASON_UNAVAILABLE, "\"n\""));
    CHECK(MC(incr, dead, "n", 1, 1) == 0 && ended_as(dead, MC_REASON_UNAVAILABLE, "\"n\""));
    CHECK(MC(aget, dead, "n", 1) == NULL && ended_as(dead, MC_REASON_UNAVAILABLE, "\"n\""));
    gets_by_request(dead);
    CHECK(ended_as(dead, MC_REASON_UNAVAILABLE, "could be asked"));
    CHECK(MC(stats, dead) == NULL && ended_as(dead, MC_REASON_UNAVAILABLE, "could be asked"));
    CHECK(MC(flush_all, dead) == -1 && ended_as(dead, MC_REASON_UNAVAILABLE, "could be asked"));
    ctxt->mcErr = before;
}

int main(int argc, char **argv) {
    struct memcache *mc, *dead;
    begin();
    mc = open_servers(argc, argv);
    counting(mc);
    failures(mc);
    dead = MC0(new);
    nobody_to_ask(dead);
    CHECK(MC(server_add, dead, "127.0.0.1", "1") == 0);
    nobody_to_ask(dead);
    within_a_handler(mc, dead);
    within_a_handler_of_the_same(mc, dead);
    MC(free, mc);
    MC(free, dead);
    return end();
}
