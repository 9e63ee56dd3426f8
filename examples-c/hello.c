#include <memcache.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    struct memcache *mc = mc_new();
    mc_server_add4(mc, "127.0.0.1:11211");
    mc_set(mc, "greeting", 8, "hello", 5, 60, 0);
    char *value = mc_aget(mc, "greeting", 8);
    puts(value != NULL ? value : "no such value, or no server");
    free(value);
    mc_free(mc);
}
