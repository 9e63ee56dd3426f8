/*
 * Many processes at work on the same keys, and a record of every call that they make.
 *
 * How it is called, ../support/crowd.h says. The file has the structs below: tests/exact/crowd.rs makes it, says what is to
 * be done and when to stop, and reads it.
 *
 * What a write leaves behind says which write it was, so a reader knows which writes made what it finds. Of that it
 * records the print: the names of all these writes folded into one number (crowd.rs folds them the same way).
 */
#include <memcache.h>

#include "../support/crowd.h"
#include "values.h"

#define HEADER_BYTES 4096
#define MANY 8             /* items in one call */
#define FAR_OFF 1728000    /* 20 days in seconds: nothing expires in a test */
#define UNDER_WAY 127      /* the reason of a call that has not ended */

enum { GET, GET_MANY, GAT, TOUCH, SET, SET_MANY, ADD, REPLACE, CAS, APPEND, DELETE, COUNT_READ, INCR, DECR, OPERATIONS };

struct header {
    uint64_t processes, room, seed, round; /* written once, by the driver, as all of this but `stop` */
    uint64_t keys, counters;               /* how many keys hold values, and how many numbers */
    uint64_t pause_us;
    uint64_t stop;
    uint64_t weights[OPERATIONS]; /* how often each operation is chosen */
};

/* One process. */
struct process {
    uint64_t pid;
    uint64_t ready;  /* it has done its part of filling the pool */
    uint64_t calls;  /* so many records are complete; those beyond `room` are lost */
    uint64_t states; /* of the servers after the last call: four bits each, 15 where there is none */
    uint64_t failed;
    uint64_t rounds; /* so many steps of the mix */
    uint64_t reserved[2];
};

/* One call for one key. */
struct record {
    uint64_t start_ns, end_ns; /* of the clock that never goes back */
    uint64_t name;             /* what a write stores or appends is called; of a counter: delta, or number stored */
    uint64_t found;            /* a print, or a number */
    uint64_t old, fetched_ns;  /* of a cas: what the token came with, and when the call for it began */
    uint64_t waited_ns;        /* ready to go on, without a processor */
    uint32_t key;              /* those of the counters come behind the others */
    int8_t reason;
    uint8_t operation, found_kind, spare;
};

static struct header *header;
static struct process *processes;
static struct record *records;

struct worker {
    uint64_t number;
    struct process *process;
    struct record *records;
    struct memcache *mc;
    uint64_t random, writes, total_weight;
    int schedule; /* /proc/self/schedstat */
    char value[LARGEST + 1];
};

/* How long this process was ready and got no processor, since it began. */
static uint64_t waited_ns(const struct worker *w) {
    unsigned long long ran = 0, waited = 0;
    char text[128];
    ssize_t len = pread(w->schedule, text, sizeof text - 1, 0);

    if (len > 0) {
        text[len] = '\0';
        sscanf(text, "%llu %llu", &ran, &waited);
    }
    return waited;
}

/* A name that no other write has. */
static uint64_t new_name(struct worker *w) {
    return (w->number + 1) << 40 | ++w->writes;
}

static size_t key_text(uint64_t key, char *text, size_t size) {
    int number = key >= header->keys;

    return (size_t)snprintf(text, size, "%s-%llu-%llu", number ? "count" : "exact", (unsigned long long)header->round,
                            (unsigned long long)(number ? key - header->keys : key));
}

static uint64_t server_states(const struct worker *w) {
    uint64_t states = ~(uint64_t)0;
    size_t i;

    for (i = 0; i < w->mc->num_servers && i < 16; i++) {
        uint64_t state = (uint64_t)mc_server_state(w->mc, w->mc->servers[i]) & 15;

        states = (states & ~((uint64_t)15 << (4 * i))) | state << (4 * i);
    }
    return states;
}

/* What is found out about a call before it begins. */
static struct record begin(struct worker *w, uint8_t operation, uint64_t key, uint64_t name) {
    struct record record = {.key = (uint32_t)key, .operation = operation, .name = name, .reason = UNDER_WAY};
    uint64_t made = w->process->calls;

    record.waited_ns = waited_ns(w);
    record.start_ns = now_ns();
    if (made < header->room) {
        w->records[made] = record; /* should this process be killed before it ends */
    }
    return record;
}

static void end(struct worker *w, struct record *record, int reason) {
    record->end_ns = now_ns();
    record->waited_ns = waited_ns(w) - record->waited_ns;
    record->reason = (int8_t)reason;
}

static void note(struct worker *w, const struct record *record) {
    uint64_t made = w->process->calls;

    if (made < header->room) {
        w->records[made] = *record;
    }
    if (record->reason < 0) {
        store(&w->process->failed, w->process->failed + 1);
    }
    store(&w->process->calls, made + 1);
}

