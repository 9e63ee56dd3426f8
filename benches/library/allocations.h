/* What allocations.so counts. */
#ifndef BENCH_ALLOCATIONS_H
#define BENCH_ALLOCATIONS_H

struct allocations {
    unsigned long long count;  /* calls that asked for memory, or for more or less of it */
    unsigned long long in_use; /* bytes */
    unsigned long long peak;   /* the most bytes that were in use, since it was asked to look anew */
};

#endif
