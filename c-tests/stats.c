/* Statistics and flushing, against the live servers of the arguments. */
#include <time.h>

#include "kit.h"

static void statistics(struct memcache *mc) {
    struct memcache_server_stats *all, *one;
    u_int64_t sets = 0, gets = 0, hits = 0, misses = 0, bytes = 0, total = 0, limit = 0, in = 0, connections = 0;
    u_int32_t i, items = 0, open = 0;
    char key[16];

    for (i = 0; i < 50; i++) {
        snprintf(key, sizeof(key), "key%u", i);
        CHECK(put(mc, key, "value") == 0 && holds(mc, key, "value") && !holds(mc, "none", ""));
    }
    for (i = 0; i < mc->num_servers; i++) {
        one = MC(server_stats, mc, mc->servers[i]);
        CHECK(one != NULL && one->pid > 0 && one->uptime >= 0 && one->version[0] == '1');
        CHECK(one->time > time(NULL) - 100 && one->time < time(NULL) + 100);
        CHECK(one->rusage_user.tv_usec >= 0 && one->rusage_user.tv_usec < 1000000);
        CHECK(one->rusage_system.tv_sec >= 0 && one->rusage_system.tv_usec < 1000000);
        CHECK(one->curr_items > 0 && one->total_items >= one->curr_items && one->bytes > 0);
        CHECK(one->curr_connections > 0 && one->connection_structures > 0);
        CHECK(one->cmd_get == one->get_hits + one->get_misses && one->bytes_written > 0);
        items += one->curr_items, total += one->total_items, bytes += one->bytes;
        sets += one->cmd_set, gets += one->cmd_get, hits += one->get_hits, misses += one->get_misses;
        limit += one->limit_maxbytes, in += one->bytes_read;
        open += one->curr_connections, connections += one->total_connections;
        MC(server_stats_free, one);
    }
    CHECK(items == 50 && sets >= 50 && hits >= 50 && misses >= 50);
    all = MC(stats, mc);
    CHECK(all != NULL && all->pid > 0 && all->version[0] == '1' && all->time > 0);
    CHECK(all->curr_items == items && all->total_items == total && all->bytes == bytes && all->cmd_set == sets);
    CHECK(all->cmd_get == gets && all->get_hits == hits && all->get_misses == misses);
    CHECK(all->limit_maxbytes == limit && all->bytes_read > in && all->bytes_written > 0);
    CHECK(all->curr_connections == open && all->total_connections == connections);
    MC(server_stats_free, all);
    MC(server_stats_free, NULL);
    CHECK(silent());
}

static void flushing(struct memcache *mc) {
    struct memcache_server_stats *all;
    u_int32_t i;
    int left = 0;
    char key[16];
    CHECK(MC(flush, mc, mc->servers[0]) == 0);
    for (i = 0; i < 50; i++) {
        snprintf(key, sizeof(key), "key%u", i);
        left += holds(mc, key, "value");
    }
    CHECK(mc->num_servers == 1 ? left == 0 : left > 0 && left < 50); /* one server, and only that one */
    CHECK(put(mc, "key1", "again") == 0);
    CHECK(MC(flush_all, mc) == 0 && !holds(mc, "key1", "again") && put(mc, "key1", "again") == 0);
    for (i = 2; i < 50; i++) {
        snprintf(key, sizeof(key), "key%u", i);
        CHECK(!holds(mc, key, "value"));
    }
    CHECK((all = MC(stats, mc)) != NULL);
    MC(server_stats_free, all);
}

static void failures(struct memcache *mc) {
    struct memcache_server *stranger = MC0(server_new);
    CHECK(MC(server_stats, mc, stranger) == NULL && MC(flush, mc, stranger) == -1); /* never added */
    MC(server_free, stranger);
    CHECK(MC(server_stats, NULL, mc->servers[0]) == NULL && MC(server_stats, mc, NULL) == NULL);
    CHECK(mcm_server_stats(NULL, mc, mc->servers[0]) == NULL && mcm_stats(NULL, mc) == NULL && MC(stats, NULL) == NULL);
    CHECK(MC(flush, NULL, mc->servers[0]) == -1 && MC(flush, mc, NULL) == -1 && MC(flush_all, NULL) == -1);
    CHECK(mcm_flush(NULL, mc, mc->servers[0]) == -1 && mcm_flush_all(NULL, mc) == -1);
    mcm_server_stats_free(NULL, NULL);
    CHECK(silent());

    allocations_fail(1, 1);
    CHECK(MC(stats, mc) == NULL && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR));
    allocations_fail(2, 2);
    CHECK(MC(stats, mc) == NULL && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR));
    allocations_fail(1, 2);
    CHECK(MC(server_stats, mc, mc->servers[0]) == NULL && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR));
    allocations_fail(2, 2);
    CHECK(MC(server_stats, mc, mc->servers[0]) == NULL && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR));
}

static void nobody_to_ask(struct memcache *mc) {
    CHECK(MC(stats, mc) == NULL && raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE));
    CHECK(MC(flush_all, mc) == -1 && raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE));
    answer_retcode = 31;
    CHECK(MC(flush_all, mc) == 31 && raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE));
    answer_retcode = 0;
    if (mc->num_servers == 0)
        return;
    CHECK(MC(server_stats, mc, mc->servers[0]) == NULL && raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE));
    CHECK(MC(flush, mc, mc->servers[0]) == -1 && raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE));
}

int main(int argc, char **argv) {
    struct memcache *mc;
    begin();
    mc = open_servers(argc, argv);
    statistics(mc);
    flushing(mc);
    failures(mc);
    MC(free, mc);
    mc = MC0(new);
    nobody_to_ask(mc);
    CHECK(MC(server_add, mc, "127.0.0.1", "1") == 0);
    nobody_to_ask(mc);
    MC(free, mc);
    return end();
}
