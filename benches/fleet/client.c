/*
 * Many processes at work on one pool, and a note of every call that they make.
 *
 *   MEMCACHE_POOL=/path/pool.toml client FILE FIRST COUNT
 *
 * FILE holds what the processes share (its layout: the structs below, and tests/support/fleet.rs, which makes
 * it, says when to stop, and reads it). This program is forked COUNT times; the processes have the
 * numbers from FIRST on. Each one writes keys of its own and reads everybody's, pausing between calls.
 *
 * A key is written by one process only, so what a read may find is known: no older value than the one
 * that was acknowledged last before the read began, no newer one than the one being written when it has ended.
 */
#include <memcache.h>

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

#define VALUE_BYTES 100
#define HEADER_BYTES 4096

struct header {
    uint64_t processes, keys, room, victim, pause_us, writes_percent; /* written once, by the driver */
    uint64_t stop;                                                    /* by the driver, at the end */
};

/* One process. */
struct process {
    uint64_t pid;
    uint64_t ready;         /* it has written each of its keys once */
    uint64_t calls;         /* so many notes were made; those beyond `room` are lost */
    uint64_t first_state;   /* of the victim, before the first call */
    uint64_t state;         /* of the victim, after the last call */
    uint64_t failed, wrong; /* of the calls */
    uint64_t reserved;
};

/* One key: the newest number that was sent with it, and that was acknowledged. */
struct key {
    uint64_t sent, acknowledged;
};

enum { NOTE_WRITE = 1, NOTE_VICTIM = 2 };                 /* struct note, kind */
enum { RIGHT = 0, STALE = 1, FOREIGN = 2, MISSING = 3 }; /* struct note, verdict */

/* One call. */
struct note {
    uint64_t start_ns;    /* on the clock that never goes back */
    uint32_t duration_ns; /* UINT32_MAX: that or longer */
    uint8_t kind;
    int8_t reason;   /* enum mc_reason */
    uint8_t verdict; /* what the read's value was */
    uint8_t states;  /* enum mc_state of the victim: before the call, and after it in the upper half */
};

static struct header *header;
static struct process *processes;
static struct key *keys;
static struct note *notes;

struct worker {
    uint64_t number;
    struct process *process;
    struct note *notes;
    struct memcache *mc;
    uint8_t *kinds; /* of each key: whether a read, and a write, concerns the victim */
    uint64_t random;
};

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

/* xorshift64*: the same process does the same in every run. */
static uint64_t random_below(struct worker *w, uint64_t limit) {
    w->random ^= w->random >> 12;
    w->random ^= w->random << 25;
    w->random ^= w->random >> 27;
    return ((w->random * 2685821657736338717u) >> 33) % limit;
}

static size_t key_text(uint64_t key, char *text, size_t size) {
    return (size_t)snprintf(text, size, "fleet-%llu", (unsigned long long)key);
}

/* The value of a key under a number: what it is says who wrote it when. */
static void value_text(uint64_t key, uint64_t number, char *value) {
    char head[VALUE_BYTES + 1];
    int i, len;

    len = snprintf(head, sizeof head, "%llu by %llu: %llu ", (unsigned long long)key,
                   (unsigned long long)(key / header->keys), (unsigned long long)number);
    memcpy(value, head, (size_t)len);
    for (i = len; i < VALUE_BYTES; i++) {
        value[i] = (char)('a' + (number + (uint64_t)i) % 26);
    }
}

static uint8_t victim_state(const struct worker *w) {
    if (header->victim >= w->mc->num_servers) {
        return 15;
    }
    return (uint8_t)(mc_server_state(w->mc, w->mc->servers[header->victim]) & 15);
}

/* The value that was read under a key. */
static uint8_t judge(uint64_t key, const char *found, size_t bytes, uint64_t acknowledged) {
    char value[VALUE_BYTES];
    unsigned long long of, by, number;

    if (bytes != VALUE_BYTES || sscanf(found, "%llu by %llu: %llu ", &of, &by, &number) != 3) {
        return FOREIGN;
    }
    value_text(key, number, value);
    if (memcmp(value, found, VALUE_BYTES) != 0 || number > load(&keys[key].sent)) {
        return FOREIGN;
    }
    return number < acknowledged ? STALE : RIGHT;
}

static int write_one(struct worker *w, uint64_t key) {
    char text[32], value[VALUE_BYTES];
    size_t len = key_text(key, text, sizeof text);
    uint64_t number = keys[key].sent + 1; /* nobody else writes it */
    int reason;

    value_text(key, number, value);
    store(&keys[key].sent, number);
    reason = mc_store(w->mc, text, len, value, sizeof value, 0, 0);
    if (reason == MC_REASON_STORED) {
        store(&keys[key].acknowledged, number);
    }
    return reason;
}

