/*
 *   PROGRAM WORK BYTES KEYS HOST:PORT...
 *
 * WORK: set, get, many (a get of KEYS keys), delete, incr, handles; doubled, doubled-get and doubled-many are set,
 * get and many where every value is stored twice; busy-set, busy-get and busy-many those by a library that polls, if it can; in
 * spin-set, spin-get and spin-many the raw loop polls too. Says "ready" once it has stored what it will read. Then it does for each number on its standard input so much of the
 * work, and answers with a line:
 *
 *   NANOSECONDS PROCESSOR-NANOSECONDS ALLOCATIONS PEAK RESIDENT
 *
 * Allocations, and by how many bytes they grew at most, are known when allocations.so is preloaded, else 0; resident
 * is by how much the process grew. A delete expects whoever asks to have stored the keys, on every server; handles
 * opens so many sessions, uses each, and keeps them all until the last was used.
 *
 * Every answer is looked at: one that is wrong ends the program.
 */
#include "work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "allocations.h"

#define ALL_KEYS 100000 /* a delete uses each once; benches/library/programs.rs knows the number */
#define USED_KEYS 1000

static char keys[ALL_KEYS][KEY_LEN + 1];
static char *value, *buffer;
static struct setup setup;

/* Not static: a weak symbol that allocations.so defines, when it is there. */
extern void bench_allocations(struct allocations *now, int anew) __attribute__((weak));

static void failed(struct session *session, const char *what, long number) {
    fprintf(stderr, "%s number %ld: %s\n", what, number, session != NULL ? session_error(session) : "no session");
    exit(1);
}

/* Values begin with their key, and end with a letter that no key has. */
static size_t prefix(void) {
    return setup.bytes < KEY_LEN ? setup.bytes : KEY_LEN;
}

int is_value(const char *key, const char *found, size_t bytes) {
    return bytes == setup.bytes && memcmp(found, key, prefix()) == 0 &&
           (bytes <= KEY_LEN || found[bytes - 1] == 'v');
}

/* "key-" and seven digits. Not by printf: below valgrind that would take longer than the work. */
static void name_key(char *key, size_t number) {
    int i;
    memcpy(key, "key-", 5);
    for (i = KEY_LEN - 1; i >= 4; i--, number /= 10) {
        key[i] = (char)('0' + number % 10);
    }
}

static int set_one(struct session *session, const char *key) {
    memcpy(value, key, prefix());
    return session_set(session, key, value, setup.bytes);
}

static size_t used_keys(void) {
    /* Of long values a server could not hold so many. */
    size_t used = setup.bytes > 10000 ? 16 : USED_KEYS;
    return setup.keys > used ? setup.keys : used;
}

static const char *used_key(long number) {
    return keys[(size_t)number % used_keys()];
}

static int do_set(struct session *session, long number) {
    return set_one(session, used_key(number));
}

static int do_get(struct session *session, long number) {
    size_t bytes = 0;
    const char *key = used_key(number);
    return session_get(session, key, buffer, setup.bytes, &bytes) && is_value(key, buffer, bytes);
}

static int do_many(struct session *session, long number) {
    static const char *wanted[ALL_KEYS];
    size_t i;
    for (i = 0; i < setup.keys; i++) {
        wanted[i] = used_key(number + (long)i);
    }
    return session_get_many(session, wanted, setup.keys) == setup.keys;
}

static int do_delete(struct session *session, long number) {
    return number < ALL_KEYS && session_delete(session, keys[number]);
}

static int do_incr(struct session *session, long number) {
    uint64_t counted = 0;
    return session_incr(session, used_key(number), &counted) && counted > 0;
}

static int store_all(struct session *session) {
    size_t i;
    for (i = 0; i < used_keys() && set_one(session, keys[i]); i++) {
    }
    return i == used_keys();
}

static int store_numbers(struct session *session) {
    size_t i;
    for (i = 0; i < used_keys() && session_set(session, keys[i], "0", 1); i++) {
    }
    return i == used_keys();
}

static int nothing(struct session *session) {
    (void)session;
    return 1;
}

