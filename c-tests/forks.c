/*
 * Forks at every moment that a program can choose.
 *
 *   forks HOST:PORT
 *
 * Every process stores and reads keys with its own number in them, over the handle that it inherited, so the test that plays the
 * server can tell who speaks on a connection. The parent has one connection of its handle, and one for its other thread's,
 * from the beginning to the end, whatever its children do.
 */
#define _GNU_SOURCE
#include <memcache.h>

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define CROWD 24

static struct memcache *mc;
static const char *server;
static int over, loops, in_child;

static struct memcache *handle(void) {
    struct memcache *fresh = mc_new();
    CHECK(fresh != NULL);
    mc_timeout(fresh, 30, 0); /* a busy machine is slow */
    CHECK(mc_server_add4(fresh, server) == 0);
    return fresh;
}

static void work(struct memcache *with, const char *who, int count) {
    int number;
    for (number = 0; number < count; number++) {
        char key[48], value[64], *read;
        snprintf(key, sizeof key, "%d-%s-%d", (int)getpid(), who, number % 5);
        snprintf(value, sizeof value, "%s of %d: %d", who, (int)getpid(), number);
        CHECK(mc_set(with, key, strlen(key), value, strlen(value), 0, 0) == 0);
        read = mc_aget(with, key, strlen(key));
        if (read == NULL || strcmp(read, value) != 0) {
            fprintf(stderr, "%s holds \"%s\" and not \"%s\"\n", key, read ? read : "nothing", value);
            exit(1);
        }
        free(read);
    }
}

static void *thread(void *other) {
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        work(other, "thread", 3);
        __atomic_fetch_add(&loops, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static pid_t forked(void) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        in_child = 1;
        alarm(60); /* a child that waits for a lock of nobody's */
    }
    return child;
}

static void ends_well(int children) {
    int status;
    while (children-- > 0) {
        CHECK(wait(&status) > 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    }
}

/* Ends a child: what the program and its libraries have to do at the end is done, or is not; the handle is freed, or is not. */
static void end(int way) {
    if (way & 2)
        mc_free(mc);
    if (way & 1)
        exit(7);
    _exit(7);
}

/* A child that has nothing to do with the library. */
static void ends_at_once(int way) {
    if (forked() == 0)
        end(way);
    ends_well(1);
    work(mc, "parent", 2);
}

/* While the parent's other thread is somewhere in a call of its own handle, and this one is between two of its own. */
static void works_and_ends(int way) {
    if (forked() == 0) {
        struct memcache *fresh = handle();
        work(mc, "child", 3);
        work(fresh, "child", 3);
        mc_free(fresh);
        end(way);
    }
    work(mc, "parent", 5);
    ends_well(1);
}

/* All of them begin at the same time, and the parent goes on meanwhile. */
static void many_at_once(void) {
    int i, gate[2];
    char byte;

    CHECK(pipe(gate) == 0);
    for (i = 0; i < CROWD; i++)
        if (forked() == 0) {
            CHECK(close(gate[1]) == 0 && read(gate[0], &byte, 1) == 0);
            work(mc, "crowd", 20);
            end(i);
        }
    CHECK(close(gate[0]) == 0 && close(gate[1]) == 0);
    work(mc, "parent", 100);
    ends_well(CROWD);
}

/* A child's child's child: each was given a handle that is in use, and all go on with it at the same time. */
static void generations(int deep) {
    if (forked() == 0) {
        work(mc, "before", deep % 2 * 3); /* every other one has a connection of its own by then */
        if (deep > 0)
            generations(deep - 1);
        work(mc, "after", 3);
        end(deep);
    }
    work(mc, "meanwhile", 3);
    ends_well(1);
}

/* Forks in the middle of a call, from a function of the program's that the library calls. */
static __thread int fork_now; /* the other thread's calls come there too, at any time */

static void *forking_malloc(size_t size) {
    if (fork_now && !in_child) {
        fork_now = 0;
        if (forked() == 0) {
            struct memcache *fresh = handle();
            work(fresh, "hook", 3);
            mc_free(fresh);
            _exit(7);
        }
    }
    return malloc(size);
}

static void in_the_middle(void) {
    work(mc, "parent", 1);
    fork_now = 1;
    work(mc, "parent", 3);
    CHECK(fork_now == 0);
    ends_well(1);
}

static void nothing(void) {}

int main(int argc, char **argv) {
    struct memcache *other;
    pthread_t id;
    int i;

    CHECK(argc == 2 && atexit(nothing) == 0);
    server = argv[1];
    CHECK(mcMemSetup(free, forking_malloc, forking_malloc, realloc) == 0);
    mc = handle();
    other = handle();
    work(mc, "parent", 3);
    CHECK(pthread_create(&id, NULL, thread, other) == 0);
    while (__atomic_load_n(&loops, __ATOMIC_RELAXED) == 0)
        ;
    for (i = 0; i < 40; i++) {
        ends_at_once(i);
        works_and_ends(i);
    }
    many_at_once();
    generations(4);
    in_the_middle();
    __atomic_store_n(&over, 1, __ATOMIC_RELAXED);
    CHECK(pthread_join(id, NULL) == 0);
    mc_free(other);
    mc_free(mc);
    printf("%d\n", (int)getpid());
    return 0;
}
