/* Which interface this is. */
#include "kit.h"

int main(void) {
    begin();
    CHECK(MC0(vernum) == 10400 && MEMCACHE_VERNUM == 10400);
    CHECK(strcmp(MC0(version), MEMCACHE_VER) == 0);
    CHECK(MC0(reldate) == MEMCACHE_RELDATE && MEMCACHE_RELDATE > 20060220);
    /* A context is not needed. */
    CHECK(mcm_vernum(NULL) == 10400 && mcm_reldate(NULL) == MEMCACHE_RELDATE && mcm_version(NULL) == mc_version());
    return end();
}
