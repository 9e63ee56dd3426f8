/* The stages of the drill: see drill-stages.h. */
#include "drill-stages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SESSIONS 8000u /* read in every stage, and never deleted */
#define GUESTS 800u    /* stored at the start, and deleted while a server is away */
#define PAGES 8u       /* of the reads of a stage, the last ones come in pages ... */
#define PAGE 100u      /* ... of so many keys in one call */

/* What the program knows about one key: versions count from 1. */
struct known {
    unsigned acknowledged; /* the newest version that was answered with "stored" */
    unsigned tried;        /* the newest version that was sent */
    int deleted;           /* a delete was acknowledged, or found nothing to delete */
};

struct counts {
    unsigned reads, hits, misses, stale, revived, errors, writes, refused;
};

struct drill {
    const struct drill_client *client;
    struct known sessions[SESSIONS];
    struct known guests[GUESTS];
    struct counts counts;
    long latency_us[SESSIONS * 3];
    unsigned calls;
    struct drill_item page[PAGE];
};

static const char *const stage_names[] = {
    "all servers up",
    "one server gone",
    "a quarter overwritten meanwhile",
    "the server is back",
    "another quarter overwritten",
    "the same server gone again",
};

static long now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

static void called(struct drill *drill, long began) {
    drill->latency_us[drill->calls++] = now_us() - began;
}

static void name_item(struct drill_item *item, const char *kind, unsigned number) {
    item->key_len = (size_t)snprintf(item->key, sizeof item->key, "%s:%u", kind, number);
    item->value_len = 0;
    item->answer = DRILL_FAILED;
}

/* Stores the next version of a key. The value says whose it is and how old. */
static void store_next(struct drill *drill, const char *kind, unsigned number, struct known *known) {
    struct drill_item *item = &drill->page[0];
    long began;
    int text;

    name_item(item, kind, number);
    known->tried++;
    text = snprintf(item->value, sizeof item->value, "%s %u ", item->key, known->tried);
    item->value_len = 64 + number % 200;
    memset(item->value + text, '.', item->value_len - (size_t)text);
    began = now_us();
    item->answer = drill->client->store(drill->client->state, item);
    called(drill, began);
    drill->counts.writes++;
    if (item->answer == DRILL_OK) {
        known->acknowledged = known->tried;
    } else {
        drill->counts.refused++;
    }
}

static void delete_guest(struct drill *drill, unsigned number) {
    struct drill_item *item = &drill->page[0];
    long began;

    name_item(item, "guest", number);
    began = now_us();
    item->answer = drill->client->remove(drill->client->state, item);
    called(drill, began);
    drill->counts.writes++;
    if (item->answer == DRILL_FAILED) {
        drill->counts.refused++;
    } else {
        drill->guests[number].deleted = 1;
    }
}

/* The version a value claims to be, or 0 when it is not a value of this key. */
static unsigned version_of(const struct drill_item *item) {
    char text[DRILL_VALUE_MAX + 1];
    unsigned version = 0;

    memcpy(text, item->value, item->value_len);
    text[item->value_len] = '\0';
    if (strncmp(text, item->key, item->key_len) != 0 || sscanf(text + item->key_len, " %u ", &version) != 1) {
        return 0;
    }
    return version;
}

static void judge_session(struct counts *counts, const struct drill_item *item, const struct known *known) {
    unsigned version;

    counts->reads++;
    if (item->answer == DRILL_ABSENT) {
        counts->misses++;
    } else if (item->answer == DRILL_FAILED) {
        counts->errors++;
    } else {
        version = version_of(item);
        if (version == 0 || version > known->tried) {
            fprintf(stderr, "drill: %s was answered with something that nobody stored there\n", item->key);
            counts->errors++;
        } else if (version < known->acknowledged) {
            counts->stale++;
        } else {
            counts->hits++;
        }
    }
}

static void fetch(struct drill *drill, unsigned count) {
    long began = now_us();
    drill->client->fetch(drill->client->state, drill->page, count);
    called(drill, began);
}

