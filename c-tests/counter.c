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
    MC(free, mc);
    MC(free, dead);
    return end();
}
