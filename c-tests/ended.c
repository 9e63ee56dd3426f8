/*
 * Threads that end while what they used lives on.
 *
 *   ended ROUNDS HOST:PORT...
 *
 * One handle goes from thread to thread. Each reads what the one before it stored last, stores, and ends: it returns, it
 * calls pthread_exit, it is cancelled where it rests between two calls, or it is cancelled somewhere among its calls,
 * and then the call that is under way is done first. Those also make and free handles of their own, of which one has a
 * server that refuses: connections are closed and the error handler writes, where a thread that is cancelled would
 * end.
 */
#define _GNU_SOURCE
#include <memcache.h>

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "check.h"

enum { RETURNS, EXITS, CANCELLED_AT_REST, CANCELLED_AT_WORK, WAYS };

static struct memcache *mc;
static char **servers;
static int nowhere;  /* /dev/null */
static int told;     /* errors */
static int stored;   /* the number that was acknowledged last */
static sem_t resting;

/* The error handler: a call in it is one where threads are cancelled. */
static int32_t tell(MCM_ERR_FUNC_ARGS) {
    struct memcache_err_ctxt *error;
    const struct memcache_ctxt *ctxt;
    MCM_ERR_INIT_CTXT(ctxt, error);
    CHECK(ctxt != NULL && error->cont == 'y' && error->errcode != MCM_ERR_ASSERT);
    CHECK(write(nowhere, "told\n", 5) == 5);
    told++;
    return 0;
}

/* Goes on from what the thread before stored. Nothing between the store and its note is a place to be cancelled at. */
static void work(void) {
    char value[32], *read = mc_aget(mc, "number", 6);

    CHECK(read != NULL && atoi(read) == stored);
    free(read);
    snprintf(value, sizeof value, "%d", stored + 1);
    CHECK(mc_set(mc, "number", 6, value, strlen(value), 0, 0) == 0);
    stored++;
}

static void open_and_close(void) {
    struct memcache *own = mc_new(), *refused = mc_new();
    char *read;

    CHECK(own != NULL && refused != NULL);
    mc_timeout(own, 30, 0);
    CHECK(mc_server_add4(own, servers[0]) == 0 && mc_server_add4(refused, "127.0.0.1:1") == 0);
    CHECK(mc_set(own, "other", 5, "value", 5, 0, 0) == 0);
    read = mc_aget(own, "other", 5);
    CHECK(read != NULL && strcmp(read, "value") == 0);
    free(read);
    CHECK(mc_aget(refused, "other", 5) == NULL);
    mc_free(refused);
    mc_free(own);
}

static void *thread(void *way) {
    int before;

    work();
    switch (*(int *)way) {
    case RETURNS:
        break;
    case EXITS:
        pthread_exit(way);
    case CANCELLED_AT_REST:
        CHECK(sem_post(&resting) == 0);
        for (;;)
            pause();
    default:
        CHECK(sem_post(&resting) == 0);
        for (;;) {
            open_and_close();
            CHECK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before) == 0);
            CHECK(before == PTHREAD_CANCEL_ENABLE); /* the calls leave it as it was */
            work();
            pthread_testcancel();
        }
    }
    return way;
}

int main(int argc, char **argv) {
    int round, before, ways[WAYS] = {RETURNS, EXITS, CANCELLED_AT_REST, CANCELLED_AT_WORK};

    CHECK(argc > 2);
    servers = argv + 2;
    nowhere = open("/dev/null", O_WRONLY);
    CHECK(nowhere >= 0 && sem_init(&resting, 0, 0) == 0 && mcErrSetup(tell) == 0);
    mc_err_filter_del(31);
    mc = mc_new();
    CHECK(mc != NULL);
    mc_timeout(mc, 30, 0);
    for (; argc > 2; argc--)
        CHECK(mc_server_add4(mc, argv[argc - 1]) == 0);
    CHECK(mc_set(mc, "number", 6, "0", 1, 0, 0) == 0);

    for (round = 0; round < atoi(argv[1]); round++) {
        int way = round % WAYS, errors = told;
        pthread_t id;
        void *end;

        CHECK(pthread_create(&id, NULL, thread, &ways[way]) == 0);
        if (way >= CANCELLED_AT_REST) {
            CHECK(sem_wait(&resting) == 0);
            if (way == CANCELLED_AT_WORK)
                usleep((useconds_t)(round * 7 % 1000)); /* somewhere else each time */
            CHECK(pthread_cancel(id) == 0);
        }
        CHECK(pthread_join(id, &end) == 0);
        CHECK(end == (way >= CANCELLED_AT_REST ? PTHREAD_CANCELED : (void *)&ways[way]));
        CHECK(way == CANCELLED_AT_WORK ? told > errors : told == errors);
    }
    /* Whoever did not want to be cancelled before a call does not want it after one. */
    CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before) == 0);
    work();
    CHECK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before) == 0 && before == PTHREAD_CANCEL_DISABLE);
    mc_free(mc);
    return 0;
}
