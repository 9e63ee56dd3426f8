/*
 * Loads the library, uses it in a parent and a child, unloads it, again and again; and forks once
 * more after that. It stays where it is (-z nodelete), with what it knows of its servers: no
 * descriptor is left behind, and memory does not grow.
 *
 *   reload LIBRARY TIMES HOST:PORT
 */
#include <dirent.h>
#include <dlfcn.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

typedef void *(*new_function)(void);
typedef void (*free_function)(void *);
typedef int (*add_function)(void *, const char *);
typedef int (*set_function)(void *, char *, size_t, const void *, size_t, long, unsigned short);
typedef void *(*get_function)(void *, char *, size_t);

static void *library;

static void *function(const char *name) {
    void *found = dlsym(library, name);
    CHECK(found != NULL);
    return found;
}

static void use(void *mc, char *value) {
    set_function set = (set_function)function("mc_set");
    get_function get = (get_function)function("mc_aget");
    char *read;

    CHECK(set(mc, value, strlen(value), value, strlen(value), 0, 0) == 0);
    read = get(mc, value, strlen(value));
    CHECK(read != NULL && strcmp(read, value) == 0);
    free(read);
}

static void child_ends_well(pid_t child) {
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int descriptors(void) {
    DIR *list = opendir("/proc/self/fd");
    int count = 0;
    CHECK(list != NULL);
    while (readdir(list) != NULL)
        count++;
    CHECK(closedir(list) == 0);
    return count;
}

/* Resident memory in pages. */
static long resident(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    long size, pages;
    CHECK(file != NULL && fscanf(file, "%ld %ld", &size, &pages) == 2 && fclose(file) == 0);
    return pages;
}

int main(int argc, char **argv) {
    int times, open_at_first = 0;
    long pages_at_first = 0;
    pid_t child;

    CHECK(argc == 4);
    for (times = atoi(argv[2]); times > 0; times--) {
        void *mc;

        library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (library == NULL) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        mc = ((new_function)function("mc_new"))();
        CHECK(mc != NULL && ((add_function)function("mc_server_add4"))(mc, argv[3]) == 0);
        use(mc, "parent");
        child = fork();
        if (child == 0) {
            use(mc, "child");
            ((free_function)function("mc_free"))(mc);
            CHECK(dlclose(library) == 0);
            _exit(0);
        }
        use(mc, "parent");
        child_ends_well(child);
        ((free_function)function("mc_free"))(mc);
        CHECK(dlclose(library) == 0);
        child = fork();
        if (child == 0)
            _exit(0);
        child_ends_well(child);
        if (pages_at_first == 0 && times <= atoi(argv[2]) * 3 / 4) {
            open_at_first = descriptors();
            pages_at_first = resident();
        }
    }
    CHECK(descriptors() == open_at_first);
    /* A page is 4 KiB at least: less than one for each time that it was loaded. */
    CHECK(resident() - pages_at_first < atoi(argv[2]) / 2);
    return 0;
}
