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

int main(int argc, char **argv) {
    struct memcache *mc;
    begin();
    mc = open_servers(argc, argv);
    counting(mc);
    failures(mc);
    MC(free, mc);
    mc = MC0(new);
    nobody_to_ask(mc);
    CHECK(MC(server_add, mc, "127.0.0.1", "1") == 0);
    nobody_to_ask(mc);
    MC(free, mc);
    return end();
}
