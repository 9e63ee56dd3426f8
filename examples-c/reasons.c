/*
 * What happened to a session: a user without one has to log in; one whose session could not be asked for must not be told so.
 *
 *   reasons HOST:PORT
 */
#include <memcache.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    struct memcache *mc = mc_new();
    if (mc == NULL || argc != 2 || mc_server_add4(mc, argv[1]) != 0)
        return 2;
    void *session = NULL;
    size_t bytes;
    int reason = mc_fetch(mc, "session-17", 10, &session, &bytes, NULL, NULL);
    if (reason == MC_REASON_MISS)
        puts("log in");
    else if (reason != MC_REASON_HIT)
        puts(mc_reason_text(mc));
    else
        printf("welcome back, %s\n", (char *)session);
    free(session);
    mc_free(mc);
    return 0;
}