static int read_one(struct worker *w, uint64_t key, uint8_t *verdict) {
    char text[32], value[VALUE_BYTES + 1] = "";
    size_t len = key_text(key, text, sizeof text), bytes = 0;
    uint64_t acknowledged = load(&keys[key].acknowledged);
    int reason = mc_fetch_into(w->mc, text, len, value, VALUE_BYTES, &bytes, NULL, NULL);

    if (reason == MC_REASON_HIT) {
        *verdict = judge(key, value, bytes, acknowledged);
    } else if (reason == MC_REASON_MISS && acknowledged > 0) {
        *verdict = MISSING;
    }
    return reason;
}

/* One call, and its note. */
static void call(struct worker *w, uint64_t key, int is_write) {
    uint8_t before = victim_state(w), verdict = RIGHT;
    uint64_t start = now_ns(), made = w->process->calls, took;
    int reason = is_write ? write_one(w, key) : read_one(w, key, &verdict);
    struct note note = {.start_ns = start, .reason = (int8_t)reason, .verdict = verdict};

    took = now_ns() - start;
    note.duration_ns = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
    note.kind = (uint8_t)((is_write ? NOTE_WRITE : 0) | (w->kinds[key] & (is_write ? 2 : 1) ? NOTE_VICTIM : 0));
    note.states = (uint8_t)(before | victim_state(w) << 4);
    if (made < header->room) {
        w->notes[made] = note;
    }
    store(&w->process->state, note.states >> 4);
    if (reason < 0 || (is_write && reason != MC_REASON_STORED)) {
        store(&w->process->failed, w->process->failed + 1);
    }
    if (verdict != RIGHT) {
        store(&w->process->wrong, w->process->wrong + 1);
    }
    store(&w->process->calls, made + 1);
}

/* Which keys concern the victim: its own, and for a write those that it is the backup of. */
static void find_kinds(struct worker *w) {
    const struct memcache_server *victim =
        header->victim < w->mc->num_servers ? w->mc->servers[header->victim] : NULL;
    uint64_t key;

    for (key = 0; key < header->processes * header->keys; key++) {
        struct mc_where where;
        char text[32];
        size_t len = key_text(key, text, sizeof text);

        if (victim != NULL && mc_where(w->mc, text, len, &where) == MC_REASON_DONE) {
            w->kinds[key] = (uint8_t)((where.home == victim ? 3 : 0) | (where.backup == victim ? 2 : 0));
        }
    }
}

static void pause_between_calls(struct worker *w) {
    uint64_t span = header->pause_us > 0 ? random_below(w, 2 * header->pause_us) : 0;
    struct timespec pause = {.tv_sec = (time_t)(span / 1000000), .tv_nsec = (long)(span % 1000000 * 1000)};

    if (span > 0) {
        nanosleep(&pause, NULL);
    }
}

static int work(uint64_t number) {
    struct worker w = {.number = number, .process = &processes[number], .notes = notes + number * header->room};
    uint64_t all = header->processes * header->keys, i;

    w.random = 0x9e3779b97f4a7c15u * (number + 1);
    w.mc = mc_new();
    w.kinds = calloc(all, 1);
    if (w.mc == NULL || w.kinds == NULL) {
        return 70;
    }
    w.process->pid = (uint64_t)getpid();
    w.process->first_state = victim_state(&w);
    w.process->state = w.process->first_state;
    find_kinds(&w);
    for (i = 0; i < header->keys; i++) {
        call(&w, number * header->keys + i, 1);
    }
    store(&w.process->ready, 1);
    while (load(&header->stop) == 0) {
        pause_between_calls(&w);
        if (random_below(&w, 100) < header->writes_percent) {
            call(&w, number * header->keys + random_below(&w, header->keys), 1);
        } else {
            call(&w, random_below(&w, all), 0);
        }
    }
    free(w.kinds);
    mc_free(w.mc);
    return 0;
}

static int map_file(const char *path) {
    int file = open(path, O_RDWR | O_CLOEXEC);
    struct stat status;
    char *map;

    if (file < 0 || fstat(file, &status) != 0) {
        return -1;
    }
    map = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (map == MAP_FAILED) {
        return -1;
    }
    header = (struct header *)(void *)map;
    processes = (struct process *)(void *)(map + HEADER_BYTES);
    keys = (struct key *)(void *)(processes + header->processes);
    notes = (struct note *)(void *)(keys + header->processes * header->keys);
    return 0;
}

int main(int argc, char **argv) {
    pid_t parent = getpid();
    uint64_t first, count, i;
    int status, worst = 0;

    if (argc != 4 || map_file(argv[1]) != 0) {
        fprintf(stderr, "usage: %s FILE FIRST COUNT (%s)\n", argv[0], strerror(errno));
        return 64;
    }
    first = strtoull(argv[2], NULL, 10);
    count = strtoull(argv[3], NULL, 10);
    if (first + count > header->processes) {
        fprintf(stderr, "%s: there is room for %llu processes\n", argv[0], (unsigned long long)header->processes);
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
