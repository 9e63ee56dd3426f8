/* The hash of a key, the default's and a program's own. */
#include "kit.h"

struct known {
    const char *key;
    size_t len;
    u_int32_t hash;
};

/* (CRC-32 >> 16) & 0x7fff, worked out apart from the library. */
static const struct known table[] = {
    { "foo", 3, 0x0c73 }, { "123456789", 9, 0x4bf4 }, { "a", 1, 0x68b7 }, { "The quick brown fox jumps over the lazy dog", 43, 0x414f },
    { "", 0, 1 }, /* a CRC of 0 becomes 1 */
};

static const struct memcache *hashed_for;

static u_int32_t own(MCM_HASH_FUNC) {
    struct memcache_ctxt *c;
    const struct memcache *mc;
    const char *key;
    size_t len;
    MCM_HASH_INIT(c, mc, key, len);
    CHECK(c == ctxt && key != NULL);
    hashed_for = mc;
    return (u_int32_t)len + 1000;
}

int main(void) {
    struct memcache *mc;
    size_t i;

    begin();
    mc = MC0(new);
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        CHECK(MC(hash_key, table[i].key, table[i].len) == table[i].hash);
        CHECK(MC(hash, NULL, table[i].key, table[i].len) == table[i].hash);
        CHECK(MC(hash, mc, table[i].key, table[i].len) == 1); /* no server */
    }
    CHECK(MC(server_add, mc, "127.0.0.1", "1") == 0 && MC(hash, mc, "foo", 3) == 1);
    CHECK(MC(server_add, mc, "127.0.0.1", "2") == 0 && MC(hash, mc, "foo", 3) == 0x0c73);
    CHECK(MC(hash, mc, NULL, 3) == 0 && MC(hash_key, NULL, 3) == 0);
    CHECK(mcm_hash(NULL, mc, "foo", 3) == 0 && mcm_hash_key(NULL, "foo", 3) == 0);

    ctxt->mcHashKey = own;
    CHECK(MC(hash, mc, "12345", 5) == 1005 && hashed_for == mc);
    CHECK(MC(hash_key, "12345", 5) == 1005 && hashed_for == NULL);
    ctxt->mcHashKey = NULL; /* the default again */
    CHECK(MC(hash_key, "foo", 3) == 0x0c73);
    MC(free, mc);
    return end();
}
