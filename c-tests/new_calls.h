/* What the tests of the new calls share: checks of a reason, and orders to the test that runs the program. */
#ifndef NEW_CALLS_H
#define NEW_CALLS_H

#include <memcache.h>

#include "check.h"

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