static void read_everything(struct drill *drill) {
    unsigned number, page, i;

    for (number = 0; number < SESSIONS - PAGES * PAGE; number++) {
        name_item(&drill->page[0], "session", number);
        fetch(drill, 1);
        judge_session(&drill->counts, &drill->page[0], &drill->sessions[number]);
    }
    for (page = 0; page < PAGES; page++, number += PAGE) {
        for (i = 0; i < PAGE; i++) {
            name_item(&drill->page[i], "session", number + i);
        }
        fetch(drill, PAGE);
        for (i = 0; i < PAGE; i++) {
            judge_session(&drill->counts, &drill->page[i], &drill->sessions[number + i]);
        }
    }
    for (number = 0; number < GUESTS; number++) { /* what was deleted must stay away */
        if (drill->guests[number].deleted) {
            name_item(&drill->page[0], "guest", number);
            fetch(drill, 1);
            drill->counts.revived += drill->page[0].answer == DRILL_OK;
        }
    }
}

/* What is written at the beginning of a stage. */
static void write_for(struct drill *drill, unsigned stage) {
    unsigned number;

    for (number = 0; number < SESSIONS; number++) {
        /* Half of stage 5's quarter was overwritten in stage 3 too, while the server was gone. */
        if (stage == 1 || (stage == 3 && number % 4 == 1) || (stage == 5 && number % 8 < 2)) {
            store_next(drill, "session", number, &drill->sessions[number]);
        }
    }
    for (number = 0; number < GUESTS; number++) {
        if (stage == 1) {
            store_next(drill, "guest", number, &drill->guests[number]);
        } else if ((stage == 3 && number % 4 == 1) || (stage == 5 && number % 4 == 2)) {
            delete_guest(drill, number);
        }
    }
}

static int by_size(const void *a, const void *b) {
    long left = *(const long *)a, right = *(const long *)b;
    return (left > right) - (left < right);
}

static void report(struct drill *drill, unsigned stage) {
    const struct counts *c = &drill->counts;

    qsort(drill->latency_us, drill->calls, sizeof drill->latency_us[0], by_size);
    printf("stage %u reads=%u hits=%u misses=%u stale=%u revived=%u errors=%u writes=%u refused=%u"
           " p99_us=%ld worst_us=%ld\n",
           stage, c->reads, c->hits, c->misses, c->stale, c->revived, c->errors, c->writes, c->refused,
           drill->latency_us[(size_t)drill->calls * 99 / 100], drill->latency_us[drill->calls - 1]);
    fflush(stdout);
}

/* A hundred reads that nobody counts, spread over all sessions. */
static void turn(struct drill *drill, unsigned round) {
    unsigned i;

    for (i = 0; i < 100; i++) {
        name_item(&drill->page[0], "session", (round * 100 + i) % SESSIONS);
        drill->client->fetch(drill->client->state, drill->page, 1);
    }
    puts("turned");
    fflush(stdout);
}

/* Waits for `go`. 0, or -1 when the standard input ended. */
static int wait_for_go(struct drill *drill, unsigned stage) {
    char line[64];
    unsigned round = 0;

    printf("wait %u %s\n", stage, stage_names[stage - 1]);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strncmp(line, "turn", 4) != 0) {
            return 0;
        }
        turn(drill, round++);
    }
    return -1;
}

int drill_play(const struct drill_client *client, int strict) {
    static struct drill drill;
    unsigned stage;
    int broken = 0;

    drill.client = client;
    for (stage = 1; stage <= sizeof stage_names / sizeof stage_names[0]; stage++) {
        const struct counts *c = &drill.counts;

        if (wait_for_go(&drill, stage) != 0) {
            fputs("drill: the standard input ended before the drill did\n", stderr);
            return 2;
        }
        memset(&drill.counts, 0, sizeof drill.counts);
        drill.calls = 0;
        write_for(&drill, stage);
        read_everything(&drill);
        report(&drill, stage);
        broken |= c->hits != c->reads || c->revived != 0 || c->refused != 0;
    }
    puts("end");
    fflush(stdout);
    return strict && broken;
}
