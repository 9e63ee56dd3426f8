/* Adding servers in all five ways, what their structs show, and each way to fail. No server is asked. */
#include "kit.h"

struct added {
    const char *text, *host, *port;
};

/* For server_add4 and, with rubbish behind it, server_add5. */
static const struct added one_text[] = {
    { "127.0.0.1:11213", "127.0.0.1", "11213" },
    { "127.0.0.1", "127.0.0.1", "11211" },
    { "127.0.0.1:", "127.0.0.1", "11211" },
    { ":11213", "localhost", "11213" },
    { "", "localhost", "11211" },
    { "[::1]:11213", "::1", "11213" },
    { "::1", "::1", "11211" },
    { "unix:/tmp/nobody.sock", "unix:/tmp/nobody.sock", "11211" },
    { "/tmp/nobody.sock", "/tmp/nobody.sock", "11211" },
};

static int shows(struct memcache *mc, const char *host, const char *port) {
    struct memcache_server *ms = mc->servers[mc->num_servers - 1];
    int local = host[0] == '/' || strncmp(host, "unix:", 5) == 0;
    CHECK(mc->servers[mc->num_servers] == NULL && ms->entries.tqe_next == NULL);
    CHECK(ms->fd == -1 && ms->active == 't' && ms->misc == NULL);
    CHECK(local ? ms->hostinfo == NULL && ms->num_addrs == 0 : ms->hostinfo != NULL && ms->num_addrs >= 1);
    return strcmp(ms->hostname, host) == 0 && strcmp(ms->port, port) == 0;
}

static void adding(struct memcache *mc) {
    char text[64];
    size_t i;
    struct memcache_server *ms;
    u_int32_t n = 0;

    CHECK(mc->num_servers == 0 && mc->misc == NULL && mc->tv.tv_sec == 0 && mc->tv.tv_usec == 0);
    CHECK(TAILQ_FIRST(&mc->server_list) == NULL);
    CHECK(MC(server_add, mc, "127.0.0.1", "11213") == 0 && shows(mc, "127.0.0.1", "11213"));
    CHECK(MC(server_add, mc, NULL, NULL) == 0 && shows(mc, "localhost", "11211"));
    CHECK(MC(server_add, mc, "", "") == 0 && shows(mc, "localhost", "11211"));
    CHECK(MC(server_add, mc, "127.0.0.1", NULL) == 0 && shows(mc, "127.0.0.1", "11211"));
    CHECK(MC(server_add2, mc, "127.0.0.1x", 9, "11212x", 5) == 0 && shows(mc, "127.0.0.1", "11212"));
    CHECK(MC(server_add2, mc, NULL, 0, NULL, 0) == 0 && shows(mc, "localhost", "11211"));
    CHECK(MC(server_add2, mc, "127.0.0.1\0junk", 14, "1\0junk", 6) == 0 && shows(mc, "127.0.0.1", "1"));
    CHECK(MC(server_add4, mc, NULL) == 0 && shows(mc, "localhost", "11211"));
    CHECK(MC(server_add5, mc, NULL, 0) == 0 && shows(mc, "localhost", "11211"));
    CHECK(MC(server_add5, mc, NULL, 9) == 0 && shows(mc, "localhost", "11211"));
    for (i = 0; i < sizeof(one_text) / sizeof(one_text[0]); i++) {
        const struct added *a = &one_text[i];
        CHECK(MC(server_add4, mc, a->text) == 0 && shows(mc, a->host, a->port));
        snprintf(text, sizeof(text), "%s99", a->text);
        CHECK(MC(server_add5, mc, text, strlen(a->text)) == 0 && shows(mc, a->host, a->port));
    }

    /* A server of the program's making. */
    ms = MC0(server_new);
    CHECK(ms != NULL && ms->hostname == NULL && ms->port == NULL && ms->fd == -1 && ms->active == 't');
    ms->hostname = MC(strdup, "127.0.0.1");
    CHECK(MC(server_add3, mc, ms) == 0 && mc->servers[mc->num_servers - 1] == ms && shows(mc, "127.0.0.1", "11211"));
    CHECK(MC(server_add3, mc, ms) == -1 && silent()); /* it is in the list already */
    ms = MC0(server_new);
    CHECK(MC(server_add3, mc, ms) == 0 && shows(mc, "localhost", "11211"));

    TAILQ_FOREACH(ms, &mc->server_list, entries)
        CHECK(ms == mc->servers[n++]);
    CHECK(n == mc->num_servers && n == 12 + 2 * sizeof(one_text) / sizeof(one_text[0]));
    CHECK(silent());
}

