/*
 * Signals at a high rate, by an interval timer, while calls are made: no call notices.
 *
 *   signals restart|interrupt CALLS HOST:PORT
 *
 * restart: the handler has SA_RESTART; interrupt: it has not, and every system call that waits ends with EINTR. The
 * test that runs it does to the server what is ordered (new_calls.h): hung, in the middle of a value that is being sent and of
 * an answer that is being waited for, it costs no more than the time that a call may take.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "new_calls.h"

#define EVERY_US 100
#define LARGE 900000
#define HUGE (24 << 20)      /* more than the sockets between us hold */
#define PATIENCE_MS 400      /* connect_timeout of the call that is kept waiting */
#define TIMEOUT_MS 800       /* and of the whole of it */
#define HANGS_MS 20000       /* far beyond: a call that takes so long ends never */

static volatile sig_atomic_t in_call, hits, told;
static volatile long long give_up_ms; /* 0: never */
static struct memcache *mc;

static long long now_ms(void) {
    struct timespec time;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

static void tick(int number) {
    int before = errno;
    (void)number;
    hits += in_call;
    if (give_up_ms != 0 && now_ms() > give_up_ms) {
        static const char words[] = "a call does not end\n";
        _exit(write(2, words, sizeof words - 1) > 0 ? 3 : 4);
    }
    errno = before;
}

static int32_t tell(MCM_ERR_FUNC_ARGS) {
    (void)MCM_CALLBACK_CTXT;
    (void)MCM_CALLBACK_PTR;
    told++;
    return 0;
}

/* The timer, every so many microseconds; 0: not any more. */
static void ticks(long every) {
    struct itimerval value = {{0, every}, {0, every}};
    CHECK(setitimer(ITIMER_REAL, &value, NULL) == 0);
}

/* A value that says what it is. */
static void fill(char *value, size_t bytes, int number) {
    size_t i;
    for (i = 0; i < bytes; i++)
        value[i] = (char)('a' + ((size_t)number + i / 7) % 26);
}

static void store_and_fetch(struct memcache *handle, int number, size_t bytes, char *value, char *back) {
    char key[32];
    size_t len = (size_t)snprintf(key, sizeof key, "key-%d", number % 100), found = 0;

    fill(value, bytes, number);
    REASON(handle, mc_store(handle, key, len, value, bytes, 0, 0), MC_REASON_STORED);
    REASON(handle, mc_fetch_into(handle, key, len, back, LARGE, &found, NULL, NULL), MC_REASON_HIT);
    CHECK(found == bytes && memcmp(value, back, bytes) == 0);
}

static void fetch_many(void) {
    struct memcache_req *req = mc_req_new();
    struct memcache_res *res;
    char keys[50][32];
    int i, found = 0;

    for (i = 0; i < 50; i++) {
        snprintf(keys[i], sizeof keys[i], "key-%d", i);
        CHECK(mc_req_add(req, keys[i], strlen(keys[i])) != NULL);
    }
    mc_get(mc, req);
    TAILQ_FOREACH(res, &req->query, entries) {
        found += mc_res_found(res);
    }
    CHECK(found == 50);
    mc_req_free(req);
}

static void calls(int count, const char *address, char *value, char *back) {
    int i;
    in_call = 1;
    for (i = 0; i < count; i++) {
        store_and_fetch(mc, i, 100, value, back);
        if (i % 100 == 99) {
            store_and_fetch(mc, i, LARGE, value, back);
            fetch_many();
        }
        if (i % 20 == 0) { /* connects */
            char *addresses[] = {(char *)address};
            struct memcache *fresh = handle_of(1, addresses);
            store_and_fetch(fresh, i, 100, value, back);
            mc_free(fresh);
        }
    }
    in_call = 0;
    CHECK(told == 0);
}

/* Nobody answers: the call ends, neither before its time nor much after it. */
static void in_time(const char *what, size_t bytes, const char *value) {
    long long begun, took;
    int reason;

    order("hang", 0);
    begun = now_ms();
    give_up_ms = begun + HANGS_MS;
    ticks(EVERY_US);
    reason = bytes > 0 ? mc_store(mc, "slow", 4, value, bytes, 0, 0) : mc_fetch(mc, "key-1", 5, NULL, NULL, NULL, NULL);
    took = now_ms() - begun;
    ticks(0);
    order("wake", 0);
    if (reason >= 0 || took < PATIENCE_MS / 2 || took > TIMEOUT_MS + 5000) {
        fprintf(stderr, "%s: %s (%s) after %lld ms\n", what, mc_reason_name(reason), mc_reason_text(mc), took);
        exit(1);
    }
    /* It goes on when somebody answers again. */
    ticks(EVERY_US);
    give_up_ms = now_ms() + HANGS_MS;
    while (mc_store(mc, "key-1", 5, "v", 1, 0, 0) != MC_REASON_STORED)
        ;
    give_up_ms = 0;
    ticks(0);
}

int main(int argc, char **argv) {
    char *value = malloc(HUGE), *back = malloc(LARGE);
    struct sigaction action;

    CHECK(argc == 4 && value != NULL && back != NULL);
    memset(&action, 0, sizeof action);
    action.sa_handler = tick;
    action.sa_flags = strcmp(argv[1], "restart") == 0 ? SA_RESTART : 0;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && mcErrSetup(tell) == 0);
    mc_err_filter_del(31);
    mc = handle_of(1, argv + 3);
    ticks(EVERY_US);
    calls(atoi(argv[2]), argv[3], value, back);
    ticks(0);
    if (hits < atoi(argv[2]) / 10) {
        fprintf(stderr, "only %d signals came while calls were made\n", (int)hits);
        return 1;
    }
    REASON(mc, mc_option_set(mc, "connect_timeout", "400ms"), MC_REASON_DONE);
    REASON(mc, mc_option_set(mc, "timeout", "800ms"), MC_REASON_DONE);
    fill(value, HUGE, 0);
    in_time("sending", HUGE, value);
    in_time("waiting", 0, NULL);
    mc_free(mc);
    free(value);
    free(back);
    return 0;
}
