/* No memory for what is large: malloc itself fails, at the n-th time that the library asks it for more than a few
 * thousand bytes, for n = 1, 2, ... until it is asked no more. What a caller or a server chooses the size of is of
 * that kind: a value, the items of a call, an answer. Whatever fails, the process goes on, the call says so, its handle
 * goes on too, and nothing is left behind. The arguments: how many bytes are large, the backups, live servers. */
#include <errno.h>
#include <malloc.h>
#include <memcache.h>
#include <stdint.h>

#include "check.h"

/* glibc's own names: dlsym allocates before it answers. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

static size_t large = SIZE_MAX;
/* How many large ones were asked for, which of them fails, and how many there are. */
static long asked, failing, live;
static int pairs;

static int may_have(size_t size) {
    return size < large || ++asked != failing;
}

static int is_large(void *block) {
    return block != NULL && malloc_usable_size(block) >= 2 * large;
}

static void *had(void *block) {
    live += is_large(block);
    return block;
}

void *malloc(size_t size) {
    return may_have(size) ? had(__libc_malloc(size)) : NULL;
}

void *calloc(size_t count, size_t size) {
    return may_have(count * size) ? had(__libc_calloc(count, size)) : NULL;
}

void *realloc(void *block, size_t size) {
    int before = is_large(block);
    void *moved = may_have(size) ? __libc_realloc(block, size) : NULL;
    if (moved != NULL)
        live -= before;
    return had(moved);
}

void free(void *block) {
    live -= is_large(block);
    __libc_free(block);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    void *got = may_have(size) ? had(__libc_memalign(alignment, size)) : NULL;
    if (got != NULL)
        *block = got;
    return got != NULL ? 0 : ENOMEM;
}

void *aligned_alloc(size_t alignment, size_t size) {
    return may_have(size) ? had(__libc_memalign(alignment, size)) : NULL;
}

#define LONG 300000
#define MANY 1500 /* more than are under way at once */

static char value[LONG], keys[MANY][8];
static struct mc_item items[MANY];

/* The reason that was to be expected, or that there was no memory. */
static void answered(struct memcache *mc, int line, int reason, int expected) {
    if (reason == expected || (failing != 0 && reason == MC_REASON_NO_MEMORY))
        return;
    fprintf(stderr, "line %d, without allocation %ld of %ld: %s: %s\n", line, failing, asked, mc_reason_name(reason),
            mc_reason_text(mc));
    exit(1);
}

#define ANSWERS(call, expected) answered(mc, __LINE__, (call), (expected))

static struct memcache *opened(int argc, char **argv) {
    struct memcache *mc = mc_new();
    int i;
    CHECK(mc != NULL && mc_option_set(mc, "timeout", "60s") == 0 && mc_option_set(mc, "connect_timeout", "20s") == 0);
    for (i = 1; i < argc; i++)
        CHECK(mc_server_add4(mc, argv[i]) == 0);
    CHECK(mc_option_set(mc, "backups", argv[0]) == 0);
    return mc;
}

/* Without second copies it is known what became of it. With them: appended, and no memory for the second copy, it is
 * nowhere, which the call cannot call done. */
static void append(struct memcache *mc, size_t bytes) {
    if (mc_append(mc, "long", 4, value, bytes) != MC_REASON_UNAVAILABLE || failing == 0 || !pairs)
        ANSWERS(mc_reason(mc), MC_REASON_STORED);
}

/* One value that is long. */
static void one(struct memcache *mc) {
    void *got = NULL;
    size_t bytes = 0;
    mc_remove(mc, "long", 4);
    ANSWERS(mc_store_add(mc, "long", 4, "x", 1, 0, 0), MC_REASON_STORED);
    append(mc, LONG);
    ANSWERS(mc_store(mc, "long", 4, value, LONG, 0, 0), MC_REASON_STORED);
    if (mc_reason(mc) != MC_REASON_STORED)
        CHECK(mc_fetch(mc, "long", 4, NULL, NULL, NULL, NULL) == MC_REASON_MISS); /* what was not stored is nowhere */
    else
        ANSWERS(mc_fetch(mc, "long", 4, &got, &bytes, NULL, NULL), MC_REASON_HIT);
    CHECK(got == NULL || (bytes == LONG && memcmp(got, value, LONG) == 0));
    free(got);
    free(mc_aget(mc, "long", 4));
    if (mc_reason(mc) == MC_REASON_HIT)
        append(mc, 1); /* the room that the long answer took was given back, and the short one needs some */
    (void)mc_set(mc, "long", 4, value, LONG, 0, 0);
}