static void removing(struct memcache *mc) {
    u_int32_t count = mc->num_servers;
    struct memcache_server *second = mc->servers[1], *last = mc->servers[count - 2], *ms;
    MC(server_free, mc->servers[0]);
    CHECK(mc->num_servers == count - 1 && mc->servers[0] == second && TAILQ_FIRST(&mc->server_list) == second);
    MC(server_free, mc->servers[count - 2]);
    CHECK(mc->num_servers == count - 2 && mc->servers[count - 3] == last && mc->servers[count - 2] == NULL);
    CHECK(TAILQ_NEXT(last, entries) == NULL);
    CHECK(MC(server_add, mc, "127.0.0.1", "7") == 0 && shows(mc, "127.0.0.1", "7"));
    ms = MC0(server_new); /* one that was never added */
    ms->hostname = MC(strdup, "x");
    MC(server_free, ms);
    MC(server_free, NULL);
    MC(free, mc);
    MC(free, NULL);
}

static void failing(void) {
    struct memcache *mc = MC0(new);
    struct memcache_server *ms;
    int i;
    /* struct, host, port, list */
    static const int answers[] = { -1, -2, -3, -5 };
    static const u_int32_t codes[] = { MCM_ERR_MEM_MALLOC, MCM_ERR_MEM_MALLOC, MCM_ERR_MEM_MALLOC, MCM_ERR_MEM_REALLOC };

    CHECK(MC(server_add, mc, "no such host.invalid", "1") == -4 && raised(MCM_ERR_NET_HOST, MCM_ERR_LVL_WARN));
    CHECK(MC(server_add2, mc, "no such host.invalidx", 20, "1", 1) == -4 && raised(MCM_ERR_NET_HOST, MCM_ERR_LVL_WARN));
    CHECK(MC(server_add4, mc, "no such host.invalid:1") == -4 && raised(MCM_ERR_NET_HOST, MCM_ERR_LVL_WARN));
    CHECK(MC(server_add5, mc, "no such host.invalid:1x", 22) == -4 && raised(MCM_ERR_NET_HOST, MCM_ERR_LVL_WARN));
    CHECK(MC(server_add, mc, "127.0.0.1", "no such port") == -4 && raised(MCM_ERR_NET_HOST, MCM_ERR_LVL_WARN));
    ms = MC0(server_new);
    ms->hostname = MC(strdup, "no such host.invalid");
    CHECK(MC(server_add3, mc, ms) == -4 && raised(MCM_ERR_NET_HOST, MCM_ERR_LVL_WARN));
    CHECK(ms->active == 'n');
    MC(server_free, ms); /* it is the program's still */
    answer_retcode = 77;
    CHECK(MC(server_add, mc, "no such host.invalid", "1") == 77 && raised(MCM_ERR_NET_HOST, MCM_ERR_LVL_WARN));
    answer_retcode = 0;
    CHECK(mc->num_servers == 0 && mc->servers == NULL);

    for (i = 0; i < 4; i++) {
        long before = blocks;
        int round;
        for (round = 0; round < 4; round++) {
            allocations_fail(i + 1, i + 1);
            CHECK((round == 0   ? MC(server_add, mc, "127.0.0.1", "1")
                   : round == 1 ? MC(server_add2, mc, "127.0.0.1", 9, "1", 1)
                   : round == 2 ? MC(server_add4, mc, "127.0.0.1:1")
                                : MC(server_add5, mc, "127.0.0.1:1", 11)) == answers[i]);
            CHECK(raised(codes[i], MCM_ERR_LVL_ERR) && mc->num_servers == 0 && blocks == before);
        }
        answer_retcode = 55;
        allocations_fail(i + 1, i + 1);
        CHECK(MC(server_add, mc, "127.0.0.1", "1") == 55 && raised(codes[i], MCM_ERR_LVL_ERR));
        answer_retcode = 0;
    }
    allocations_fail(1, 1);
    CHECK(MC0(server_new) == NULL && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR));
    ms = MC0(server_new);
    allocations_fail(1, 1);
    CHECK(MC(server_add3, mc, ms) == -2 && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR));
    allocations_fail(2, 2);
    CHECK(MC(server_add3, mc, ms) == -3 && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR));
    allocations_fail(2, 2); /* the host is there from before */
    CHECK(MC(server_add3, mc, ms) == -5 && raised(MCM_ERR_MEM_REALLOC, MCM_ERR_LVL_ERR) && mc->num_servers == 0);
    CHECK(MC(server_add3, mc, ms) == 0 && mc->num_servers == 1); /* with memory it goes on */

    CHECK(MC(server_add, NULL, "127.0.0.1", "1") == -1 && MC(server_add2, NULL, "h", 1, "1", 1) == -1);
    CHECK(MC(server_add3, NULL, ms) == -1 && MC(server_add3, mc, NULL) == -1);
    CHECK(MC(server_add4, NULL, "h:1") == -1 && MC(server_add5, NULL, "h:1", 3) == -1);
    CHECK(mcm_server_add(NULL, mc, "h", "1") == -1 && mcm_server_add2(NULL, mc, "h", 1, "1", 1) == -1);
    CHECK(mcm_server_add3(NULL, mc, ms) == -1 && mcm_server_add4(NULL, mc, "h:1") == -1);
    CHECK(mcm_server_add5(NULL, mc, "h:1", 3) == -1 && mcm_server_new(NULL) == NULL);
    mcm_server_free(NULL, ms); /* without a context nothing is freed */
    CHECK(silent() && mc->num_servers == 1);
    MC(free, mc);

    allocations_fail(1, 1);
    CHECK(MC0(new) == NULL && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR));
    mcm_free(NULL, NULL);
}

