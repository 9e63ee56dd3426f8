/* The growing texts of <memcache/buffer.h>. */
#include <memcache.h>
#include <memcache/buffer.h>

#include "check.h"

int main(void) {
    struct memcache_ctxt *c = mc_global_ctxt();
    struct memcache_buf *b = mcm_buf_new(c), *other, *third;
    int ends[2], i;

    CHECK(b != NULL && mcm_buf_len(c, b) == 0 && mcm_buf_size(c, b) == INIT_GET_BUF_SIZE);
    CHECK(mcm_buf_append(c, b, "one two", 4) == 1 && mcm_buf_append2(c, b, "two") == 1);
    CHECK(mcm_buf_append_char(c, b, '!') == 1 && mcm_buf_cmp2(c, b, "one two!") == 1);
    CHECK(strcmp(mcm_buf_to_cstr(c, b), "one two!") == 0 && mcm_buf_tail(c, b) == b->ptr + 8);
    CHECK(mcm_buf_cmp(c, b, "one", 3) == 0 && mcm_buf_cmp(c, NULL, "one", 3) == 0);
    CHECK(mcm_buf_end2(c, b, "two!") == 1 && mcm_buf_end(c, b, "two", 3) == 0);
    CHECK(mcm_buf_find(c, b, "two") == b->ptr + 4 && mcm_buf_find2(c, b, "o!x", 2) == b->ptr + 6);
    CHECK(mcm_buf_find(c, b, "three") == NULL);
    CHECK(mcm_buf_remain(c, b) == INIT_GET_BUF_SIZE - 8);

    for (i = 0; i < 10; i++) /* of itself, growing under way */
        CHECK(mcm_buf_append_buf(c, b, b) == 1);
    CHECK(mcm_buf_len(c, b) == 8192 && memcmp(b->ptr + 8184, "one two!", 9) == 0);
    CHECK(mcm_buf_replace(c, b, b->ptr + 4, 3) == 1 && mcm_buf_cmp2(c, b, "two") == 1);
    CHECK(mcm_buf_compact(c, b) == 1 && mcm_buf_size(c, b) == 4);
    CHECK(mcm_buf_realloc(c, b, 0) == 1 && mcm_buf_realloc(c, b, 5) == 1 && mcm_buf_size(c, b) == 8);
    CHECK(mcm_buf_resize(c, b, 9) == 1 && mcm_buf_len(c, b) == 9 && b->ptr[9] == '\0' && b->ptr[3] == '\0');

    other = mcm_buf_new3(c, "two");
    CHECK(mcm_buf_replace2(c, b, "two by two") == 1);
    third = mcm_buf_new2(c, "three!", 5);
    CHECK(mcm_buf_find_buf(c, b, other) == b->ptr && mcm_buf_end_buf(c, b, other) == 1);
    {
        struct memcache_buf *r = mcm_buf_find_replace(c, b, other, third);
        CHECK(mcm_buf_cmp2(c, r, "three by three") == 1);
        CHECK(mcm_buf_free(c, &r) == 1 && r == NULL && mcm_buf_free(c, &r) == 0);
        r = mcm_buf_find_replace2(c, b, "", third);
        CHECK(mcm_buf_cmp_buf(c, r, b) == 1);
        mcm_buf_free(c, &r);
        r = mcm_buf_copy(c, b);
        CHECK(mcm_buf_to_upper(c, r) == r && mcm_buf_cmp2(c, r, "TWO BY TWO") == 1);
        CHECK(mcm_buf_replace_buf(c, r, third) == 1 && mcm_buf_cmp_buf(c, r, third) == 1);
        mcm_buf_free(c, &r);
    }

    mcm_buf_reset(c, b);
    CHECK(pipe(ends) == 0 && write(ends[1], "line\nrest", 9) == 9 && close(ends[1]) == 0);
    CHECK(mcm_buf_read(c, b, ends[0]) == 9 && mcm_buf_read(c, b, ends[0]) == 0);
    CHECK(mcm_buf_read(c, b, -1) == 0 && close(ends[0]) == 0);
    mcm_buf_eat_line(c, b);
    CHECK(b->off == 5 && b->flags == MCM_BUF_OFF_USED && mcm_buf_remain_off(c, b) == 4);
    CHECK(strcmp(mcm_buf_off_ptr(c, b), "rest") == 0);
    mc_err_filter_add(MCM_ERR_LVL_FATAL);
    mcm_buf_eat_line(c, b);
    CHECK(b->off == 5 && c->ectxt->errcode == 0);
    mcm_buf_free(c, &b);
    mcm_buf_free(c, &other);
    mcm_buf_free(c, &third);
    return 0;
}
