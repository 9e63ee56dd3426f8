/*
 * libmemcache: a memcached client for which servers may die and come back.
 *
 * Generated from src/capi by tests/header.rs. Do not edit: change the Rust file and run
 *     UPDATE_HEADER=1 cargo test --test header
 */

#ifndef MEMCACHE__BUFFER_H
#define MEMCACHE__BUFFER_H

#include <stddef.h>

/*
 An element's links.
 */
struct tailq_entry_memcache_buf {
    /*
     The next element, or NULL.
     */
    struct memcache_buf *tqe_next;
    /*
     The pointer that points to this element.
     */
    struct memcache_buf **tqe_prev;
};

/*
 A growing text. Made by mcm_buf_new and its siblings, freed by mcm_buf_free. Text always ends in a
 NUL that is not counted.
 */
struct memcache_buf {
    /*
     The text.
     */
    char *ptr;
    /*
     MCM_BUF_OFF_USED, or 0.
     */
    char flags;
    /*
     The text's length.
     */
    size_t len;
    /*
     The size of the memory behind ptr.
     */
    size_t size;
    /*
     How much of the text was consumed.
     */
    size_t off;
    /*
     For a program's own queues.
     */
    struct tailq_entry_memcache_buf next;
};

#endif  /* MEMCACHE__BUFFER_H */
