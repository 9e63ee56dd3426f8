/*
 * One handle, two threads at once: a debug build says so and the second call fails. One thread may
 * come back to a handle from its own callbacks and hooks.
 *
 *   threads HOST:PORT...
 */
#include <memcache.h>

#include <pthread.h>

#include "check.h"

static struct memcache *mc;
static struct memcache_ctxt *ctxt;
static int asserts, severity, other_errors;
/* What the hook does, once: 0 nothing, 1 call in another thread, 2 call in this thread. */
static int armed;
static int result, calls;
static char key[] = "key", inner[] = "inner", value[] = "value";

static int remember(MCM_ERR_FUNC_ARGS) {
    struct memcache_err_ctxt *error;
    const struct memcache_ctxt *of;

    MCM_ERR_INIT_CTXT(of, error);
    CHECK(of == ctxt);
    if (error->errcode == MCM_ERR_ASSERT) {
        asserts++;
        severity = error->severity;
        CHECK(error->cont == 'y');
    } else {
        other_errors++;
    }
    return 0;
}

static void *set_inner(void *nothing) {
    result = mcm_set(ctxt, mc, inner, 5, value, 5, 0, 0);
    calls++;
    return nothing;
}

/* The values' allocator: runs in the middle of a call. */
static void *hooked_malloc(size_t size) {
    int what = armed;
    armed = 0;
    if (what == 1) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, set_inner, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    } else if (what == 2) {
        set_inner(NULL);
    }
    return malloc(size);
}

static int called_back;

static void use_it_again(MCM_CALLBACK_FUNC) {
    char *again;
    (void)MCM_CALLBACK_CTXT;
    (void)MCM_CALLBACK_PTR;
    CHECK(mc_res_found(MCM_CALLBACK_RES));
    CHECK(mcm_set(ctxt, mc, inner, 5, "second", 6, 0, 0) == 0);
    again = mcm_aget(ctxt, mc, inner, 5);
    CHECK(again != NULL && strcmp(again, "second") == 0);
    free(again);
    called_back++;
}

static void fetch(void) {
    char *read = mcm_aget(ctxt, mc, key, 3);
    CHECK(read != NULL && strcmp(read, value) == 0);
    free(read);
}

int main(int argc, char **argv) {
    struct memcache_req *req;
    int i;

    ctxt = mcMemNewCtxt(free, hooked_malloc, hooked_malloc, realloc);
    CHECK(ctxt != NULL && mcErrSetupCtxt(ctxt, remember) == 0);
    mc = mcm_new(ctxt);
    CHECK(mc != NULL && argc > 1);
    mcm_timeout(ctxt, mc, 30, 0);
    for (i = 1; i < argc; i++)
        CHECK(mcm_server_add4(ctxt, mc, argv[i]) == 0);
    CHECK(mcm_set(ctxt, mc, key, 3, value, 5, 0, 0) == 0);

    armed = 1; /* another thread, in the middle of a get */
    fetch();
    CHECK(calls == 1);
    if (asserts > 0) { /* a debug build */
        CHECK(asserts == 1 && severity == MCM_ERR_LVL_FATAL && result < 0);
    }
    fetch(); /* the handle is as good as before */
    CHECK(asserts <= 1 && other_errors == 0);

    i = asserts; /* another thread, but one after the other: fine */
    {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, set_inner, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(result == 0 && asserts == i);
    }

    armed = 2; /* this thread, from its own hook */
    fetch();
    CHECK(calls == 3 && result == 0 && asserts == i);

    req = mcm_req_new(ctxt);
    CHECK(req != NULL);
    mcm_res_register_fetch_cb(ctxt, req, mcm_req_add(ctxt, req, key, 3), use_it_again, NULL);
    mcm_get(ctxt, mc, req);
    mcm_get(ctxt, mc, req);
    CHECK(called_back == 2 && asserts == i);
    mcm_req_free(ctxt, req);
    mcm_free(ctxt, mc);
    mcMemFreeCtxt(ctxt);
    printf("%d\n", asserts);
    return 0;
}
