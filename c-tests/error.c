/* Errors: codes with their severities and exit statuses, the filter, handlers and what they decide. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "kit.h"

struct known {
    u_int32_t code, severity;
    int sysexit;
};

static const struct known table[] = {
    { MCM_ERR_ASSERT, MCM_ERR_LVL_FATAL, EX_SOFTWARE },
    { MCM_ERR_LIB_SNPRINTF, MCM_ERR_LVL_ERR, EX_DATAERR },
    { MCM_ERR_LIB_STRTOL, MCM_ERR_LVL_ERR, EX_DATAERR },
    { MCM_ERR_LIB_STRTOLL, MCM_ERR_LVL_ERR, EX_DATAERR },
    { MCM_ERR_MC_RECONN, MCM_ERR_LVL_INFO, EX_OK },
    { MCM_ERR_MC_SEND_CMD, MCM_ERR_LVL_NOTICE, EX_IOERR },
    { MCM_ERR_MC_SERV_LIST, MCM_ERR_LVL_WARN, EX_DATAERR },
    { MCM_ERR_MC_STORE, MCM_ERR_LVL_NOTICE, EX_CANTCREAT },
    { MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE, EX_UNAVAILABLE },
    { MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR, EX_OSERR },
    { MCM_ERR_MEM_REALLOC, MCM_ERR_LVL_ERR, EX_OSERR },
    { MCM_ERR_NET_CONNECT, MCM_ERR_LVL_NOTICE, EX_TEMPFAIL },
    { MCM_ERR_NET_HOST, MCM_ERR_LVL_WARN, EX_NOHOST },
    { MCM_ERR_PROTO, MCM_ERR_LVL_FATAL, EX_PROTOCOL },
    { MCM_ERR_SYS_CLOSE, MCM_ERR_LVL_ERR, EX_OSERR },
    { MCM_ERR_SYS_CONNECT, MCM_ERR_LVL_NOTICE, EX_OSERR },
    { MCM_ERR_SYS_FCNTL, MCM_ERR_LVL_ERR, EX_OSERR },
    { MCM_ERR_SYS_READ, MCM_ERR_LVL_ERR, EX_OSERR },
    { MCM_ERR_SYS_SELECT, MCM_ERR_LVL_ERR, EX_OSERR },
    { MCM_ERR_SYS_SETSOCKOPT, MCM_ERR_LVL_ERR, EX_OSERR },
    { MCM_ERR_SYS_SOCKET, MCM_ERR_LVL_ERR, EX_OSERR },
    { MCM_ERR_SYS_WRITEV, MCM_ERR_LVL_ERR, EX_OSERR },
    { MCM_ERR_TEST, MCM_ERR_LVL_WARN, EX_OK },
    { MCM_ERR_TIMEOUT, MCM_ERR_LVL_WARN, EX_UNAVAILABLE },
    { MCM_ERR_TRACE, MCM_ERR_LVL_INFO, EX_OK },
    { MCM_ERR_UNKNOWN_STAT, MCM_ERR_LVL_WARN, EX_PROTOCOL },
};

static void codes(void) {
    size_t i;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        mcm_err(ctxt, ERR_FLAG, "a function", 77, table[i].code, NULL, 0, 0);
        CHECK(raised(table[i].code, table[i].severity));
        CHECK(ctxt->ectxt->errcode == table[i].code && ctxt->ectxt->severity == (char)table[i].severity);
        CHECK(ctxt->ectxt->sysexit == table[i].sysexit && ctxt->ectxt->lineno == 77);
        CHECK(strcmp(ctxt->ectxt->funcname, "a function") == 0 && ctxt->ectxt->errmsg == NULL);
        CHECK(ctxt->ectxt->cont == 'y' && ctxt->ectxt->misc == &kit_mark && ctxt->ectxt->errstr[0] != '\0');
    }
    mcm_err(ctxt, ERR_FLAG, NULL, 0, 4711, "no such code", 0, 0); /* foreign numbers are no danger */
    CHECK(raised(4711, MCM_ERR_LVL_ERR) && strcmp(last_message, "no such code") == 0);
    mcm_err(NULL, ERR_FLAG, "f", 1, MCM_ERR_TEST, NULL, 0, 0);
    CHECK(silent());
}

