/*
 * libmemcache: a memcached client for which servers may die and come back.
 *
 * Generated from src/capi by tests/header.rs. Do not edit: change the Rust file and run
 *     UPDATE_HEADER=1 cargo test --test header
 */

#ifndef MEMCACHE_BUFFER_H
#define MEMCACHE_BUFFER_H

#include <stddef.h>
#include <sys/types.h>
#include "memcache/_buffer.h"


/* Of memcache_buf.flags: part of the text was consumed, off says how much. */
#define MCM_BUF_OFF_USED 1

/* The length grows by n, or becomes n; the size of the memory; the text; what of it is not consumed. */
#define mcm_buf_len_add(c, s, n) ((void)(c), (s)->len += (n))
#define mcm_buf_len_set(c, s, n) ((void)(c), (s)->len = (n))
#define mcm_buf_size(c, s) ((void)(c), (s)->size)
#define mcm_buf_val(c, s) ((void)(c), (s)->ptr)
#define mcm_buf_off_ptr(c, b) ((void)(c), (b)->ptr + (b)->off)

struct memcache_ctxt;


#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 A new buffer without text, of INIT_GET_BUF_SIZE bytes. NULL when there is no memory.
 */
struct memcache_buf *mcm_buf_new(struct memcache_ctxt *ctxt);

/*
 A new buffer with a copy of len bytes. NULL when there is no memory.
 */
struct memcache_buf *mcm_buf_new2(struct memcache_ctxt *ctxt, const char *str, u_int32_t len);

/*
 A new buffer with a copy of a text that ends in a NUL.
 */
struct memcache_buf *mcm_buf_new3(struct memcache_ctxt *ctxt, const char *str);

/*
 A new buffer with the same text. NULL when there is no memory.
 */
struct memcache_buf *mcm_buf_copy(struct memcache_ctxt *ctxt, struct memcache_buf *buf);

/*
 Frees *buf and sets it to NULL. 1, or 0 when buf or *buf is NULL.
 */
int mcm_buf_free(struct memcache_ctxt *ctxt, struct memcache_buf **buf);

/*
 Appends len bytes. 1; 0 when a pointer is NULL or there is no memory, and nothing is changed then.
 */
int mcm_buf_append(struct memcache_ctxt *ctxt,
                   struct memcache_buf *buf,
                   const char *str,
                   u_int32_t len);

/*
 Appends a text that ends in a NUL. Returns as mcm_buf_append.
 */
int mcm_buf_append2(struct memcache_ctxt *ctxt, struct memcache_buf *buf, const char *str);

/*
 Appends another buffer's text; it may be the same buffer. Returns as mcm_buf_append.
 */
int mcm_buf_append_buf(struct memcache_ctxt *ctxt,
                       struct memcache_buf *buf,
                       struct memcache_buf *more);

/*
 Appends one character. Returns as mcm_buf_append.
 */
int mcm_buf_append_char(struct memcache_ctxt *ctxt, struct memcache_buf *buf, char c);

/*
 Makes len bytes the text; they may be part of the old one. Returns as mcm_buf_append.
 */
int mcm_buf_replace(struct memcache_ctxt *ctxt,
                    struct memcache_buf *buf,
                    const char *str,
                    u_int32_t len);

/*
 Makes a text that ends in a NUL the text. Returns as mcm_buf_append.
 */
int mcm_buf_replace2(struct memcache_ctxt *ctxt, struct memcache_buf *buf, const char *str);

/*
 Makes another buffer's text the text. Returns as mcm_buf_append.
 */
int mcm_buf_replace_buf(struct memcache_ctxt *ctxt,
                        struct memcache_buf *buf,
                        struct memcache_buf *new_);

/*
 Empties a buffer: length and offset 0, flags cleared, the memory kept. 1; 0 for NULL.
 */
int mcm_buf_reset(struct memcache_ctxt *ctxt, struct memcache_buf *buf);

/*
 1 when the text is these len bytes, 0 when not or for NULL.
 */
int mcm_buf_cmp(struct memcache_ctxt *ctxt,
                const struct memcache_buf *buf,
                const char *str,
                size_t len);

/*
 1 when the text is this one, 0 when not or for NULL.
 */
int mcm_buf_cmp2(struct memcache_ctxt *ctxt, const struct memcache_buf *buf, const char *str);

/*
 1 when both have the same text, 0 when not or for NULL.
 */
