/* Pool files and options. Arguments: what to do, and a pool file (good, then bad) or servers. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "new_calls.h"

static void option_is(struct memcache *mc, const char *name, const char *expected) {
    char value[32];
    CHECK(mc_option_get(mc, name, value, sizeof(value)) == (int)strlen(expected));
    CHECK(strcmp(value, expected) == 0);
}

static int waits(struct memcache *mc, size_t server) {
    int on = 7;
    socklen_t size = sizeof(on);
    CHECK(getsockopt(mc->servers[server]->fd, IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0);
    return on == 0;
}

static void files(const char *good, const char *bad) {
    char error[512], small[64], tiny[5] = "####";
    struct memcache *mc;
    struct mc_where where;
    void *value;

    mc = mc_open(good, error, sizeof(error));
    CHECK(mc != NULL && *error == '\0' && mc->num_servers == 2);
    CHECK(mc_reason(mc) == MC_REASON_DONE);
    REASON(mc, mc_store(mc, "key", 3, "v", 1, 0, 0), MC_REASON_STORED);
    REASON(mc, mc_fetch(mc, "key", 3, &value, NULL, NULL, NULL), MC_REASON_HIT);
    free(value);
    REASON(mc, mc_where(mc, "key", 3, &where), MC_REASON_DONE);
    CHECK(where.mirror != NULL && strstr(where.why, "first (127.0.0.1:") != NULL);
    CHECK(mc_server_add4(mc, "127.0.0.1:1") == 0 && mc->num_servers == 2);
    option_is(mc, "backups", "pairs");
    option_is(mc, "timeout", "5s");
    option_is(mc, "connect_timeout", "1s");
    option_is(mc, "max_ttl", "7d");
    REASON(mc, mc_option_set(mc, "backups", "none"), MC_REASON_BAD_OPTION);
    SAYS(mc, "operator");
    REASON(mc, mc_option_set(mc, "window", "1h"), MC_REASON_BAD_OPTION);
    REASON(mc, mc_option_set(mc, "max_ttl", "1h"), MC_REASON_BAD_OPTION);
    REASON(mc, mc_option_set(mc, "read_backup", "always"), MC_REASON_BAD_OPTION);
    REASON(mc, mc_option_set(mc, "timeout", "9s"), MC_REASON_DONE);
    REASON(mc, mc_option_set(mc, "connect_timeout", "2s"), MC_REASON_DONE);
    option_is(mc, "timeout", "9s");
    option_is(mc, "connect_timeout", "2s");
    CHECK(mc->servers[1]->tv.tv_sec == 9);
    REASON(mc, mc_remove(mc, "key", 3), MC_REASON_DELETED);
    mc_free(mc);

    CHECK(mc_open(bad, error, sizeof(error)) == NULL);
    CHECK(strstr(error, ":2: ") != NULL && strstr(error, "\n") != NULL && strstr(error, ":5: ") != NULL);
    memset(small, '#', sizeof(small));
    CHECK(mc_open(bad, tiny, 4) == NULL && strlen(tiny) == 3);
    CHECK(mc_open(bad, small, 1) == NULL && small[0] == '\0' && small[1] == '#');
    *strchr(error, '\n') = '\0';
    CHECK(mc_open(bad, error + 256, strlen(error) + 5) == NULL && strcmp(error, error + 256) == 0);
    CHECK(mc_open(bad, NULL, 0) == NULL && mc_open(bad, NULL, 9) == NULL);
    CHECK(mc_open("/nowhere/pool.toml", error, sizeof(error)) == NULL);
    CHECK(strstr(error, "/nowhere/pool.toml: cannot be opened") != NULL);
    CHECK(mc_open(NULL, error, sizeof(error)) == NULL && strstr(error, "NULL") != NULL);
    CHECK(mcm_open(NULL, good, error, sizeof(error)) == NULL && strstr(error, "NULL") != NULL);
}

/* The environment names a file that cannot be used. */
static void bad_environment(void) {
    struct memcache *mc;
    struct mc_item item;
    mc_err_filter_add(MCM_ERR_LVL_ERR);
    mc = mc_new();
    REASON(mc, mc_store(mc, "key", 3, "v", 1, 0, 0), MC_REASON_BAD_FILE);
    SAYS(mc, "MEMCACHE_POOL");
    memset(&item, 0, sizeof(item));
    item.key = "key";
    item.key_len = 3;
    CHECK(mc_remove_many(mc, &item, 1) == 0 && item.reason == MC_REASON_BAD_FILE);
    mc_free(mc);
}