static void timeouts(void) {
    struct memcache *mc = MC0(new);
    struct memcache_server *ms;
    MC(timeout, mc, 2, 3000001);
    CHECK(mc->tv.tv_sec == 5 && mc->tv.tv_usec == 1);
    CHECK(MC(server_add, mc, "127.0.0.1", "1") == 0);
    ms = mc->servers[0];
    CHECK(ms->tv.tv_sec == 5 && ms->tv.tv_usec == 1);
    MC(timeout, mc, 0, 250); /* for those that are added from now on */
    CHECK(MC(server_add, mc, "127.0.0.1", "2") == 0 && ms->tv.tv_sec == 5);
    CHECK(mc->servers[1]->tv.tv_sec == 0 && mc->servers[1]->tv.tv_usec == 250);
    CHECK(MC(server_timeout, ms, 1, 5) == 1 && ms->tv.tv_sec == 1 && ms->tv.tv_usec == 5);
    CHECK(MC(server_timeout, ms, 0, 1500000) == 1 && ms->tv.tv_sec == 1 && ms->tv.tv_usec == 500000);
    CHECK(MC(server_timeout, ms, -1, 0) == 0 && MC(server_timeout, ms, 0, -1) == 0 && ms->tv.tv_sec == 1);
    CHECK(MC(server_timeout, NULL, 1, 0) == 0 && mcm_server_timeout(NULL, ms, 9, 9) == 0 && ms->tv.tv_sec == 1);
    MC(timeout, mc, -1, 0);
    CHECK(mc->tv.tv_sec == 0 && mc->tv.tv_usec == 0); /* the default */
    MC(timeout, mc, 2147483647, 2147483647);
    CHECK(mc->tv.tv_sec == 2147483647L + 2147 && mc->tv.tv_usec == 483647);
    MC(timeout, NULL, 1, 0);
    mcm_timeout(NULL, mc, 1, 0);
    CHECK(mc->tv.tv_sec == 2147483647L + 2147);
    CHECK(MC(server_timeout, ms, 0, 0) == 1 && ms->tv.tv_sec == 0 && ms->tv.tv_usec == 0);
    MC(free, mc);
}

int main(void) {
    struct memcache *mc;
    begin();
    mc = MC0(new);
    adding(mc);
    removing(mc);
    failing();
    timeouts();
    return end();
}
