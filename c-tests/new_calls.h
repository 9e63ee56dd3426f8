/* What the tests of the new calls share: checks of a reason, and orders to the test that runs the program. */
#ifndef NEW_CALLS_H
#define NEW_CALLS_H

#include <memcache.h>

#include "check.h"

/* With TWINS the same tests try the calls that take a context. */
#ifdef TWINS
#define mc_open(...) mcm_open(mc_global_ctxt(), __VA_ARGS__)
#define mc_reason(...) mcm_reason(mc_global_ctxt(), __VA_ARGS__)
#define mc_reason_text(...) mcm_reason_text(mc_global_ctxt(), __VA_ARGS__)
#define mc_reason_name(...) mcm_reason_name(mc_global_ctxt(), __VA_ARGS__)
#define mc_option_set(...) mcm_option_set(mc_global_ctxt(), __VA_ARGS__)
#define mc_option_get(...) mcm_option_get(mc_global_ctxt(), __VA_ARGS__)
#define mc_nodelay_enable(...) mcm_nodelay_enable(mc_global_ctxt(), __VA_ARGS__)
#define mc_server_nodelay_enable(...) mcm_server_nodelay_enable(mc_global_ctxt(), __VA_ARGS__)
#define mc_server_reset_all_dns(...) mcm_server_reset_all_dns(mc_global_ctxt(), __VA_ARGS__)
#define mc_server_reset_dns(...) mcm_server_reset_dns(mc_global_ctxt(), __VA_ARGS__)
#define mc_fetch(...) mcm_fetch(mc_global_ctxt(), __VA_ARGS__)
#define mc_fetch_into(...) mcm_fetch_into(mc_global_ctxt(), __VA_ARGS__)
#define mc_gat(...) mcm_gat(mc_global_ctxt(), __VA_ARGS__)
#define mc_store(...) mcm_store(mc_global_ctxt(), __VA_ARGS__)
#define mc_store_add(...) mcm_store_add(mc_global_ctxt(), __VA_ARGS__)
#define mc_store_replace(...) mcm_store_replace(mc_global_ctxt(), __VA_ARGS__)
#define mc_append(...) mcm_append(mc_global_ctxt(), __VA_ARGS__)
#define mc_prepend(...) mcm_prepend(mc_global_ctxt(), __VA_ARGS__)
#define mc_cas(...) mcm_cas(mc_global_ctxt(), __VA_ARGS__)
#define mc_remove(...) mcm_remove(mc_global_ctxt(), __VA_ARGS__)
#define mc_touch(...) mcm_touch(mc_global_ctxt(), __VA_ARGS__)
#define mc_incr64(...) mcm_incr64(mc_global_ctxt(), __VA_ARGS__)
#define mc_decr64(...) mcm_decr64(mc_global_ctxt(), __VA_ARGS__)
#define mc_store_many(...) mcm_store_many(mc_global_ctxt(), __VA_ARGS__)
#define mc_fetch_many(...) mcm_fetch_many(mc_global_ctxt(), __VA_ARGS__)
#define mc_fetch_values(...) mcm_fetch_values(mc_global_ctxt(), __VA_ARGS__)
#define mc_fetch_into_many(...) mcm_fetch_into_many(mc_global_ctxt(), __VA_ARGS__)
#define mc_remove_many(...) mcm_remove_many(mc_global_ctxt(), __VA_ARGS__)
#define mc_where(...) mcm_where(mc_global_ctxt(), __VA_ARGS__)
#define mc_server_state(...) mcm_server_state(mc_global_ctxt(), __VA_ARGS__)
#endif

/* A call's reason, which is the handle's last reason too, and has a text. */
#define REASON(mc, call, expected)                                                             \
    do {                                                                                       \
        int reason_ = (call);                                                                  \
        if (reason_ != (expected) || mc_reason(mc) != reason_ || *mc_reason_text(mc) == '\0') { \
            fprintf(stderr, "%s:%d: %s: %s (%s)\n", __FILE__, __LINE__, #call,                  \
                    mc_reason_name(reason_), mc_reason_text(mc));                              \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)

/* The last reason's text has these words. */
#define SAYS(mc, words)                                                                       \
    do {                                                                                      \
        if (strstr(mc_reason_text(mc), (words)) == NULL) {                                     \
            fprintf(stderr, "%s:%d: not said: %s in: %s\n", __FILE__, __LINE__, (words), mc_reason_text(mc)); \
            exit(1);                                                                          \
        }                                                                                     \
    } while (0)

/* Has the test do something to a server: "kill", "restart", "hang" or "wake", and which. */
__attribute__((unused)) static void order(const char *what, size_t server) {
    char line[64];
    printf("%s %lu\n", what, (unsigned long)server);
    fflush(stdout);
    CHECK(fgets(line, sizeof(line), stdin) != NULL);
}

/* A handle of these servers; unhurried, because under valgrind everything takes its time. */
__attribute__((unused)) static struct memcache *handle_of(int count, char **addresses) {
    struct memcache *mc = mc_new();
    int i;
    CHECK(mc != NULL);
    for (i = 0; i < count; i++)
        CHECK(mc_server_add4(mc, addresses[i]) == 0);
    REASON(mc, mc_option_set(mc, "timeout", "60s"), MC_REASON_DONE);
    REASON(mc, mc_option_set(mc, "connect_timeout", "20s"), MC_REASON_DONE);
    return mc;
}

#endif
