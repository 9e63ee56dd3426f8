/* Contexts: making, changing, freeing them, and what each NULL does. */
#include "kit.h"

static long others; /* calls of the other allocators */

static void *other_malloc(const size_t size) {
    others++;
    return malloc(size);
}

static void *other_atomic(const size_t size) {
    others += 1000;
    return malloc(size);
}

static void *other_realloc(void *ptr, const size_t size) {
    others++;
    return realloc(ptr, size);
}

static void other_free(void *ptr) {
    free(ptr);
}

static void getting(void) {
    mcFreeFunc f = NULL;
    mcMallocFunc m = NULL, a = NULL;
    mcReallocFunc r = NULL;
    CHECK(mcMemSetup(other_free, other_malloc, NULL, other_realloc) == 0);
    CHECK(mcMemGet(&f, &m, &a, &r) == 0);
    CHECK(f == other_free && m == other_malloc && a == other_malloc && r == other_realloc);
    CHECK(mcMemSetup(other_free, other_malloc, other_atomic, other_realloc) == 0);
    CHECK(mcMemGet(NULL, NULL, &a, NULL) == 0 && a == other_atomic);
    CHECK(mcMemGet(NULL, NULL, NULL, NULL) == 0);
    f = NULL, m = NULL, r = NULL;
    CHECK(mcMemGet(&f, NULL, NULL, NULL) == 0 && mcMemGet(NULL, &m, NULL, NULL) == 0 && mcMemGet(NULL, NULL, NULL, &r) == 0);
    CHECK(f == other_free && m == other_malloc && r == other_realloc);

    /* A required NULL: 1, and nothing is changed. */
    CHECK(mcMemSetup(NULL, malloc, NULL, realloc) == 1 && mcMemSetup(free, NULL, NULL, realloc) == 1);
    CHECK(mcMemSetup(free, malloc, malloc, NULL) == 1);
    CHECK(mcMemGet(&f, &m, &a, &r) == 0 && f == other_free && m == other_malloc && a == other_atomic && r == other_realloc);
    {
        char *text = mc_strdup("x");
        CHECK(text != NULL && others > 0);
        other_free(text);
    }
}

static void own_contexts(void) {
    struct memcache_ctxt *c;
    CHECK(mcMemNewCtxt(NULL, counting_malloc, NULL, counting_realloc) == NULL);
    CHECK(mcMemNewCtxt(counting_free, NULL, NULL, counting_realloc) == NULL);
    CHECK(mcMemNewCtxt(counting_free, counting_malloc, NULL, NULL) == NULL);
    c = mcMemNewCtxt(counting_free, counting_malloc, NULL, counting_realloc);
    CHECK(c != NULL && c != mc_global_ctxt() && blocks == 2);
    CHECK(c->mcFree == counting_free && c->mcMalloc == counting_malloc && c->mcRealloc == counting_realloc);
    CHECK(c->mcMallocAtomic == counting_malloc);
    CHECK(c->mcErr != NULL && c->mcKeyValid != NULL && c->mcHashKey != NULL && c->mcServerFind != NULL);
    CHECK(c->errnum == 0 && c->ectxt != NULL && c->ectxt->misc == NULL && c->ectxt->errcode == MCM_ERR_NONE);
    CHECK(c->MCM_ERR_MASK == (MCM_ERR_LVL_INFO | MCM_ERR_LVL_NOTICE));

    CHECK(mcMemSetupCtxt(NULL, free, malloc, NULL, realloc) == 1);
    CHECK(mcMemSetupCtxt(c, NULL, malloc, NULL, realloc) == 1 && mcMemSetupCtxt(c, free, NULL, NULL, realloc) == 1);
    CHECK(mcMemSetupCtxt(c, free, malloc, NULL, NULL) == 1 && c->mcFree == counting_free);
    CHECK(mcMemSetupCtxt(c, counting_free, counting_malloc, other_atomic, counting_realloc) == 0);
    CHECK(c->mcMallocAtomic == other_atomic);
    mcMemFreeCtxt(c);
    CHECK(blocks == 0);
    mcMemFreeCtxt(NULL);
    mcMemFreeCtxt(mc_global_ctxt()); /* was never allocated: stays */
    CHECK(mc_vernum() == 10400 && mc_global_ctxt()->ectxt != NULL);

    allocations_fail(1, 1);
    CHECK(mcMemNewCtxt(counting_free, counting_malloc, NULL, counting_realloc) == NULL && blocks == 0);
    allocations_fail(2, 2);
    CHECK(mcMemNewCtxt(counting_free, counting_malloc, NULL, counting_realloc) == NULL && blocks == 0);
}

/* Function pointers that a program sets to NULL mean the defaults. */
static void nothing_set(void) {
    struct memcache_ctxt *c = mcMemNewCtxt(counting_free, counting_malloc, NULL, counting_realloc);
    struct memcache_ctxt saved = *c;
    struct memcache *mc;
    c->mcFree = NULL, c->mcMalloc = NULL, c->mcMallocAtomic = NULL, c->mcRealloc = NULL;
    c->mcErr = NULL, c->mcKeyValid = NULL, c->mcHashKey = NULL, c->mcServerFind = NULL;
    c->ectxt = NULL;
    mc = mcm_new(c);
    CHECK(mc != NULL && mcm_server_add(c, mc, "127.0.0.1", "1") == 0);
    mcm_err_filter_add(c, MCM_ERR_LVL_ERR);
    CHECK(mcm_set(c, mc, "a b", 3, "x", 1, 0, 0) == 2 && mcm_set(c, mc, "a", 1, "x", 1, 0, 0) < 0);
    CHECK(mcm_hash_key(c, "foo", 3) == 0x0c73);
    mcm_free(c, mc);
    *c = saved;
    mcMemFreeCtxt(c);
    CHECK(blocks == 0);
}

int main(void) {
    struct memcache *mc = NULL;
    CHECK(mc_global_ctxt() == mc_global_ctxt() && mc_global_ctxt()->mcMalloc != NULL);
    mc_err_filter_add(MCM_ERR_LVL_ERR); /* what is refused here need not be printed */
    own_contexts();
    nothing_set();
    getting();
    CHECK(mcm_new(NULL) == NULL);
    mcm_free(NULL, mc);
    return 0;
}