int mcm_buf_cmp_buf(struct memcache_ctxt *ctxt,
                    const struct memcache_buf *buf,
                    const struct memcache_buf *other);

/*
 1 when the text ends with these len bytes, 0 when not or for NULL.
 */
int mcm_buf_end(struct memcache_ctxt *ctxt,
                const struct memcache_buf *buf,
                const char *str,
                size_t len);

/*
 1 when the text ends with this one, 0 when not or for NULL.
 */
int mcm_buf_end2(struct memcache_ctxt *ctxt, const struct memcache_buf *buf, const char *str);

/*
 1 when the text ends with the other's, 0 when not or for NULL.
 */
int mcm_buf_end_buf(struct memcache_ctxt *ctxt,
                    const struct memcache_buf *buf,
                    struct memcache_buf *other);

/*
 The first place where the text has this one (which ends in a NUL), or NULL.
 */
char *mcm_buf_find(struct memcache_ctxt *ctxt, const struct memcache_buf *buf, const char *str);

/*
 The first place where the text has these len bytes, or NULL.
 */
char *mcm_buf_find2(struct memcache_ctxt *ctxt,
                    const struct memcache_buf *buf,
                    const char *str,
                    size_t len);

/*
 The first place where the text has the other's, or NULL.
 */
char *mcm_buf_find_buf(struct memcache_ctxt *ctxt,
                       const struct memcache_buf *buf,
                       const struct memcache_buf *other);

/*
 A new buffer with every match of find replaced. An empty find matches nothing. NULL when a pointer is
 NULL or there is no memory.
 */
struct memcache_buf *mcm_buf_find_replace(struct memcache_ctxt *ctxt,
                                          struct memcache_buf *buf,
                                          struct memcache_buf *find,
                                          struct memcache_buf *replace);

/*
 As mcm_buf_find_replace; find is a text that ends in a NUL.
 */
struct memcache_buf *mcm_buf_find_replace2(struct memcache_ctxt *ctxt,
                                           struct memcache_buf *buf,
                                           const char *find,
                                           struct memcache_buf *replace);

/*
 The text's length.
 */
u_int32_t mcm_buf_len(const struct memcache_ctxt *ctxt, const struct memcache_buf *buf);

/*
 How much memory is not used by the text: size - len.
 */
size_t mcm_buf_remain(const struct memcache_ctxt *ctxt, const struct memcache_buf *buf);

/*
 How much of the text is not consumed: len - off.
 */
size_t mcm_buf_remain_off(const struct memcache_ctxt *ctxt, const struct memcache_buf *buf);

/*
 Where the text ends.
 */
char *mcm_buf_tail(struct memcache_ctxt *ctxt, struct memcache_buf *buf);

/*
 The text with a NUL behind it. It belongs to the buffer. NULL when there is no memory for the NUL.
 */
char *mcm_buf_to_cstr(struct memcache_ctxt *ctxt, struct memcache_buf *buf);

/*
 Makes a to z of the text upper case, in place. Returns buf.
 */
struct memcache_buf *mcm_buf_to_upper(struct memcache_ctxt *ctxt, struct memcache_buf *buf);

/*
 Gives the buffer size bytes of memory, or twice what it has where that is more. A smaller size gives
 memory back, but the text stays whole. 0 changes nothing. 1; 0 when there is no memory.
 */
int mcm_buf_realloc(struct memcache_ctxt *ctxt,
                    struct memcache_buf *buf,
                    u_int32_t size);

/*
 Gives the buffer size + 1 bytes of memory and sets the length to size; bytes beyond the old text are
 0. 1; 0 when there is no memory.
 */
int mcm_buf_resize(struct memcache_ctxt *ctxt,
                   struct memcache_buf *buf,
                   u_int32_t size);

/*
 Gives back the memory that the text does not need. 1; 0 when that failed, and nothing is changed.
 */
int mcm_buf_compact(struct memcache_ctxt *ctxt, struct memcache_buf *buf);

/*
 Moves off past the next newline. Raises ASSERT when there is none, and moves nothing.
 */
void mcm_buf_eat_line(struct memcache_ctxt *ctxt, struct memcache_buf *buf);

/*
 Reads once from a file descriptor, with read(2), behind the text; a full buffer is doubled first.
 Returns how many bytes came, 0 at the end, on an error, or without memory.
 */
size_t mcm_buf_read(struct memcache_ctxt *ctxt, struct memcache_buf *buf, int fd);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* MEMCACHE_BUFFER_H */