/* Many that are short: what fails of them says so, and what is found is right. */
static void many(struct memcache *mc) {
    size_t i;
    for (i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof(keys[i]), "%zu", i);
        items[i].key = items[i].value = keys[i];
        items[i].key_len = items[i].bytes = strlen(keys[i]);
    }
    mc_store_many(mc, items, MANY);
    for (i = 0; i < MANY; i++)
        ANSWERS(items[i].reason, MC_REASON_STORED);
    mc_fetch_many(mc, items, MANY);
    for (i = 0; i < MANY; i++) {
        CHECK(items[i].reason != MC_REASON_HIT || strcmp(items[i].value, keys[i]) == 0);
        if (items[i].reason != MC_REASON_MISS || failing == 0)
            ANSWERS(items[i].reason, MC_REASON_HIT);
        free(items[i].value);
    }
}

static void request(struct memcache *mc) {
    struct memcache_req *req = mc_req_new();
    struct memcache_res *res;
    size_t i, there = 0, found = 0;
    CHECK(req != NULL);
    for (i = 0; i < MANY; i++)
        CHECK(mc_req_add_ref(req, keys[i], strlen(keys[i])) != NULL);
    mc_get(mc, req);
    ANSWERS(mc_reason(mc), MC_REASON_DONE);
    for (i = 0; i < MANY; i++)
        there += items[i].reason == MC_REASON_HIT;
    TAILQ_FOREACH(res, &req->query, entries)
        found += (size_t)mc_res_found(res);
    CHECK(found >= there || mc_reason(mc) == MC_REASON_NO_MEMORY); /* no value is called a miss for want of memory */
    mc_req_free(req);
}

static void remove_many(struct memcache *mc) {
    size_t i;
    mc_remove_many(mc, items, MANY);
    for (i = 0; i < MANY; i++)
        if (items[i].reason != MC_REASON_NOT_FOUND || failing == 0)
            ANSWERS(items[i].reason, MC_REASON_DELETED);
}

/* One handle's life while the n-th allocation fails; n is 0: none does. */
static void without(long n, int argc, char **argv) {
    struct memcache *mc;
    long before = live;
    u_int32_t i;
    asked = 0, failing = n;
    mc = opened(argc, argv);
    one(mc);
    many(mc);
    request(mc);
    mcm_err(mc_global_ctxt(), ERR_FLAG, "here", 1, MCM_ERR_TEST, value, LONG, 0);
    remove_many(mc);
    for (i = 0; i < mc->num_servers; i++)
        CHECK(mc_server_state(mc, mc->servers[i]) == MC_STATE_STEADY); /* it is no fault of theirs */
    failing = 0;
    one(mc); /* as if nothing had been */
    mc_free(mc);
    CHECK(live == before);
}

static int32_t heard(MCM_ERR_FUNC_ARGS) {
    (void)MCM_CALLBACK_CTXT, (void)MCM_CALLBACK_PTR;
    return 0;
}

int main(int argc, char **argv) {
    long n, total;
    CHECK(argc > 4 && mcErrSetup(heard) == 0);
    memset(value, 'v', sizeof(value));
    large = (size_t)atol(argv[1]);
    argc -= 2, argv += 2;
    pairs = strcmp(argv[0], "none") != 0;
    without(0, argc, argv);
    without(0, argc, argv);
    total = asked;
    CHECK(total > 20);
    for (n = 1; n <= total; n++)
        without(n, argc, argv);
    printf("%ld large allocations, and none of them ended the process\n", total);
    return 0;
}