static void found(struct record *record, const char *value, size_t bytes, uint32_t flags) {
    if (record->reason == MC_REASON_HIT) {
        record->found_kind = record->key < header->keys ? read_value(record->key, value, bytes, flags, &record->found)
                                                        : read_number(value, bytes, &record->found);
    }
}

/* A read; *token is that for a cas, when it is asked for. */
static struct record get(struct worker *w, uint64_t key, u_int64_t *token) {
    char text[64];
    size_t len = key_text(key, text, sizeof text), bytes = 0;
    u_int32_t flags = 0;
    struct record record = begin(w, key < header->keys ? GET : COUNT_READ, key, 0);

    w->value[0] = '\0';
    end(w, &record, mc_fetch_into(w->mc, text, len, w->value, LARGEST, &bytes, &flags, token));
    w->value[bytes < LARGEST ? bytes : LARGEST] = '\0';
    found(&record, w->value, bytes, flags);
    note(w, &record);
    return record;
}

static void get_and_touch(struct worker *w, uint64_t key) {
    char text[64];
    size_t len = key_text(key, text, sizeof text), bytes = 0;
    u_int32_t flags = 0;
    void *value = NULL;
    struct record record = begin(w, GAT, key, 0);

    end(w, &record, mc_gat(w->mc, text, len, FAR_OFF, &value, &bytes, &flags));
    found(&record, value, bytes, flags);
    note(w, &record);
    free(value);
}

/* Several keys in one call; each is a record. Of one key twice the later item is left out: it would be one call too. */
static size_t choose_many(struct worker *w, struct mc_item *items, uint64_t *keys, char texts[MANY][64]) {
    size_t wanted = 2 + random_below(&w->random, MANY - 1), count = 0, i, j;

    for (i = 0; i < wanted; i++) {
        uint64_t key = random_below(&w->random, header->keys);

        for (j = 0; j < count && keys[j] != key; j++) {
        }
        if (j == count) {
            keys[count] = key;
            memset(&items[count], 0, sizeof items[count]);
            items[count].key = texts[count];
            items[count].key_len = key_text(key, texts[count], sizeof texts[count]);
            count++;
        }
    }
    return count;
}

static void get_many(struct worker *w) {
    struct mc_item items[MANY];
    uint64_t keys[MANY];
    char texts[MANY][64];
    size_t count = choose_many(w, items, keys, texts), i;
    struct record whole = begin(w, GET_MANY, keys[0], 0);

    mc_fetch_many(w->mc, items, count);
    end(w, &whole, 0);
    for (i = 0; i < count; i++) {
        struct record record = whole;

        record.key = (uint32_t)keys[i];
        record.reason = (int8_t)items[i].reason;
        found(&record, items[i].value, items[i].bytes, items[i].flags);
        note(w, &record);
        free(items[i].value);
    }
}

static void set_many(struct worker *w) {
    static char values[MANY][LARGEST + 1];
    struct mc_item items[MANY];
    uint64_t keys[MANY], names[MANY];
    char texts[MANY][64];
    size_t count = choose_many(w, items, keys, texts), i;
    struct record whole;

    for (i = 0; i < count; i++) {
        names[i] = new_name(w);
        items[i].value = values[i];
        items[i].bytes = value_text(keys[i], names[i], values[i]);
        items[i].flags = flags_of(names[i]);
    }
    whole = begin(w, SET_MANY, keys[0], names[0]);
    mc_store_many(w->mc, items, count);
    end(w, &whole, 0);
    for (i = 0; i < count; i++) {
        struct record record = whole;

        record.key = (uint32_t)keys[i];
        record.name = names[i];
        record.reason = (int8_t)items[i].reason;
        note(w, &record);
    }
}

