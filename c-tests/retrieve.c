/* Getting single values, against the live servers of the arguments. (Requests: request.c.) */
#include "kit.h"

static void values(struct memcache *mc) {
    size_t len = 77;
    char *value;
    CHECK(MC(set, mc, "key", 3, "value", 5, 0, 7) == 0);
    value = MC(aget2, mc, "key", 3, &len);
    CHECK(value != NULL && len == 5 && memcmp(value, "value", 6) == 0); /* with a NUL that is not counted */
    ctxt->mcFree(value);
    value = MC(aget2, mc, "key", 3, NULL);
    CHECK(value != NULL && strcmp(value, "value") == 0);
    ctxt->mcFree(value);
    value = MC(aget, mc, "key", 3);
    CHECK(value != NULL && strcmp(value, "value") == 0);
    ctxt->mcFree(value);
    CHECK(MC(set, mc, "empty", 5, NULL, 0, 0, 0) == 0);
    len = 77;
    value = MC(aget2, mc, "empty", 5, &len);
    CHECK(value != NULL && len == 0 && value[0] == '\0');
    ctxt->mcFree(value);
    len = 77;
    CHECK(MC(aget2, mc, "none", 4, &len) == NULL && len == 0 && MC(aget2, mc, "none", 4, NULL) == NULL);
    CHECK(MC(aget, mc, "none", 4) == NULL && silent()); /* a miss is no error */
}

static void large(struct memcache *mc) {
    size_t size = 900000, len = 0, i;
    char *value = malloc(size), *got;
    for (i = 0; i < size; i++)
        value[i] = (char)(i * 31 + i / 251);
    CHECK(MC(set, mc, "large", 5, value, size, 0, 0) == 0);
    got = MC(aget2, mc, "large", 5, &len);
    CHECK(len == size && memcmp(got, value, size) == 0 && got[size] == '\0');
    ctxt->mcFree(got);
    free(value);
}

static int refused(struct memcache *mc, const char *key, size_t key_len) {
    size_t len = 77;
    CHECK(MC(aget2, mc, key, key_len, &len) == NULL && len == 0 && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
    CHECK(MC(aget, mc, key, key_len) == NULL && raised(MCM_ERR_PROTO, MCM_ERR_LVL_ERR));
    return holds(mc, "key", "value"); /* the connection is in step */
}

static void failures(struct memcache *mc) {
    char key[300];
    size_t len = 77;
    memset(key, 'k', sizeof(key));
    CHECK(refused(mc, "a b", 3) && refused(mc, "a\r\nget b", 8) && refused(mc, "", 0) && refused(mc, key, 251));
    CHECK(refused(mc, "k", (size_t)1 << 40));
    CHECK(MC(aget, mc, key, 250) == NULL && silent());

    CHECK(MC(aget2, NULL, "key", 3, &len) == NULL && len == 0);
    len = 77;
    CHECK(MC(aget2, mc, NULL, 3, &len) == NULL && len == 0);
    CHECK(MC(aget, NULL, "key", 3) == NULL && MC(aget, mc, NULL, 3) == NULL);
    len = 77;
    CHECK(mcm_aget2(NULL, mc, "key", 3, &len) == NULL && len == 0 && mcm_aget(NULL, mc, "key", 3) == NULL);
    CHECK(silent());

    allocations_fail(1, 1);
    len = 77;
    CHECK(MC(aget2, mc, "key", 3, &len) == NULL && len == 0 && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR));
    CHECK(MC(reason, mc) == MC_REASON_NO_MEMORY && strstr(MC(reason_text, mc), "\"key\"") != NULL);
    allocations_fail(1, 1);
    CHECK(MC(aget, mc, "key", 3) == NULL && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR));
    CHECK(holds(mc, "key", "value"));
}

static void nobody_to_ask(struct memcache *mc) {
    size_t len = 77;
    CHECK(MC(aget2, mc, "key", 3, &len) == NULL && len == 0);
    CHECK(raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE));
    CHECK(MC(aget, mc, "key", 3) == NULL && raised(MCM_ERR_MC_VALID_SERVER, MCM_ERR_LVL_NOTICE));
}

int main(int argc, char **argv) {
    struct memcache *mc;
    begin();
    mc = open_servers(argc, argv);
    values(mc);
    large(mc);
    failures(mc);
    MC(free, mc);
    mc = MC0(new);
    nobody_to_ask(mc);
    CHECK(MC(server_add, mc, "127.0.0.1", "1") == 0);
    nobody_to_ask(mc);
    MC(free, mc);
    return end();
}
