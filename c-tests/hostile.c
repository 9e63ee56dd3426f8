/* A server that breaks the protocol on purpose. Arguments: its address, and a good server's. Every call ends, by
 * itself and within its time, with a failure or with the next place's answer; never with a wrong value; and the
 * handle can be used afterwards. */
#include <time.h>

#include "kit.h"

static struct timespec began;

static void start(void) {
    CHECK(clock_gettime(CLOCK_MONOTONIC, &began) == 0);
}

/* Far beyond a call's 300 ms, for slow machines and tools; far below for ever. */
static int ended(void) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return now.tv_sec - began.tv_sec < 20;
}

static void told_or_not(void) {
    CHECK(errors_told <= 1);
    errors_told = 0;
}

/* One handle, the hostile server alone: no call succeeds, all of them end. */
static void alone(const char *bad) {
    int round;
    for (round = 0; round < 8; round++) { /* each begins with another kind of call */
        struct memcache *mc = MC0(new);
        int i;
        MC(timeout, mc, 0, 300000);
        CHECK(MC(server_add4, mc, bad) == 0);
        for (i = 0; i < 8; i++) {
            struct memcache_req *req;
            struct memcache_res *res, *twin;
            struct memcache_server_stats *stats;
            size_t len = 77;
            char *value;
            start();
            switch ((round + i) % 8) {
            case 0:
                value = MC(aget2, mc, "key", 3, &len);
                CHECK(value == NULL && len == 0);
                break;
            case 1:
                CHECK(MC(set, mc, "key", 3, "value", 5, 0, 0) != 0);
                break;
            case 2:
                req = MC0(req_new);
                res = MC(req_add, req, "key", 3);
                twin = MC(req_add, req, "other", 5);
                MC(get, mc, req);
                CHECK(MC(res_attempted, res) && !MC(res_found, res) && res->val == NULL);
                CHECK(MC(res_attempted, twin) && !MC(res_found, twin) && twin->val == NULL);
                MC(req_free, req);
                break;
            case 3:
                CHECK(MC(incr, mc, "key", 3, 1) == 0 && ctxt->errnum != 0);
                break;
            case 4:
                CHECK(MC(delete, mc, "key", 3, 0) != 0);
                break;
            case 5:
                stats = MC(stats, mc);
                CHECK(stats == NULL);
                break;
            case 6:
                CHECK(MC(flush_all, mc) < 0);
                break;
            default:
                CHECK(MC(add, mc, "key", 3, "value", 5, 0, 0) != 0);
            }
            CHECK(ended());
            told_or_not();
        }
        MC(free, mc);
    }
}

/* With a good server in the list, all keys are served again as soon as the bad one is known. */
static void with_a_good_one(const char *bad, const char *good) {
    struct memcache *mc = MC0(new);
    int i, stored = 0, tries = 0;
    char key[16];
    MC(timeout, mc, 0, 300000);
    CHECK(MC(server_add4, mc, bad) == 0 && MC(server_add4, mc, good) == 0);
    for (i = 0; i < 30; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        for (tries = 0; tries < 200; tries++) {
            start();
            stored = put(mc, key, key) == 0;
            CHECK(ended());
            errors_told = 0;
            if (stored)
                break;
        }
        CHECK(stored);
        for (tries = 0; tries < 200 && !holds(mc, key, key); tries++)
            errors_told = 0;
        CHECK(tries < 200);
        errors_told = 0;
    }
    MC(free, mc);
}

/* A line of this process's status, in kilobytes. (getrusage tells what the parent had before the exec, too.) */
static long status(const char *name) {
    char line[256];
    long found = -1;
    FILE *file = fopen("/proc/self/status", "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            found = atol(line + strlen(name));
    fclose(file);
    CHECK(found > 0);
    return found;
}

int main(int argc, char **argv) {
    begin();
    CHECK(argc == 3);
    alone(argv[1]);
    with_a_good_one(argv[1], argv[2]);
    /* Whatever lengths it announced and however much it sent: what that took is a few megabytes. (Not under
     * valgrind or with the sanitizers, which take gigabytes themselves.) */
    if (getenv("BOUNDED") != NULL)
        CHECK(status("VmHWM:") < 65536 && status("VmPeak:") < 524288);
    return end();
}
