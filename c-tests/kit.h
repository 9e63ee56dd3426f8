/* What the C tests share: a context with allocators that count and fail on demand, an error handler that
 * remembers, and the choice between the two families of functions.
 *
 * Every test is compiled twice. By default MC(set, mc, ...) is mc_set(mc, ...), and the global context has
 * the allocators and the handler; with -DTWINS it is mcm_set(ctxt, mc, ...), in a context of its own. */
#ifndef KIT_H
#define KIT_H

#include <errno.h>
#include <memcache.h>

#include "check.h"

#ifdef TWINS
#define MC(name, ...) mcm_##name(ctxt, __VA_ARGS__)
#define MC0(name) mcm_##name(ctxt)
#else
#define MC(name, ...) mc_##name(__VA_ARGS__)
#define MC0(name) mc_##name()
#endif

#define UNUSED __attribute__((unused))

static struct memcache_ctxt *ctxt; /* the context of all calls */

/* Allocations that are not freed yet; how many were asked for; the number of the first that fails, and
 * of the last. */
static UNUSED long blocks, asked, fail_from, fail_to;

#define LARGEST ((size_t)256 << 20) /* there is no more: nor do a test's mistakes eat the machine's memory */

static UNUSED int may_allocate(size_t size) {
    asked++;
    return size <= LARGEST && (asked < fail_from || asked > fail_to);
}

static UNUSED void *counting_malloc(const size_t size) {
    if (!may_allocate(size))
        return NULL;
    blocks++;
    return malloc(size);
}

static UNUSED void *counting_realloc(void *ptr, const size_t size) {
    CHECK(ptr != NULL); /* as a database's, it takes none */
    if (!may_allocate(size))
        return NULL;
    return realloc(ptr, size);
}

static UNUSED void counting_free(void *ptr) {
    if (ptr != NULL)
        blocks--;
    free(ptr);
}

/* From the first to the last of the coming allocations, counted from 1, there is no memory. */
static UNUSED void allocations_fail(long first, long last) {
    asked = 0;
    fail_from = first;
    fail_to = last;
}

/* What the handler was told, and what it answers. */
static UNUSED int errors_told;
static UNUSED u_int32_t last_code, last_severity;
static UNUSED char last_message[512];
static UNUSED int32_t answer_retcode;
static UNUSED int kit_mark; /* ectxt->misc points here */

static UNUSED int32_t remember(MCM_ERR_FUNC_ARGS) {
    const struct memcache_ctxt *raised_in;
    struct memcache_err_ctxt *ectxt;
    MCM_ERR_INIT_CTXT(raised_in, ectxt);
    CHECK(raised_in == ctxt && ectxt->ctxt == ctxt && ectxt->misc == &kit_mark);
    CHECK(ectxt->cont == 'y' && ectxt->retcode == 0 && ectxt->funcname != NULL && ectxt->errstr != NULL);
    CHECK(ectxt->errmsg == NULL || strlen(ectxt->errmsg) == ectxt->errlen);
    errors_told++;
    last_code = ectxt->errcode;
    last_severity = (u_int32_t)ectxt->severity;
    last_message[0] = '\0';
    if (ectxt->errmsg != NULL)
        strncat(last_message, ectxt->errmsg, sizeof(last_message) - 1);
    ectxt->retcode = answer_retcode;
    return 0;
}

/* Whether exactly one error was told since the last question, and it was this one. */
static UNUSED int raised(u_int32_t code, u_int32_t severity) {
    int so = errors_told == 1 && last_code == code && last_severity == severity;
    if (!so)
        fprintf(stderr, "%d errors, the last one %u at %u: %s\n", errors_told, last_code, last_severity, last_message);
    errors_told = 0;
    return so;
}

/* Whether nothing was told since the last question. */
static UNUSED int silent(void) {
    int so = errors_told == 0;
    if (!so)
        fprintf(stderr, "%d errors, the last one %u at %u: %s\n", errors_told, last_code, last_severity, last_message);
    errors_told = 0;
    return so;
}

/* To be called first. Every severity is heard. */
static UNUSED void begin(void) {
#ifdef TWINS
    ctxt = mcMemNewCtxt(counting_free, counting_malloc, NULL, counting_realloc);
    CHECK(ctxt != NULL);
#else
    ctxt = mc_global_ctxt();
    CHECK(mcMemSetup(counting_free, counting_malloc, NULL, counting_realloc) == 0);
#endif
    ctxt->ectxt->misc = &kit_mark;
    CHECK(mcErrSetupCtxt(ctxt, remember) == 0);
    CHECK(mcm_err_filter_del(ctxt, 31) == 1);
}

/* To be called last: nothing is left, and nobody was told anything that the test did not ask for. */
static UNUSED int end(void) {
    CHECK(silent());
#ifdef TWINS
    mcMemFreeCtxt(ctxt);
#endif
    CHECK(blocks == 0);
    return 0;
}

/* A handle on the servers of the arguments. */
static UNUSED struct memcache *open_servers(int argc, char **argv) {
    struct memcache *mc = MC0(new);
    int i;
    CHECK(mc != NULL && argc > 1);
    MC(timeout, mc, 10, 0); /* valgrind is slow */
    for (i = 1; i < argc; i++)
        CHECK(MC(server_add4, mc, argv[i]) == 0);
    return mc;
}

/* Whether a key has this value and length. */
static UNUSED int holds(struct memcache *mc, const char *key, const char *value) {
    size_t len = 99;
    char *got = MC(aget2, mc, key, strlen(key), &len);
    int so = got != NULL && len == strlen(value) && memcmp(got, value, len + 1) == 0;
    ctxt->mcFree(got);
    return so;
}

/* Stores a text. */
static UNUSED int put(struct memcache *mc, const char *key, const char *value) {
    return MC(set, mc, key, strlen(key), value, strlen(value), 0, 0);
}

#endif
