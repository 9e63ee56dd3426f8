/* Taking servers out of use and back, connections closed and made anew, and which server a hash has. The
 * arguments are live servers. */
#include "kit.h"

/* The calls bring a server back; it may take a few, and it never holds what is old. */
static void is_back(struct memcache *mc, struct memcache_server *server, const char *key, const char *value) {
    int i;
    for (i = 0; i < 1000000 && server->active != 'u'; i++) {
        char *read = MC(aget, mc, (char *)key, strlen(key));
        CHECK(read == NULL || strcmp(read, value) == 0);
        if (read != NULL)
            counting_free(read);
    }
    CHECK(server->active == 'u');
}

static void using_and_not(struct memcache *mc) {
    struct memcache_server *first = mc->servers[0], *stranger = MC0(server_new);
    CHECK(put(mc, "key", "value") == 0);
    CHECK(MC(server_activate, mc, first) == -3); /* it is up */
    CHECK(MC(server_activate, mc, stranger) == -2); /* it was never added */
    MC(server_deactivate, mc, stranger);
    CHECK(stranger->active == 't');
    MC(server_free, stranger);

    MC(server_deactivate, mc, first);
    CHECK(first->active == 'd' && first->fd == -1);
    CHECK(put(mc, "key", "newer") == (mc->num_servers == 1 ? -1 : 0));
    CHECK(mc->num_servers == 1 ? raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE) : holds(mc, "key", "newer"));
    CHECK(first->active == 'd');
    CHECK(MC(server_activate, mc, first) == 0 && first->active != 'd');
    CHECK(MC(server_activate, mc, first) == -3);
    CHECK(put(mc, "key", "newest") == 0);
    is_back(mc, first, "key", "newest");
    CHECK(put(mc, "key", "newest") == 0 && holds(mc, "key", "newest"));

    MC(server_deactivate, mc, first);
    first->active = 'n'; /* as of a host that is not known */
    CHECK(MC(server_activate, mc, first) == -1);
    first->active = 'd';
    CHECK(MC(server_activate_all, mc) == 0 && first->active != 'd' && MC(server_activate_all, mc) == 0);
    CHECK(put(mc, "key", "value") == 0 && silent());
}

/* Nothing old is read from a server that was out of use when the key was written. */
static void what_is_old_is_gone(struct memcache *mc) {
    u_int32_t i;
    char key[16];
    for (i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "key%u", i);
        CHECK(put(mc, key, "old") == 0);
    }
    MC(server_deactivate, mc, mc->servers[0]);
    for (i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "key%u", i);
        if (mc->num_servers > 1)
            CHECK(put(mc, key, "new") == 0);
    }
    CHECK(MC(server_activate, mc, mc->servers[0]) == 0);
    for (i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "key%u", i);
        CHECK(mc->num_servers == 1 || !holds(mc, key, "old"));
    }
    is_back(mc, mc->servers[0], "key0", mc->num_servers > 1 ? "new" : "old");
    for (i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "key%u", i);
        CHECK(mc->num_servers == 1 || !holds(mc, key, "old"));
    }
    CHECK(silent());
}

static void connections(struct memcache *mc) {
    u_int32_t i;
    CHECK(MC(flush_all, mc) == 0);
    for (i = 0; i < mc->num_servers; i++)
        CHECK(mc->servers[i]->fd >= 0);
    MC(server_disconnect, mc->servers[0]);
    CHECK(mc->servers[0]->fd == -1 && mc->servers[0]->active == 'u');
    CHECK(MC(flush, mc, mc->servers[0]) == 0 && mc->servers[0]->fd >= 0);
    MC(server_disconnect_all, mc);
    for (i = 0; i < mc->num_servers; i++)
        CHECK(mc->servers[i]->fd == -1);
    CHECK(put(mc, "key", "value") == 0 && holds(mc, "key", "value"));
    MC(server_disconnect, NULL);
    MC(server_disconnect_all, NULL);
    mcm_server_disconnect(NULL, mc->servers[0]);
    mcm_server_disconnect_all(NULL, mc);
    {
        struct memcache_server *stranger = MC0(server_new);
        MC(server_disconnect, stranger);
        MC(server_free, stranger);
    }
    CHECK(silent());
}

static void finding(struct memcache *mc) {
    struct memcache *empty = MC0(new);
    u_int32_t hash;
    for (hash = 0; hash < 10; hash++)
        CHECK(MC(server_find, mc, hash) == mc->servers[hash % mc->num_servers]);
    CHECK(MC(server_find, mc, 0xffffffff) == mc->servers[0xffffffff % mc->num_servers]);
    MC(server_deactivate, mc, mc->servers[0]);
    CHECK(MC(server_find, mc, 0) == (mc->num_servers == 1 ? NULL : mc->servers[1]));
    CHECK(MC(server_activate, mc, mc->servers[0]) == 0 && MC(server_find, mc, 0) == mc->servers[0]);
    CHECK(MC(server_find, empty, 1) == NULL && MC(server_find, NULL, 1) == NULL && mcm_server_find(NULL, mc, 1) == NULL);
    MC(free, empty);
}

static void nulls(struct memcache *mc) {
    CHECK(MC(server_activate, NULL, mc->servers[0]) == -1 && MC(server_activate, mc, NULL) == -1);
    CHECK(MC(server_activate_all, NULL) == -1 && mcm_server_activate_all(NULL, mc) == -1);
    CHECK(mcm_server_activate(NULL, mc, mc->servers[0]) == -1);
    MC(server_deactivate, NULL, mc->servers[0]);
    MC(server_deactivate, mc, NULL);
    mcm_server_deactivate(NULL, mc, mc->servers[0]);
    CHECK(mc->servers[0]->active == 'u' && silent());
}

int main(int argc, char **argv) {
    struct memcache *mc;
    begin();
    mc = open_servers(argc, argv);
    using_and_not(mc);
    what_is_old_is_gone(mc);
    connections(mc);
    finding(mc);
    CHECK(MC(flush_all, mc) == 0);
    nulls(mc);
    MC(free, mc);
    return end();
}
