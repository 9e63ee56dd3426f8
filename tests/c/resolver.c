/*
 * Puts itself before the C library's resolver (LD_PRELOAD): a name that ends in .test is this machine while the file is there
 * that RESOLVES names, and nobody can say what it is until then: a byte more in the file beside it (.asked) for each
 * question.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void note(const char *there) {
    char path[4096];
    int file;

    snprintf(path, sizeof path, "%s.asked", there);
    file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0 || write(file, "?", 1) != 1)
        abort(); /* a test that would show nothing */
    close(file);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    const char *there = getenv("RESOLVES"), *end = name == NULL ? NULL : strrchr(name, '.');

    *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
    if (end == NULL || strcmp(end, ".test") != 0)
        return next(name, service, hints, found);
    if (there == NULL)
        abort();
    if (access(there, F_OK) == 0)
        return next("127.0.0.1", service, hints, found);
    note(there);
    return EAI_AGAIN;
}