/* What an extension raises. Each macro names the function and the line. */
static void macros(void) {
    const char unended[4] = { 'l', 'o', 'n', 'g' };
#define RAISED(code, severity, message, with_errno)                                                \
    (raised(code, severity) && strcmp(last_message, message) == 0                                  \
        && ctxt->ectxt->errnum == ((with_errno) ? (u_int32_t)EINTR : 0)                            \
        && strcmp(ctxt->ectxt->funcname, "macros") == 0 && ctxt->ectxt->lineno + 1 == __LINE__)
    errno = EINTR;
    MCM_ERR(MCM_ERR_SYS_READ);
    CHECK(RAISED(MCM_ERR_SYS_READ, MCM_ERR_LVL_ERR, "", 1));
    errno = EINTR;
    MCM_ERR_MSG(MCM_ERR_SYS_READ, "a message");
    CHECK(RAISED(MCM_ERR_SYS_READ, MCM_ERR_LVL_ERR, "a message", 1));
    errno = EINTR;
    MCM_ERR_MSG_LVL(MCM_ERR_SYS_READ, "a message", MCM_ERR_LVL_INFO);
    CHECK(RAISED(MCM_ERR_SYS_READ, MCM_ERR_LVL_INFO, "a message", 1));
    MCM_ERRX(MCM_ERR_PROTO);
    CHECK(RAISED(MCM_ERR_PROTO, MCM_ERR_LVL_FATAL, "", 0));
    MCM_ERRX_MSG(MCM_ERR_TEST, "x");
    CHECK(RAISED(MCM_ERR_TEST, MCM_ERR_LVL_WARN, "x", 0));
    MCM_ERRX_MSG_LVL(MCM_ERR_TEST, "x", MCM_ERR_LVL_NOTICE);
    CHECK(RAISED(MCM_ERR_TEST, MCM_ERR_LVL_NOTICE, "x", 0));
    MCM_WARNX(MCM_ERR_TIMEOUT);
    CHECK(RAISED(MCM_ERR_TIMEOUT, MCM_ERR_LVL_WARN, "", 0));
    errno = EINTR;
    MCM_WARN_MSG(MCM_ERR_NET_HOST, "w");
    CHECK(RAISED(MCM_ERR_NET_HOST, MCM_ERR_LVL_WARN, "w", 1));
    errno = EINTR;
    MCM_WARN_MSGLEN(MCM_ERR_NET_HOST, unended, 4);
    CHECK(RAISED(MCM_ERR_NET_HOST, MCM_ERR_LVL_WARN, "long", 1));
    errno = EINTR;
    MCM_WARN_MSG_LVL(MCM_ERR_NET_HOST, "w", MCM_ERR_LVL_ERR);
    CHECK(RAISED(MCM_ERR_NET_HOST, MCM_ERR_LVL_ERR, "w", 1));
    MCM_WARNX_MSG(MCM_ERR_UNKNOWN_STAT, "w");
    CHECK(RAISED(MCM_ERR_UNKNOWN_STAT, MCM_ERR_LVL_WARN, "w", 0));
    MCM_WARNX_MSGLEN(MCM_ERR_UNKNOWN_STAT, unended, 2);
    CHECK(RAISED(MCM_ERR_UNKNOWN_STAT, MCM_ERR_LVL_WARN, "lo", 0));
    CHECK(MCM_RET_CODE(5) == 5);
    answer_retcode = -42;
    MCM_ERRX(MCM_ERR_TEST);
    CHECK(RAISED(MCM_ERR_TEST, MCM_ERR_LVL_WARN, "", 0));
    CHECK(MCM_RET_CODE(5) == -42);
    answer_retcode = 0;
}

static void filters(void) {
#ifdef TWINS
    CHECK(mcm_err_filter_add(NULL, 1) == 0 && mcm_err_filter_del(NULL, 1) == 0);
    CHECK(mcm_err_filter_get(NULL) == 0 && mcm_err_filter_test(NULL, 1) == 0);
#endif
    CHECK(MC0(err_filter_get) == 0);
    CHECK(MC(err_filter_add, MCM_ERR_LVL_INFO) == 1 && MC(err_filter_add, MCM_ERR_LVL_INFO) == 0);
    CHECK(MC(err_filter_add, MCM_ERR_LVL_ERR | MCM_ERR_LVL_INFO) == 1 && MC0(err_filter_get) == (MCM_ERR_LVL_INFO | MCM_ERR_LVL_ERR));
    CHECK(MC(err_filter_test, MCM_ERR_LVL_ERR) == 1 && MC(err_filter_test, MCM_ERR_LVL_WARN) == 0);
    CHECK(MC(err_filter_test, MCM_ERR_LVL_INFO | MCM_ERR_LVL_ERR) == 1);
    CHECK(MC(err_filter_test, MCM_ERR_LVL_WARN | MCM_ERR_LVL_ERR) == 0 && MC(err_filter_test, 0) == 0);
    answer_retcode = -42;
    MCM_ERRX(MCM_ERR_TEST);
    answer_retcode = 0;
    CHECK(raised(MCM_ERR_TEST, MCM_ERR_LVL_WARN) && MCM_RET_CODE(5) == -42);
    MCM_ERRX(MCM_ERR_SYS_READ);
    CHECK(silent()); /* silenced */
    CHECK(MCM_RET_CODE(5) == 5); /* and what was answered before is no answer to it */
    MCM_ERRX(MCM_ERR_PROTO);
    CHECK(raised(MCM_ERR_PROTO, MCM_ERR_LVL_FATAL)); /* and only that */
    CHECK(MC(err_filter_del, MCM_ERR_LVL_ERR) == 1 && MC(err_filter_del, MCM_ERR_LVL_ERR) == 0);
    CHECK(MC0(err_filter_get) == MCM_ERR_LVL_INFO && MC(err_filter_del, 31) == 1 && MC0(err_filter_get) == 0);
    MC0(err_test);
    CHECK(raised(MCM_ERR_TEST, MCM_ERR_LVL_WARN));
    CHECK(MC(err_filter_add, MCM_ERR_LVL_WARN) == 1);
    MC0(err_test);
    CHECK(silent() && MC(err_filter_del, MCM_ERR_LVL_WARN) == 1);
    mcm_err_test(NULL);
}

