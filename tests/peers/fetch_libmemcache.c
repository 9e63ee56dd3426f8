/*
 * Reads what store_libmemcached.c stored: see tests/examples/migrating.rs.
 *
 * usage: MEMCACHE_POOL=FILE fetch_libmemcache KEYS
 *
 * Prints how many of the keys session:0, session:1, ... have their own key as their value, with the flags 7.
 */
#include <memcache.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct memcache *mc = mc_new();
    int count = argc == 2 ? atoi(argv[1]) : 0;
    int right = 0, i;

    for (i = 0; mc != NULL && i < count; i++) {
        char key[32];
        int length = snprintf(key, sizeof key, "session:%d", i);
        void *value = NULL;
        size_t bytes = 0;
        u_int32_t flags = 0;
        int reason = mc_fetch(mc, key, (size_t)length, &value, &bytes, &flags, NULL);
        if (reason == MC_REASON_HIT && bytes == (size_t)length && memcmp(value, key, bytes) == 0 && flags == 7)
            right++;
        free(value);
    }
    printf("%d\n", right);
    mc_free(mc);
    return mc == NULL;
}
