/*
 * What programs have in common of which many processes work on one pool: tests/exact/client.c, benches/fleet/client.c.
 *
 *   MEMCACHE_POOL=/path/pool.toml PROGRAM FILE FIRST COUNT
 *
 * FILE holds what the processes share. The program is forked COUNT times; the processes have the numbers from FIRST on.
 */
#ifndef CROWD_H
#define CROWD_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t load(const uint64_t *word) {
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint64_t *word, uint64_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* xorshift64*: from the same *random on it is the same. */
static uint64_t random_below(uint64_t *random, uint64_t limit) {
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return ((*random * 2685821657736338717u) >> 33) % limit;
}

/* A pause of so many microseconds on the average. */
static void pause_about(uint64_t *random, uint64_t pause_us) {
    uint64_t span = pause_us > 0 ? random_below(random, 2 * pause_us) : 0;
    struct timespec pause = {.tv_sec = (time_t)(span / 1000000), .tv_nsec = (long)(span % 1000000 * 1000)};

    if (span > 0) {
        nanosleep(&pause, NULL);
    }
}

/* A file that processes share; NULL: there is none. */
static char *map_file(const char *path) {
    int file = open(path, O_RDWR | O_CLOEXEC);
    struct stat status;
    char *map;

    if (file < 0 || fstat(file, &status) != 0) {
        return NULL;
    }
    map = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return map == MAP_FAILED ? NULL : map;
}

/* What main does. `use` finds in the file what there is, and for how many processes there is room; `work` is what one does. */
static int crowd(int argc, char **argv, uint64_t (*use)(char *map), int (*work)(uint64_t number)) {
    pid_t parent = getpid();
    char *map = argc == 4 ? map_file(argv[1]) : NULL;
    uint64_t first, count, room, i;
    int status, worst = 0;

    if (map == NULL) {
        fprintf(stderr, "usage: %s FILE FIRST COUNT (%s)\n", argv[0], strerror(errno));
        return 64;
    }
    room = use(map);
    first = strtoull(argv[2], NULL, 10);
    count = strtoull(argv[3], NULL, 10);
    if (first + count > room) {
        fprintf(stderr, "%s: there is room for %llu processes\n", argv[0], (unsigned long long)room);
        return 64;
    }
    for (i = first; i < first + count; i++) {
        pid_t child = fork();

        if (child < 0) {
            perror("fork");
            return 71;
        }
        if (child == 0) {
            /* Who drives this program kills it, or dies: then the children have nobody to work for. */
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            _exit(getppid() == parent ? work(i) : 70);
        }
    }
    while (wait(&status) > 0) {
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

        worst = code > worst ? code : worst;
    }
    return worst;
}

#endif