/* A call that writes a value, or deletes or touches one. */
static void change(struct worker *w, uint8_t operation, uint64_t key) {
    char text[64], piece[32];
    size_t len = key_text(key, text, sizeof text), bytes;
    uint64_t name = new_name(w), old = 0, fetched = 0;
    u_int64_t token = 0;
    u_int32_t flags = flags_of(name);
    time_t expire = random_below(&w->random, 4) == 0 ? FAR_OFF : 0;
    struct record record;
    int reason;

    if (operation == CAS) {
        struct record read = get(w, key, &token);

        if (read.reason != MC_REASON_HIT || read.found_kind != VALUE) {
            return;
        }
        old = read.found;
        fetched = read.start_ns;
    }
    bytes = value_text(key, name, w->value);
    snprintf(piece, sizeof piece, "+%016llx|", (unsigned long long)name);
    record = begin(w, operation, key, name);
    record.old = old;
    record.fetched_ns = fetched;
    switch (operation) {
    case SET: reason = mc_store(w->mc, text, len, w->value, bytes, expire, flags); break;
    case ADD: reason = mc_store_add(w->mc, text, len, w->value, bytes, expire, flags); break;
    case REPLACE: reason = mc_store_replace(w->mc, text, len, w->value, bytes, expire, flags); break;
    case CAS: reason = mc_cas(w->mc, text, len, w->value, bytes, expire, flags, token); break;
    case APPEND: reason = mc_append(w->mc, text, len, piece, strlen(piece)); break;
    case DELETE: reason = mc_remove(w->mc, text, len); break;
    default: reason = mc_touch(w->mc, text, len, FAR_OFF); break;
    }
    end(w, &record, reason);
    note(w, &record);
}

/* Where a counter begins: most far from both ends, some where they wrap around, and some where they stop at 0. */
static uint64_t first_number(uint64_t counter) {
    return counter % 4 == 2 ? ~(uint64_t)0 - 500 : counter % 4 == 3 ? 20 : 1000000000;
}

static void set_counter(struct worker *w, uint64_t counter) {
    char text[64], number[32];
    uint64_t key = header->keys + counter, first = first_number(counter);
    size_t len = key_text(key, text, sizeof text);
    int digits = snprintf(number, sizeof number, "%llu", (unsigned long long)first);
    struct record record = begin(w, SET, key, first);

    record.found_kind = NUMBER;
    end(w, &record, mc_store(w->mc, text, len, number, (size_t)digits, 0, 0));
    note(w, &record);
}

static void count(struct worker *w, uint8_t operation, uint64_t counter) {
    char text[64];
    uint64_t key = header->keys + counter, delta = 1 + random_below(&w->random, 100);
    size_t len = key_text(key, text, sizeof text);
    u_int64_t number = 0;
    struct record record = begin(w, operation, key, delta);
    int reason = operation == INCR ? mc_incr64(w->mc, text, len, delta, &number)
                                   : mc_decr64(w->mc, text, len, delta, &number);

    end(w, &record, reason);
    record.found = number;
    note(w, &record);
}

static void one_step(struct worker *w) {
    uint64_t choice = random_below(&w->random, w->total_weight);
    uint8_t operation = 0;

    while (choice >= header->weights[operation]) {
        choice -= header->weights[operation++];
    }
    if (operation >= COUNT_READ) {
        uint64_t counter = random_below(&w->random, header->counters);

        if (operation == COUNT_READ) {
            get(w, header->keys + counter, NULL);
        } else {
            count(w, operation, counter);
        }
    } else if (operation == GET_MANY) {
        get_many(w);
    } else if (operation == SET_MANY) {
        set_many(w);
    } else {
        uint64_t key = random_below(&w->random, header->keys);

        if (operation == GET) {
            get(w, key, NULL);
        } else if (operation == GAT) {
            get_and_touch(w, key);
        } else {
            change(w, operation, key);
        }
    }
    store(&w->process->rounds, w->process->rounds + 1);
}

static int work(uint64_t number) {
    static struct worker w;
    uint64_t i;

    prctl(PR_SET_NAME, "exact-caller"); /* who samples all processes tells it from the one that only waits for it */
    w.number = number;
    w.process = &processes[number];
    w.records = records + number * header->room;
    w.random = fold(header->seed, number + 1) | 1;
    w.schedule = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
    w.mc = mc_new();
    if (w.mc == NULL) {
        return 70;
    }
    for (i = 0; i < OPERATIONS; i++) {
        w.total_weight += header->weights[i];
    }
    w.process->pid = (uint64_t)getpid();
    for (i = number; i < header->counters; i += header->processes) {
        set_counter(&w, i);
    }
    for (i = number; i < header->keys; i += header->processes) {
        change(&w, SET, i);
    }
    store(&w.process->states, server_states(&w));
    store(&w.process->ready, 1);
    while (load(&header->stop) == 0) {
        pause_about(&w.random, header->pause_us);
        one_step(&w);
        store(&w.process->states, server_states(&w));
    }
    /* What is there in the end: every process looks at its part. */
    for (i = number; i < header->keys + header->counters; i += header->processes) {
        get(&w, i, NULL);
    }
    mc_free(w.mc);
    return 0;
}

static uint64_t use(char *map) {
    header = (struct header *)(void *)map;
    processes = (struct process *)(void *)(map + HEADER_BYTES);
    records = (struct record *)(void *)(processes + header->processes);
    return header->processes;
}

int main(int argc, char **argv) {
    return crowd(argc, argv, use, work);
}
