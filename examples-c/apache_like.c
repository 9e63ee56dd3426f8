/*
 * A program in the manner of a web server's module. It lives for many requests; each has a pool of memory
 * that is dropped as a whole when the request is over, and nothing in it is freed one by one. The handle
 * on the servers lives as long as the process, in a context with memory of its own; what is made for a request
 * is made in a context whose memory is the request's pool. Both contexts have an error handler that writes to
 * the module's log and counts by severity. Only mcm_ calls are made.
 *
 *     apache_like HOST:PORT...
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <memcache.h>

#define REQUESTS 20

/* Aligned as anything may need it. */
union aligned {
    long double number;
    void *pointer;
    size_t size;
};

/* A block of a pool. Its size stands before what is handed out: realloc has to know it. */
struct block {
    struct block *next;
    union aligned size;
};

/* A pool: blocks that are freed together. */
struct pool {
    struct block *blocks;
    size_t given;
    size_t dropped;
};

/* The allocators take no argument that says which pool: it is that of the request being served. */
static struct pool request_pool;

static void *pool_malloc(size_t size) {
    struct block *block = malloc(sizeof(*block) + size);

    if (block == NULL)
        return NULL;
    block->next = request_pool.blocks;
    block->size.size = size;
    request_pool.blocks = block;
    request_pool.given++;
    return block + 1;
}

static void *pool_realloc(void *old, size_t size) {
    void *new = pool_malloc(size);

    if (new != NULL && old != NULL) {
        size_t before = ((struct block *)old - 1)->size.size;
        memcpy(new, old, before < size ? before : size);
    }
    return new;
}

/* Nothing is given back before the request is over. */
static void pool_free(void *memory) {
    (void)memory;
}

static void pool_clear(void) {
    while (request_pool.blocks != NULL) {
        struct block *block = request_pool.blocks;

        request_pool.blocks = block->next;
        free(block);
        request_pool.dropped++;
    }
}

/* The process's own memory, counted: what was taken must be given back. */
static long process_blocks;

static void *process_malloc(size_t size) {
    void *memory = malloc(size);

    process_blocks += memory != NULL;
    return memory;
}

static void *process_realloc(void *old, size_t size) {
    void *memory = realloc(old, size);

    process_blocks += old == NULL && memory != NULL;
    return memory;
}

static void process_free(void *memory) {
    process_blocks -= memory != NULL;
    free(memory);
}

/* The module's log: how many errors of each severity, and the last one's code. */
struct log {
    int notices;
    int warnings;
    int errors;
    u_int32_t last_code;
};

static int32_t to_log(MCM_ERR_FUNC_ARGS) {
    struct memcache_ctxt *ctxt;
    struct memcache_err_ctxt *error;
    struct log *log;

    MCM_ERR_INIT_CTXT(ctxt, error);
    log = ctxt->ectxt->misc;
    switch (error->severity) {
    case MCM_ERR_LVL_INFO:
    case MCM_ERR_LVL_NOTICE:
        log->notices++;
        break;
    case MCM_ERR_LVL_WARN:
        log->warnings++;
        break;
    default:
        log->errors++;
        break;
    }
    log->last_code = error->errcode;
    printf("  [log] %s: %s%s%.*s\n", error->funcname != NULL ? error->funcname : "?", error->errstr,
           error->errmsg != NULL ? ": " : "", (int)error->errlen, error->errmsg != NULL ? error->errmsg : "");
    /* A module never ends the server it is a part of. */
    error->cont = 'y';
    return 0;
}

static int faults;

static void expect(const char *what, int right) {
    printf("%-46s %s\n", what, right ? "ok" : "WRONG");
    if (!right)
        faults++;
}

/* Serves one request: from the cache when the page is there, else it is made and stored. 1: it was there; 0: it
 * was made; -1: something is wrong. */
static int serve(struct memcache_ctxt *ctxt, struct memcache *mc, const char *path) {
    struct memcache_req *req;
    struct memcache_res *page, *hits;
    char body[128];
    int result;

    req = mcm_req_new(ctxt);
    if (req == NULL)
        return -1;
    page = mcm_req_add(ctxt, req, path, strlen(path));
    hits = mcm_req_add_ref(ctxt, req, "hits", MCM_CSTRLEN("hits"));
    if (page == NULL || hits == NULL)
        return -1;
    mcm_get(ctxt, mc, req);
    if (!mcm_res_found(ctxt, hits) && mcm_add(ctxt, mc, "hits", 4, "0", 1, 60, 0) != 0)
        return -1;
    if (mcm_incr(ctxt, mc, "hits", 4, 1) == 0)
        return -1;
    sprintf(body, "<h1>%.60s</h1>", path);
    result = mcm_res_found(ctxt, page);
    if (result && (page->bytes != strlen(body) || memcmp(page->val, body, page->bytes) != 0))
        return -1;
    if (!result && mcm_set(ctxt, mc, path, strlen(path), body, strlen(body), 60, 0) != 0)
        return -1;
    /* The request's pool takes req, its responses and its values with it: nothing is freed here. */
    return result;
}