static void handlers(void) {
    mcErrFunc got = NULL;
    CHECK(mcErrGet(&got) == 0 && got != NULL && got == mc_global_ctxt()->mcErr && mcErrGet(NULL) == 1);
    CHECK(mcErrSetup(NULL) == 1 && mcErrSetupCtxt(ctxt, NULL) == 1 && mcErrSetupCtxt(NULL, remember) == 1);
    CHECK(ctxt->mcErr == remember);
    CHECK(mcErrSetup(remember) == 0 && mcErrGet(&got) == 0 && got == remember);
    ctxt->mcErr = NULL;
    CHECK(mcErrSetupCtxt(ctxt, remember) == 0 && ctxt->mcErr == remember);
}

/* A handler reaches its error by either road: the argument, or the context. */
static int other_mark;

static int32_t by_context(MCM_ERR_FUNC_ARGS) {
    struct memcache_ctxt *raised_in;
    struct memcache_err_ctxt *ectxt;
    MCM_ERR_INIT_CTXT(raised_in, ectxt);
    CHECK(raised_in->ectxt->errcode == ectxt->errcode && strcmp(raised_in->ectxt->errmsg, ectxt->errmsg) == 0);
    raised_in->ectxt->misc = &other_mark;
    return 0;
}

static int32_t by_argument(MCM_ERR_FUNC_ARGS) {
    const struct memcache_ctxt *raised_in;
    struct memcache_err_ctxt *ectxt;
    MCM_ERR_INIT_CTXT(raised_in, ectxt);
    CHECK(raised_in == ctxt && ectxt->misc == &other_mark);
    ectxt->misc = &kit_mark;
    return 0;
}

static void the_programs_own_pointer_stays(void) {
    ctxt->mcErr = by_context;
    MC0(err_test);
    CHECK(ctxt->ectxt->misc == &other_mark);
    ctxt->mcErr = by_argument;
    MC0(err_test);
    CHECK(ctxt->ectxt->misc == &kit_mark);
    ctxt->mcErr = remember;
}

static char decision;
static int road;

static int32_t ends_it(MCM_ERR_FUNC_ARGS) {
    struct memcache_ctxt *raised_in;
    struct memcache_err_ctxt *ectxt;
    MCM_ERR_INIT_CTXT(raised_in, ectxt);
    *(road == 0 ? &ectxt->cont : &raised_in->ectxt->cont) = decision;
    return 0;
}

/* How a child ends in which the handler decides this about a bad key. Its standard error goes to `text`. */
static int fate(mcErrFunc handler, char what, int which_road, char *text, size_t size) {
    int ends[2], status;
    size_t len = 0;
    ssize_t came;
    pid_t child;
    CHECK(pipe(ends) == 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct rlimit none = { 0, 0 };
        struct memcache *mc;
        setrlimit(RLIMIT_CORE, &none);
        dup2(ends[1], 2);
        decision = what;
        road = which_road;
        ctxt->mcErr = handler;
        mc = MC0(new);
        if (MC(set, mc, "a b", 3, "x", 1, 0, 0) != 2)
            _exit(99);
        MC(free, mc);
        _exit(42);
    }
    close(ends[1]);
    while (len + 1 < size && (came = read(ends[0], text + len, size - len - 1)) > 0)
        len += (size_t)came;
    text[len] = '\0';
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

static void endings(mcErrFunc default_handler) {
    char text[4096];
    int status, by;
    for (by = 0; by < 2; by++) {
        status = fate(ends_it, 'n', by, text, sizeof(text));
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EX_PROTOCOL);
        status = fate(ends_it, 'a', by, text, sizeof(text));
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        status = fate(ends_it, 'y', by, text, sizeof(text));
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    }
    /* The default handler: one line, and the program goes on. */
    status = fate(default_handler, 'y', 0, text, sizeof(text));
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    CHECK(strncmp(text, "libmemcache: mc_set: ", 21) == 0 && strchr(text, '\n') == text + strlen(text) - 1);
}

int main(void) {
    mcErrFunc default_handler = NULL;
    CHECK(mcErrGet(&default_handler) == 0);
    begin();
    codes();
    macros();
    filters();
    handlers();
    the_programs_own_pointer_stays();
    endings(default_handler);
    return end();
}