static void options(int count, char **addresses) {
    struct memcache *mc = mc_new();
    char value[4];
    int i;

    for (i = 0; i < count; i++)
        CHECK(mc_server_add4(mc, addresses[i]) == 0);
    option_is(mc, "backups", "none");
    option_is(mc, "read_backup", "recovering");
    option_is(mc, "window", "1d");
    option_is(mc, "max_ttl", "none");
    option_is(mc, "timeout", "500ms");
    option_is(mc, "connect_timeout", "100ms");
    option_is(mc, "tcp_nodelay", "on");
    option_is(mc, "busy_poll", "off");
    REASON(mc, mc_option_set(mc, "timeout", "60s"), MC_REASON_DONE);
    REASON(mc, mc_option_set(mc, "connect_timeout", "61s"), MC_REASON_BAD_OPTION);
    REASON(mc, mc_option_set(mc, "connect_timeout", "20s"), MC_REASON_DONE);
    REASON(mc, mc_option_set(mc, "read_backup", "always"), MC_REASON_DONE);
    REASON(mc, mc_option_set(mc, "window", "90s"), MC_REASON_DONE);
    REASON(mc, mc_option_set(mc, "max_ttl", "7d"), MC_REASON_DONE);
    REASON(mc, mc_option_set(mc, "max_ttl", "none"), MC_REASON_DONE);
    REASON(mc, mc_option_set(mc, "max_ttl", "2h"), MC_REASON_DONE);
    REASON(mc, mc_option_set(mc, "backups", "pairs"), MC_REASON_DONE);
    option_is(mc, "backups", "pairs");
    option_is(mc, "read_backup", "always");
    option_is(mc, "window", "90s");
    option_is(mc, "max_ttl", "2h");
    option_is(mc, "timeout", "1m");
    option_is(mc, "connect_timeout", "20s");
    CHECK(mc->tv.tv_sec == 60 && mc->servers[0]->tv.tv_sec == 60);

    REASON(mc, mc_option_set(mc, "backups", "pears"), MC_REASON_BAD_OPTION);
    SAYS(mc, "backups: \"pears\" is not known (did you mean \"pairs\"?); allowed is \"pairs\" or \"none\"");
    REASON(mc, mc_option_set(mc, "timeout", "soon"), MC_REASON_BAD_OPTION);
    SAYS(mc, "timeout: \"soon\" is not a duration");
    REASON(mc, mc_option_set(mc, "timeout", "1h"), MC_REASON_BAD_OPTION);
    REASON(mc, mc_option_set(mc, "timeuot", "1s"), MC_REASON_BAD_OPTION);
    SAYS(mc, "did you mean timeout?");
    REASON(mc, mc_option_set(mc, NULL, "1s"), MC_REASON_BAD_OPTION);
    REASON(mc, mc_option_set(mc, "timeout", NULL), MC_REASON_BAD_OPTION);
    REASON(mc, mc_option_set(mc, "timeout", "\xff"), MC_REASON_BAD_OPTION);
    CHECK(mc_option_set(NULL, "timeout", "1s") == MC_REASON_BAD_VALUE);
    option_is(mc, "timeout", "1m");
    CHECK(mc_option_get(mc, "backups", value, sizeof(value)) == 5 && strcmp(value, "pai") == 0);
    CHECK(mc_option_get(mc, "backups", NULL, 0) == 5 && mc_option_get(mc, "backups", NULL, 1) == -1);
    CHECK(mc_option_get(mc, "none", value, sizeof(value)) == -1);
    CHECK(mc_option_get(mc, NULL, value, sizeof(value)) == -1);
    CHECK(mc_option_get(NULL, "backups", value, sizeof(value)) == -1);

    REASON(mc, mc_option_set(mc, "busy_poll", "1s"), MC_REASON_BAD_OPTION);
    option_is(mc, "busy_poll", "off");
    REASON(mc, mc_option_set(mc, "busy_poll", "200us"), MC_REASON_DONE);
    option_is(mc, "busy_poll", "200us");

    /* Two servers hold every value. */
    REASON(mc, mc_store(mc, "key", 3, "v", 1, 0, 0), MC_REASON_STORED);
    CHECK(mc->servers[0]->fd >= 0 && mc->servers[1]->fd >= 0 && !waits(mc, 0) && !waits(mc, 1));
    REASON(mc, mc_fetch(mc, "key", 3, NULL, NULL, NULL, NULL), MC_REASON_HIT); /* polled for */
    REASON(mc, mc_option_set(mc, "busy_poll", "off"), MC_REASON_DONE);
    option_is(mc, "busy_poll", "off");
    REASON(mc, mc_option_set(mc, "tcp_nodelay", "off"), MC_REASON_DONE);
    option_is(mc, "tcp_nodelay", "off");
    REASON(mc, mc_store(mc, "key", 3, "v", 1, 0, 0), MC_REASON_STORED);
    CHECK(waits(mc, 0) && waits(mc, 1)); /* the connections that there are */
    mc_server_nodelay_enable(mc->servers[1], 1);
    mc_server_disconnect_all(mc);
    REASON(mc, mc_store(mc, "key", 3, "v", 1, 0, 0), MC_REASON_STORED);
    CHECK(waits(mc, 0) && !waits(mc, 1)); /* and new ones */
    mc_nodelay_enable(mc, 1);
    REASON(mc, mc_store(mc, "key", 3, "v", 1, 0, 0), MC_REASON_STORED);
    CHECK(!waits(mc, 0) && !waits(mc, 1));
    mc_nodelay_enable(NULL, 1);
    mc_server_nodelay_enable(NULL, 1);

    CHECK(mc_server_reset_all_dns(mc) == 0 && mc_server_reset_dns(mc->servers[0]) == 0);
    CHECK(mc->servers[0]->num_addrs > 0 && mc->servers[0]->hostinfo != NULL);
    REASON(mc, mc_fetch(mc, "key", 3, NULL, NULL, NULL, NULL), MC_REASON_HIT);
    CHECK(mc_server_reset_all_dns(NULL) == -1 && mc_server_reset_dns(NULL) == -1);
    mc_free(mc);
}

int main(int argc, char **argv) {
    CHECK(argc >= 2);
    if (strcmp(argv[1], "files") == 0)
        files(argv[2], argv[3]);
    else if (strcmp(argv[1], "bad") == 0)
        bad_environment();
    else
        options(argc - 2, argv + 2);
    return 0;
}
