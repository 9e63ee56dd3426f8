/*
 * One handle, made and used by a parent, then used by it and its children at once.
 *
 *   fork CHILDREN OPERATIONS THREADS HOST:PORT...
 *
 * Every process stores values of its own on keys of its own, overwrites them, and reads back what it
 * stored: each value carries writer and number. OPERATIONS is the number of all of them together. With
 * THREADS, that many threads of the parent are at work on handles of their own while it forks.
 */
#include <memcache.h>

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define KEYS 16

static int over;
static char **servers;

static struct memcache *handle(void) {
    struct memcache *mc = mc_new();
    char **server;

    CHECK(mc != NULL);
    mc_timeout(mc, 30, 0); /* valgrind and a busy machine are slow */
    for (server = servers; *server != NULL; server++)
        CHECK(mc_server_add4(mc, *server) == 0);
    return mc;
}

/* Stores and reads back in turn; the number of operations done. */
static void work(struct memcache *mc, int writer, int operations) {
    char key[32], value[64], *read;
    int number;

    for (number = 0; number < operations / 2; number++) {
        snprintf(key, sizeof key, "writer-%d-%d", writer, number % KEYS);
        snprintf(value, sizeof value, "writer %d number %d", writer, number);
        CHECK(mc_set(mc, key, strlen(key), value, strlen(value), 0, 0) == 0);
        read = mc_aget(mc, key, strlen(key));
        if (read == NULL || strcmp(read, value) != 0) {
            fprintf(stderr, "wrong value: %s holds \"%s\" and not \"%s\"\n", key, read ? read : "nothing", value);
            exit(1);
        }
        free(read);
    }
}

static void *at_work(void *name) {
    struct memcache *mc = handle();
    int writer = *(int *)name;

    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        struct memcache *other = handle();
        work(mc, writer, 20);
        work(other, writer, 4);
        mc_free(other);
    }
    mc_free(mc);
    return NULL;
}

/* Prints the beginning of a request: a server that reads it takes for its end what comes next. */
static void print_requests(void) {
    (void)fputs("set printed 0 0 1\r\nx", stdout);
    (void)fflush(stdout);
    (void)fputs("set printed 0 0 1\r\nx", stderr);
}

/* A program without standard input, output and error: no server becomes one of them, and reads what is printed. */
static void without_descriptors(void) {
    struct memcache *mc;
    u_int32_t i;
    int status, round;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        CHECK(close(0) == 0 && close(1) == 0 && close(2) == 0);
        mc = handle();
        for (round = 0; round < 3; round++) {
            work(mc, 999, 100);
            print_requests();
        }
        work(mc, 999, 100); /* the connections are in step */
        for (i = 0; i < mc->num_servers; i++)
            CHECK(mc->servers[i]->fd > 2);
        mc_free(mc);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv) {
    int i, children, operations, threads, status, names[64];
    pthread_t ids[64];
    struct memcache *mc;

    CHECK(argc > 4);
    children = atoi(argv[1]);
    operations = atoi(argv[2]) / (children + 1) + 1;
    threads = atoi(argv[3]);
    CHECK(threads <= 64);
    servers = argv + 4;

    without_descriptors();
    mc = handle();
    work(mc, 0, 100);
    for (i = 0; i < threads; i++) {
        names[i] = 1000 + i;
        CHECK(pthread_create(&ids[i], NULL, at_work, &names[i]) == 0);
    }
    for (i = 1; i <= children; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(300); /* a child that waits for a lock of nobody's */
            work(mc, i, operations);
            mc_free(mc);
            _exit(0);
        }
        work(mc, 0, 20);
    }
    work(mc, 0, operations);
    for (i = 0; i < children; i++) {
        CHECK(wait(&status) > 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    __atomic_store_n(&over, 1, __ATOMIC_RELAXED);
    for (i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    mc_free(mc);
    return 0;
}