static const struct work {
    const char *name;
    int (*prepare)(struct session *session);
    int (*once)(struct session *session, long number); /* NULL: handles */
} works[] = {
    {"set", store_all, do_set},     {"get", store_all, do_get},          {"many", store_all, do_many},
    {"delete", nothing, do_delete}, {"incr", store_numbers, do_incr},    {"doubled", store_all, do_set},
    {"doubled-get", store_all, do_get}, {"doubled-many", store_all, do_many}, {"handles", store_all, NULL},
    {"busy-set", store_all, do_set}, {"busy-get", store_all, do_get},    {"busy-many", store_all, do_many},
    {"spin-set", store_all, do_set}, {"spin-get", store_all, do_get},    {"spin-many", store_all, do_many},
};

static const struct work *work_named(const char *name) {
    size_t i;
    for (i = 0; i < sizeof works / sizeof *works; i++) {
        if (strcmp(works[i].name, name) == 0) {
            return &works[i];
        }
    }
    return NULL;
}

static long long nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Kilobytes that are in memory. */
static long resident(void) {
    char line[128];
    long kilobytes = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "VmRSS: %ld", &kilobytes) == 1) {
            break;
        }
    }
    if (status != NULL) {
        fclose(status);
    }
    return kilobytes;
}

static void use_handles(long count, long *grown) {
    struct session **all = calloc((size_t)count + 1, sizeof *all);
    long before = resident(), i;
    for (i = 0; i < count; i++) {
        all[i] = session_open(&setup);
        if (all[i] == NULL || !do_set(all[i], i) || !do_get(all[i], i) || !do_many(all[i], i)) {
            failed(all[i], "handle", i);
        }
    }
    *grown = resident() - before;
    for (i = 0; i < count; i++) {
        session_close(all[i]);
    }
    free(all);
}

static void answer(struct session *session, const struct work *work, long count) {
    struct allocations before = {0, 0, 0}, after = {0, 0, 0};
    long long began, cpu, took, used;
    long i, grown = 0;

    if (bench_allocations != NULL) {
        bench_allocations(&before, 1);
    }
    cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
    began = nanoseconds(CLOCK_MONOTONIC);
    if (work->once == NULL) {
        use_handles(count, &grown);
    } else {
        for (i = 0; i < count; i++) {
            if (!work->once(session, i)) {
                failed(session, work->name, i);
            }
        }
    }
    took = nanoseconds(CLOCK_MONOTONIC) - began;
    used = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    if (bench_allocations != NULL) {
        bench_allocations(&after, 0);
    }
    printf("%lld %lld %llu %llu %ld\n", took, used, after.count - before.count, after.peak - before.in_use,
           grown * 1024);
    fflush(stdout);
}

int main(int argc, char **argv) {
    const struct work *work = argc > 4 ? work_named(argv[1]) : NULL;
    struct session *session;
    long count;
    size_t i;

    if (work == NULL) {
        fprintf(stderr, "usage: %s WORK BYTES KEYS HOST:PORT...\n", argv[0]);
        return 64;
    }
    setup.bytes = (size_t)atol(argv[2]);
    setup.keys = (size_t)atol(argv[3]);
    setup.addresses = argv + 4;
    setup.servers = argc - 4;
    setup.doubled = strncmp(work->name, "doubled", 7) == 0;
    setup.spin = strncmp(work->name, "spin", 4) == 0;
    setup.busy = setup.spin || strncmp(work->name, "busy", 4) == 0;
    for (i = 0; i < ALL_KEYS; i++) {
        name_key(keys[i], i);
    }
    value = malloc(setup.bytes + 1);
    buffer = malloc(setup.bytes + 1);
    if (value == NULL || buffer == NULL || setup.keys > ALL_KEYS) {
        return 64;
    }
    memset(value, 'v', setup.bytes);
    memset(buffer, 0, setup.bytes);
    session = session_open(&setup);
    if (session == NULL || !work->prepare(session)) {
        failed(session, "preparation for", 0);
    }
    puts("ready");
    fflush(stdout);
    while (scanf("%ld", &count) == 1) {
        answer(session, work, count);
    }
    session_close(session);
    free(value);
    free(buffer);
    return 0;
}
