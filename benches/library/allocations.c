/*
 * An allocator that counts, to be preloaded (LD_PRELOAD): glibc's, with numbers. bench_allocations tells them.
 *
 * glibc's own names are the way to it: dlsym allocates before it answers. Room is what the allocator set aside, as
 * malloc_usable_size says, not what was asked for.
 */
#include "allocations.h"

#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

static unsigned long long count, in_use, peak;

void bench_allocations(struct allocations *now, int anew) {
    if (anew) {
        __atomic_store_n(&peak, __atomic_load_n(&in_use, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
    }
    now->count = __atomic_load_n(&count, __ATOMIC_RELAXED);
    now->in_use = __atomic_load_n(&in_use, __ATOMIC_RELAXED);
    now->peak = __atomic_load_n(&peak, __ATOMIC_RELAXED);
}

/* A few bytes may be lost between two threads that reach a new peak at once. */
static void *given(void *block) {
    unsigned long long now = __atomic_add_fetch(&in_use, malloc_usable_size(block), __ATOMIC_RELAXED);
    __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
    if (now > __atomic_load_n(&peak, __ATOMIC_RELAXED)) {
        __atomic_store_n(&peak, now, __ATOMIC_RELAXED);
    }
    return block;
}

static void taken(void *block) {
    __atomic_sub_fetch(&in_use, malloc_usable_size(block), __ATOMIC_RELAXED);
}

void *malloc(size_t size) {
    return given(__libc_malloc(size));
}

void *calloc(size_t number, size_t size) {
    return given(__libc_calloc(number, size));
}

void *realloc(void *block, size_t size) {
    size_t before = malloc_usable_size(block);
    void *moved = __libc_realloc(block, size);
    if (moved != NULL || size == 0) {
        __atomic_sub_fetch(&in_use, before, __ATOMIC_RELAXED);
        given(moved);
    }
    return moved;
}

void free(void *block) {
    taken(block);
    __libc_free(block);
}

void *memalign(size_t alignment, size_t size) {
    return given(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    void *got = memalign(alignment, size);
    if (got == NULL) {
        return ENOMEM;
    }
    *block = got;
    return 0;
}
