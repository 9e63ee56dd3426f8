/* An old program in a process whose environment names a pool file. The argument says what the file is:
 * "good" with two servers, "bad", "dead" with servers that nobody listens for, or "lost" with names that stand for none. */
#include <memcache.h>

#include "check.h"

static u_int32_t code, severity;
static int notices, errors, hosts;

static int32_t remember(MCM_ERR_FUNC_ARGS) {
    const struct memcache_ctxt *ctxt;
    struct memcache_err_ctxt *ectxt;
    MCM_ERR_INIT_CTXT(ctxt, ectxt);
    CHECK(ctxt != NULL && ectxt->errmsg != NULL);
    code = ectxt->errcode;
    severity = (u_int32_t)ectxt->severity;
    notices += severity == MCM_ERR_LVL_NOTICE && code == MCM_ERR_MC_SERV_LIST;
    hosts += code == MCM_ERR_NET_HOST;
    errors += severity == MCM_ERR_LVL_ERR && code == MCM_ERR_MC_SERV_LIST;
    return 0;
}

int main(int argc, char **argv) {
    struct memcache *mc;
    struct memcache_server *ms;
    char *value;

    CHECK(argc == 2);
    mcErrSetup(remember);
    mc_err_filter_del(MCM_ERR_LVL_NOTICE);
    mc = mc_new();
    CHECK(mc != NULL);
    CHECK(errors == (strcmp(argv[1], "bad") == 0 ? 2 : 0)); /* one a problem */
    CHECK(mc_server_add4(mc, "127.0.0.1:1") == 0 && mc_server_add(mc, "localhost", "2") == 0);
    ms = mc_server_new();
    CHECK(mc_server_add3(mc, ms) == 0 && mc_server_add3(mc, ms) == -1);
    CHECK(notices == 1);
    mc_server_free(ms); /* the handle kept it, in no list, and must not free it again */
    ms = mc_server_new();
    CHECK(mc_server_add3(mc, ms) == 0); /* this one is mc_free's */

    if (strcmp(argv[1], "good") == 0) {
        CHECK(mc->num_servers == 2 && mc->servers[0]->tv.tv_sec == 5);
        CHECK(mc_set(mc, "key", 3, "value", 5, 0, 0) == 0);
        value = mc_aget(mc, "key", 3);
        CHECK(value != NULL && strcmp(value, "value") == 0);
        free(value);
        mc_server_deactivate(mc, mc->servers[0]);
        CHECK(notices == 2 && mc->servers[0]->active == 'u');
    } else {
        CHECK(mc->num_servers == (strcmp(argv[1], "bad") == 0 ? 0u : 2u));
        CHECK(mc_set(mc, "key", 3, "value", 5, 0, 0) == -1 && code == MCM_ERR_MC_VALID_SERVER);
        CHECK(mc_aget(mc, "key", 3) == NULL && mc_delete(mc, "key", 3, 0) == -1);
        CHECK(mc_incr(mc, "key", 3, 1) == 0 && mc_stats(mc) == NULL && mc_flush_all(mc) < 0);
        CHECK(hosts == (strcmp(argv[1], "lost") == 0 ? 2 : 0)); /* each is told once, and not with every call */
        if (mc->num_servers > 0)
            CHECK(mc->servers[0]->active == 'd' && mc->servers[0]->fd == -1);
    }
    mc_free(mc);
    return 0;
}
