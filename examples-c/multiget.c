/*
 * Many keys in one go: a request is filled with keys, fetched, and a callback is told of each response.
 * Some values go into buffers of the program's own.
 *
 *     multiget HOST:PORT...
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <memcache.h>

#define USERS 50

/* What the callbacks count. */
struct tally {
    int told;
    int found;
    int missed;
    int wrong;
};

static int faults;

static void expect(const char *what, int right) {
    printf("%-46s %s\n", what, right ? "ok" : "WRONG");
    if (!right)
        faults++;
}

/* The name of a user's key, and what is stored there; the length of what was written. */
static size_t key_of(char *key, int user) {
    return (size_t)sprintf(key, "user:%d", user);
}

static size_t value_of(char *value, int user) {
    return (size_t)sprintf(value, "name of user %d", user);
}

/* Users with an even number are stored, the others are not. */
static int is_stored(int user) {
    return user % 2 == 0;
}

static int store_half(struct memcache *mc) {
    char key[32], value[64];
    int user, failed = 0;

    for (user = 0; user < USERS; user++) {
        size_t length = key_of(key, user);

        if (is_stored(user)) {
            size_t bytes = value_of(value, user);
            failed += mc_set(mc, key, length, value, bytes, 60, (u_int16_t)user) != 0;
        } else {
            mc_delete(mc, key, length, 0);
        }
    }
    return failed == 0;
}

/* Told of a response, found or not. misc is what the callback was registered with. */
static void told(MCM_CALLBACK_FUNC) {
    struct memcache_res *res = MCM_CALLBACK_RES;
    struct tally *tally = MCM_CALLBACK_PTR;
    char expected[64];
    int user;

    (void)MCM_CALLBACK_CTXT;
    tally->told++;
    if (!mc_res_found(res)) {
        tally->missed++;
        return;
    }
    tally->found++;
    user = atoi((const char *)res->key + strlen("user:"));
    if (value_of(expected, user) != res->bytes || memcmp(expected, res->val, res->bytes) != 0)
        tally->wrong++;
    if (res->flags != user)
        tally->wrong++;
}

static void fetch_with_callbacks(struct memcache *mc) {
    struct memcache_req *req = mc_req_new();
    struct memcache_res *res;
    struct tally tally;
    char key[32];
    int user, turn;

    memset(&tally, 0, sizeof(tally));
    for (user = 0; req != NULL && user < USERS; user++) {
        res = mc_req_add(req, key, key_of(key, user));
        if (res == NULL || mc_res_register_fetch_cb(req, res, told, &tally) != 0)
            break;
    }
    expect("a request takes fifty keys", req != NULL && req->num_keys == USERS);
    for (turn = 1; turn <= 2 && req != NULL; turn++) {
        mc_get(mc, req);
        expect("every callback was told once", tally.told == turn * USERS);
        expect("half of the keys were found", tally.found == turn * USERS / 2);
        expect("the others were not", tally.missed == turn * USERS / 2);
        expect("every value is the right one", tally.wrong == 0);
    }
    mc_req_free(req);
}

/* Values that go where the program wants them: no memory is allocated for them. */
static void fetch_into_buffers(struct memcache *mc) {
    struct memcache_req *req = mc_req_new();
    struct memcache_res *wide, *narrow, *again, *res;
    char roomy[64], tight[4], full[64];
    size_t length;
    int keys = 0;

    if (req == NULL)
        return;
    length = value_of(full, 2);
    wide = mc_req_add(req, "user:2", MCM_CSTRLEN("user:2"));
    narrow = mc_req_add_ref(req, "user:2", MCM_CSTRLEN("user:2"));
    again = mc_req_add(req, "user:2", MCM_CSTRLEN("user:2"));
    if (wide == NULL || narrow == NULL || again == NULL) {
        expect("a request takes the same key three times", 0);
        mc_req_free(req);
        return;
    }
    wide->val = roomy;
    wide->size = sizeof(roomy);
    narrow->val = tight;
    narrow->size = sizeof(tight);
    mc_res_free_on_delete(wide, 0);
    mc_res_free_on_delete(narrow, 0);

    mc_get(mc, req);
    TAILQ_FOREACH(res, &req->query, entries)
        keys += mc_res_attempted(res) && mc_res_found(res);
    expect("the same key is found three times", keys == 3);
    expect("a buffer of our own has the value", wide->val == roomy && memcmp(roomy, full, length) == 0);
    expect("its response tells the length", wide->bytes == length);
    expect("a short buffer has what fits", narrow->val == tight && memcmp(tight, full, sizeof(tight)) == 0);
    expect("and its response tells the full length", narrow->bytes == length);
    expect("a response without one has its own", again->val != NULL && strcmp(again->val, full) == 0);
    mc_req_free(req);
}

int main(int argc, char **argv) {
    struct memcache *mc;
    int i;

    if (argc < 2) {
        fprintf(stderr, "usage: multiget HOST:PORT...\n");
        return 2;
    }
    mc = mc_new();
    if (mc == NULL) {
        fprintf(stderr, "multiget: no memory\n");
        return 1;
    }
    for (i = 1; i < argc; i++) {
        if (mc_server_add4(mc, argv[i]) != 0) {
            fprintf(stderr, "multiget: cannot use the server %s\n", argv[i]);
            mc_free(mc);
            return 1;
        }
    }
    expect("half of the users are stored", store_half(mc));
    fetch_with_callbacks(mc);
    fetch_into_buffers(mc);
    mc_free(mc);
    printf("multiget: %d wrong\n", faults);
    return faults == 0 ? 0 : 1;
}
