/*
 * A session store, as web applications keep one: create, read, renew and destroy a session, and count
 * its visits.
 *
 *     sessions HOST:PORT...
 *
 * With MEMCACHE_POOL=/path/pool.toml in the environment the servers are those of the pool file, and a
 * session survives the death of the server it is on.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <memcache.h>

/* How long a session lives after its last use, in seconds. */
#define LIFE 1800

/* What a key may need: the prefix, the identifier, and a NUL. */
#define KEY_SIZE 64

/* Where a session is, and where its visits are counted. */
struct session {
    char data[KEY_SIZE];
    char visits[KEY_SIZE];
};

static void session_named(struct session *session, const char *id) {
    sprintf(session->data, "session:%.40s", id);
    sprintf(session->visits, "visits:%.40s", id);
}

/* 0: it is new. 1: there is one of that name. Less: the servers cannot be asked. */
static int session_create(struct memcache *mc, const struct session *session, const char *data) {
    int result;

    /* add, not set: two visitors must never share a session because their identifiers do. */
    result = mc_add(mc, session->data, strlen(session->data), data, strlen(data), LIFE, 0);
    if (result != 0)
        return result;
    return mc_set(mc, session->visits, strlen(session->visits), "0", 1, LIFE, 0);
}

/* The session's data, to be freed; NULL when there is none. */
static char *session_read(struct memcache *mc, const struct session *session) {
    return mc_aget(mc, session->data, strlen(session->data));
}

/* The number of this visit; 0 when there is no such session. */
static u_int32_t session_visit(struct memcache *mc, const struct session *session) {
    return mc_incr(mc, session->visits, strlen(session->visits), 1);
}

/* New data, and a new life: of the counter too. 0 when both were there. */
static int session_renew(struct memcache *mc, const struct session *session, const char *data) {
    char *visits;
    int result;

    result = mc_replace(mc, session->data, strlen(session->data), data, strlen(data), LIFE, 0);
    if (result != 0)
        return result;
    visits = mc_aget(mc, session->visits, strlen(session->visits));
    if (visits == NULL)
        return 1;
    result = mc_set(mc, session->visits, strlen(session->visits), visits, strlen(visits), LIFE, 0);
    mc_global_ctxt()->mcFree(visits);
    return result;
}

static int session_destroy(struct memcache *mc, const struct session *session) {
    int data = mc_delete(mc, session->data, strlen(session->data), 0);
    int visits = mc_delete(mc, session->visits, strlen(session->visits), 0);

    return data != 0 ? data : visits;
}

static int faults;

/* Says what happened, and notes when it is not what should have. */
static void expect(const char *what, int right) {
    printf("%-46s %s\n", what, right ? "ok" : "WRONG");
    if (!right)
        faults++;
}

static int holds(char *value, const char *text) {
    int same = value != NULL && strcmp(value, text) == 0;

    if (value != NULL)
        mc_global_ctxt()->mcFree(value);
    return same;
}

static void live_through_a_session(struct memcache *mc) {
    struct session session;
    u_int32_t visit;
    int i;

    session_named(&session, "4f1c-one");
    session_destroy(mc, &session);

    expect("a session that was never created is not there", session_read(mc, &session) == NULL);
    expect("its visits are not counted", session_visit(mc, &session) == 0 && mc_global_ctxt()->errnum == ENOENT);
    expect("it is created", session_create(mc, &session, "user=anna") == 0);
    expect("it cannot be created twice", session_create(mc, &session, "user=eve") == 1);
    expect("it is read as it was created", holds(session_read(mc, &session), "user=anna"));
    for (i = 1, visit = 0; i <= 3; i++)
        visit = session_visit(mc, &session);
    expect("three visits are three", visit == 3);
    expect("it is renewed", session_renew(mc, &session, "user=anna cart=7") == 0);
    expect("it is read as it was renewed", holds(session_read(mc, &session), "user=anna cart=7"));
    expect("its visits go on", session_visit(mc, &session) == 4);
    expect("it is destroyed", session_destroy(mc, &session) == 0);
    expect("then it is gone", session_read(mc, &session) == NULL);
    expect("and cannot be renewed", session_renew(mc, &session, "user=anna") == 1);
    expect("or destroyed again", session_destroy(mc, &session) == 1);
}

/* Many of them, so that every server has some. */
static void keep_many_sessions(struct memcache *mc) {
    struct session session;
    char id[KEY_SIZE], data[KEY_SIZE];
    int i, right = 0, destroyed = 0;

    for (i = 0; i < 100; i++) {
        sprintf(id, "many-%d", i);
        sprintf(data, "user=%d", i);
        session_named(&session, id);
        session_destroy(mc, &session);
        if (session_create(mc, &session, data) == 0 && holds(session_read(mc, &session), data))
            right++;
        if (session_destroy(mc, &session) == 0)
            destroyed++;
    }
    expect("a hundred sessions are kept apart", right == 100);
    expect("and destroyed", destroyed == 100);
}

int main(int argc, char **argv) {
    struct memcache *mc;
    int i;

    if (argc < 2) {
        fprintf(stderr, "usage: sessions HOST:PORT...\n");
        return 2;
    }
    mc = mc_new();
    if (mc == NULL) {
        fprintf(stderr, "sessions: no memory\n");
        return 1;
    }
    for (i = 1; i < argc; i++) {
        if (mc_server_add4(mc, argv[i]) != 0) {
            fprintf(stderr, "sessions: cannot use the server %s\n", argv[i]);
            mc_free(mc);
            return 1;
        }
    }
    mc_timeout(mc, 2, 0);
    live_through_a_session(mc);
    keep_many_sessions(mc);
    mc_free(mc);
    printf("sessions: %d wrong\n", faults);
    return faults == 0 ? 0 : 1;
}
