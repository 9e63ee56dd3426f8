/*
 * Many processes at work on one pool, and a note of every call that they make.
 *
 * How it is called, crowd.h says. The file's layout: the structs below, and tests/support/crowd.rs, which makes it, says
 * when to stop, and reads it. Each process writes keys of its own and reads everybody's, pausing between calls.
 *
 * A key is written by one process only, so what a read may find is known: no older value than the one
 * that was acknowledged last before the read began, no newer one than the one being written when it has ended.
 */
#include <memcache.h>

#include "../../tests/support/crowd.h"

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

enum { TICK_NS = 16 };                                    /* struct note, duration: up to 68 s */
enum { NOTE_WRITE = 1, NOTE_VICTIM = 2 };                 /* struct note, kind */
enum { RIGHT = 0, STALE = 1, FOREIGN = 2, MISSING = 3 }; /* struct note, verdict */

/* One call. */
struct note {
    uint64_t start_ns;    /* on the clock that never goes back */
    uint32_t duration;    /* in ticks of TICK_NS; UINT32_MAX: that or longer */
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

    took = (now_ns() - start) / TICK_NS;
    note.duration = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
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
        pause_about(&w.random, header->pause_us);
        if (random_below(&w.random, 100) < header->writes_percent) {
            call(&w, number * header->keys + random_below(&w.random, header->keys), 1);
        } else {
            call(&w, random_below(&w.random, all), 0);
        }
    }
    free(w.kinds);
    mc_free(w.mc);
    return 0;
}

static uint64_t use(char *map) {
    header = (struct header *)(void *)map;
    processes = (struct process *)(void *)(map + HEADER_BYTES);
    keys = (struct key *)(void *)(processes + header->processes);
    notes = (struct note *)(void *)(keys + header->processes * header->keys);
    return header->processes;
}

int main(int argc, char **argv) {
    return crowd(argc, argv, use, work);
}