static void serve_requests(struct memcache_ctxt *ctxt, struct memcache *mc) {
    char path[32], *counted;
    int i, made = 0, cached = 0, wrong = 0;

    mcm_delete(ctxt, mc, "hits", 4, 0);
    for (i = 0; i < 5; i++) {
        sprintf(path, "/page/%d", i);
        mcm_delete(ctxt, mc, path, strlen(path), 0);
    }
    pool_clear();
    for (i = 0; i < REQUESTS; i++) {
        sprintf(path, "/page/%d", i % 5);
        switch (serve(ctxt, mc, path)) {
        case 0: made++; break;
        case 1: cached++; break;
        default: wrong++; break;
        }
        pool_clear();
    }
    expect("every request was served", wrong == 0);
    expect("each page was made once", made == 5);
    expect("and then came from the cache", cached == REQUESTS - 5);
    counted = mcm_aget(ctxt, mc, "hits", 4);
    expect("every hit was counted", counted != NULL && atoi(counted) == REQUESTS);
    pool_clear();
}

/* What the handler is told, and when. */
static void make_errors(struct memcache_ctxt *ctxt, struct memcache *mc, struct log *log) {
    memset(log, 0, sizeof(*log));
    expect("a key with a space is refused", mcm_set(ctxt, mc, "a b", 3, "x", 1, 0, 0) == 2);
    expect("the log has it", log->errors == 1 && log->last_code == MCM_ERR_PROTO);

    expect("a page that is there is stored", mcm_set(ctxt, mc, "/there", 6, "x", 1, 60, 0) == 0);
    expect("and not added again", mcm_add(ctxt, mc, "/there", 6, "y", 1, 60, 0) == 1);
    expect("which is silenced as long as notices are", log->notices == 0);
    mcm_err_filter_del(ctxt, MCM_ERR_LVL_NOTICE);
    expect("and not added once more", mcm_add(ctxt, mc, "/there", 6, "y", 1, 60, 0) == 1);
    expect("which is told when they are not", log->notices == 1 && log->last_code == MCM_ERR_MC_STORE);
    mcm_err_filter_add(ctxt, MCM_ERR_LVL_NOTICE);

    mcm_err_test(ctxt);
    expect("a test error is a warning", log->warnings == 1 && log->last_code == MCM_ERR_TEST);
    expect("it is deleted", mcm_delete(ctxt, mc, "/there", 6, 0) == 0);
    pool_clear();
}

int main(int argc, char **argv) {
    struct memcache_ctxt *process, *request;
    struct memcache *mc;
    struct log log;
    int i;

    if (argc < 2) {
        fprintf(stderr, "usage: apache_like HOST:PORT...\n");
        return 2;
    }
    memset(&log, 0, sizeof(log));
    process = mcMemNewCtxt(process_free, process_malloc, NULL, process_realloc);
    /* The context outlives the requests, so it cannot be in a request's pool: it is made with the process's
     * allocators and then given the pool's. */
    request = mcMemNewCtxt(process_free, process_malloc, NULL, process_realloc);
    mc = process != NULL ? mcm_new(process) : NULL;
    if (process == NULL || request == NULL || mc == NULL) {
        fprintf(stderr, "apache_like: no memory\n");
        return 1;
    }
    mcErrSetupCtxt(process, to_log);
    mcErrSetupCtxt(request, to_log);
    process->ectxt->misc = &log;
    request->ectxt->misc = &log;
    for (i = 1; i < argc; i++)
        expect("a server is added", mcm_server_add4(process, mc, argv[i]) == 0);

    mcMemSetupCtxt(request, pool_free, pool_malloc, pool_malloc, pool_realloc);
    serve_requests(request, mc);
    make_errors(request, mc, &log);
    expect("all memory of requests was of the pool", request_pool.given > REQUESTS);
    expect("and all of it was dropped", request_pool.given == request_pool.dropped);

    mcm_free(process, mc);
    mcMemSetupCtxt(request, process_free, process_malloc, NULL, process_realloc);
    mcMemFreeCtxt(request);
    mcMemFreeCtxt(process);
    expect("the process gave back what it took", process_blocks == 0);
    printf("apache_like: %d wrong\n", faults);
    return faults == 0 ? 0 : 1;
}
