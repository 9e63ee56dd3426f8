/*
 * Puts itself before the C library's wall clock (LD_PRELOAD): the time of day is off by as many seconds as stand in the file
 * that CLOCK_OFF_BY names, which may change at any moment. The clocks that never go back are left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t *off_by;
static int (*next)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CLOCK_OFF_BY");
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *map = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *off_by, PROT_READ, MAP_SHARED, file, 0);

    if (map == MAP_FAILED)
        abort(); /* a test that would show nothing */
    close(file);
    *(void **)&next = dlsym(RTLD_NEXT, "clock_gettime"); /* without a system call */
    off_by = map;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int failed = next != NULL ? next(clock, time) : (int)syscall(SYS_clock_gettime, clock, time);

    if (!failed && off_by != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        time->tv_sec += __atomic_load_n(off_by, __ATOMIC_RELAXED);
    return failed;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec now;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *into) {
    struct timespec now = {0, 0};

    clock_gettime(CLOCK_REALTIME, &now);
    if (into != NULL)
        *into = now.tv_sec;
    return now.tv_sec;
}
