/* The growing texts of <memcache/buffer.h>. */
#include <memcache/buffer.h>

#include "kit.h"

static void texts(void) {
    struct memcache_buf *b = mcm_buf_new(ctxt), *other;
    CHECK(b != NULL && mcm_buf_len(ctxt, b) == 0 && mcm_buf_size(ctxt, b) == INIT_GET_BUF_SIZE && b->off == 0 && b->flags == 0);
    CHECK(mcm_buf_append(ctxt, b, "one two", 4) == 1 && mcm_buf_append2(ctxt, b, "two") == 1);
    CHECK(mcm_buf_append_char(ctxt, b, '!') == 1 && mcm_buf_cmp2(ctxt, b, "one two!") == 1);
    CHECK(strcmp(mcm_buf_to_cstr(ctxt, b), "one two!") == 0 && mcm_buf_tail(ctxt, b) == b->ptr + 8);
    CHECK(mcm_buf_val(ctxt, b) == b->ptr && mcm_buf_off_ptr(ctxt, b) == b->ptr);
    CHECK(mcm_buf_remain(ctxt, b) == INIT_GET_BUF_SIZE - 8 && mcm_buf_remain_off(ctxt, b) == 8);
    CHECK(mcm_buf_cmp(ctxt, b, "one", 3) == 0 && mcm_buf_cmp(ctxt, b, "one two!", 8) == 1 && mcm_buf_cmp2(ctxt, b, "one two") == 0);
    CHECK(mcm_buf_append(ctxt, b, NULL, 0) == 1 && mcm_buf_append(ctxt, b, "x", 0) == 1 && mcm_buf_append2(ctxt, b, "") == 1);
    CHECK(mcm_buf_len(ctxt, b) == 8);
    mcm_buf_len_set(ctxt, b, 3);
    CHECK(mcm_buf_cmp2(ctxt, b, "one") == 1 && strcmp(mcm_buf_to_cstr(ctxt, b), "one") == 0);
    mcm_buf_len_add(ctxt, b, 1);
    CHECK(mcm_buf_len(ctxt, b) == 4);
    CHECK(mcm_buf_reset(ctxt, b) == 1 && mcm_buf_len(ctxt, b) == 0 && mcm_buf_size(ctxt, b) == INIT_GET_BUF_SIZE);
    CHECK(b->ptr[0] == '\0');

    other = mcm_buf_new3(ctxt, "two");
    CHECK(mcm_buf_cmp2(ctxt, other, "two") == 1);
    CHECK(mcm_buf_append_buf(ctxt, b, other) == 1 && mcm_buf_cmp_buf(ctxt, b, other) == 1);
    CHECK(mcm_buf_append_char(ctxt, b, '\0') == 1 && mcm_buf_len(ctxt, b) == 4 && mcm_buf_cmp_buf(ctxt, b, other) == 0);
    CHECK(mcm_buf_free(ctxt, &b) == 1 && b == NULL && mcm_buf_free(ctxt, &b) == 0 && mcm_buf_free(ctxt, NULL) == 0);
    b = mcm_buf_copy(ctxt, other);
    CHECK(mcm_buf_cmp_buf(ctxt, b, other) == 1 && b->ptr != other->ptr);
    CHECK(mcm_buf_to_upper(ctxt, b) == b && mcm_buf_cmp2(ctxt, b, "TWO") == 1 && mcm_buf_cmp2(ctxt, other, "two") == 1);
    mcm_buf_free(ctxt, &b);
    b = mcm_buf_new2(ctxt, "z{a`\xe4\0x", 7);
    CHECK(mcm_buf_to_upper(ctxt, b) == b && mcm_buf_cmp(ctxt, b, "Z{A`\xe4\0X", 7) == 1);
    mcm_buf_free(ctxt, &b);
    mcm_buf_free(ctxt, &other);
}

static void replacing(void) {
    struct memcache_buf *b = mcm_buf_new3(ctxt, "two by two"), *two = mcm_buf_new3(ctxt, "two"), *three, *r, *big;
    int i;
    three = mcm_buf_new2(ctxt, "three!", 5);
    r = mcm_buf_find_replace(ctxt, b, two, three);
    CHECK(mcm_buf_cmp2(ctxt, r, "three by three") == 1 && mcm_buf_cmp2(ctxt, b, "two by two") == 1);
    mcm_buf_free(ctxt, &r);
    r = mcm_buf_find_replace2(ctxt, b, "", three);
    CHECK(mcm_buf_cmp_buf(ctxt, r, b) == 1); /* nothing is not found */
    mcm_buf_free(ctxt, &r);
    r = mcm_buf_find_replace2(ctxt, b, "none", three);
    CHECK(mcm_buf_cmp_buf(ctxt, r, b) == 1);
    mcm_buf_free(ctxt, &r);
    r = mcm_buf_find_replace2(ctxt, b, "two by two", two);
    CHECK(mcm_buf_cmp2(ctxt, r, "two") == 1);
    mcm_buf_free(ctxt, &r);
    r = mcm_buf_find_replace(ctxt, b, b, b);
    CHECK(mcm_buf_cmp_buf(ctxt, r, b) == 1);
    mcm_buf_free(ctxt, &r);

    /* One terabyte is more than there is: no memory is an answer, not the end. */
    big = mcm_buf_new(ctxt);
    CHECK(mcm_buf_resize(ctxt, big, 1u << 20) == 1);
    memset(big->ptr, 'a', 1u << 20);
    CHECK(mcm_err_filter_add(ctxt, MCM_ERR_LVL_ERR) == 1);
    CHECK(mcm_buf_find_replace2(ctxt, big, "a", big) == NULL);
    CHECK(mcm_err_filter_del(ctxt, MCM_ERR_LVL_ERR) == 1);
    mcm_buf_free(ctxt, &big);

    CHECK(mcm_buf_replace2(ctxt, b, "new") == 1 && mcm_buf_cmp2(ctxt, b, "new") == 1);
    CHECK(mcm_buf_replace(ctxt, b, "newer text", 5) == 1 && mcm_buf_cmp2(ctxt, b, "newer") == 1);
    CHECK(mcm_buf_replace(ctxt, b, NULL, 0) == 1 && mcm_buf_len(ctxt, b) == 0);
    CHECK(mcm_buf_replace_buf(ctxt, b, three) == 1 && mcm_buf_cmp_buf(ctxt, b, three) == 1);
    CHECK(mcm_buf_replace_buf(ctxt, b, b) == 1 && mcm_buf_cmp_buf(ctxt, b, three) == 1);
    CHECK(mcm_buf_replace2(ctxt, b, "one two!") == 1);
    for (i = 0; i < 10; i++) /* of itself, growing under way */
        CHECK(mcm_buf_append_buf(ctxt, b, b) == 1);
    CHECK(mcm_buf_len(ctxt, b) == 8192 && memcmp(b->ptr + 8184, "one two!", 9) == 0);
    CHECK(mcm_buf_replace(ctxt, b, b->ptr + 4, 3) == 1 && mcm_buf_cmp2(ctxt, b, "two") == 1);
    mcm_buf_free(ctxt, &b);
    mcm_buf_free(ctxt, &two);
    mcm_buf_free(ctxt, &three);
}

static void searching(void) {
    struct memcache_buf *b = mcm_buf_new3(ctxt, "two by two!"), *two = mcm_buf_new3(ctxt, "two"), *end_of_b = mcm_buf_new3(ctxt, "o!");
    CHECK(mcm_buf_find(ctxt, b, "by") == b->ptr + 4 && mcm_buf_find(ctxt, b, "three") == NULL && mcm_buf_find(ctxt, b, "") == b->ptr);
    CHECK(mcm_buf_find2(ctxt, b, "o!x", 2) == b->ptr + 9 && mcm_buf_find2(ctxt, b, "o!x", 3) == NULL);
    CHECK(mcm_buf_find_buf(ctxt, b, two) == b->ptr && mcm_buf_find_buf(ctxt, two, b) == NULL);
    CHECK(mcm_buf_end(ctxt, b, "two!", 4) == 1 && mcm_buf_end(ctxt, b, "two", 3) == 0 && mcm_buf_end(ctxt, b, "x", 0) == 1);
    CHECK(mcm_buf_end2(ctxt, b, "two!") == 1 && mcm_buf_end2(ctxt, b, "one") == 0 && mcm_buf_end2(ctxt, two, "two by two!") == 0);
    CHECK(mcm_buf_end_buf(ctxt, b, end_of_b) == 1 && mcm_buf_end_buf(ctxt, b, two) == 0 && mcm_buf_end_buf(ctxt, b, b) == 1);
    mcm_buf_free(ctxt, &b);
    mcm_buf_free(ctxt, &two);
    mcm_buf_free(ctxt, &end_of_b);
}

static void sizes(void) {
    struct memcache_buf *b = mcm_buf_new3(ctxt, "two"), bare;
    CHECK(mcm_buf_compact(ctxt, b) == 1 && mcm_buf_size(ctxt, b) == 4 && mcm_buf_cmp2(ctxt, b, "two"));
    CHECK(mcm_buf_realloc(ctxt, b, 0) == 1 && mcm_buf_size(ctxt, b) == 4 && mcm_buf_realloc(ctxt, b, 4) == 1);
    CHECK(mcm_buf_realloc(ctxt, b, 5) == 1 && mcm_buf_size(ctxt, b) == 8); /* at least doubles */
    CHECK(mcm_buf_realloc(ctxt, b, 100) == 1 && mcm_buf_size(ctxt, b) == 100);
    CHECK(mcm_buf_realloc(ctxt, b, 1) == 1 && mcm_buf_size(ctxt, b) == 4 && mcm_buf_cmp2(ctxt, b, "two")); /* the text stays */
    CHECK(mcm_buf_resize(ctxt, b, 9) == 1 && mcm_buf_len(ctxt, b) == 9 && mcm_buf_size(ctxt, b) == 10);
    CHECK(memcmp(b->ptr, "two\0\0\0\0\0\0", 10) == 0);
    CHECK(mcm_buf_resize(ctxt, b, 2) == 1 && mcm_buf_len(ctxt, b) == 2 && mcm_buf_cmp2(ctxt, b, "tw"));
    CHECK(mcm_buf_resize(ctxt, b, 0) == 1 && mcm_buf_len(ctxt, b) == 0 && mcm_buf_compact(ctxt, b) == 1);
    b->len = 1000; /* a program's mistake goes no further than its memory */
    CHECK(mcm_buf_remain(ctxt, b) == 0 && mcm_buf_tail(ctxt, b) <= b->ptr + b->size && mcm_buf_find(ctxt, b, "xyz") == NULL);
    b->len = 0;
    b->off = 1000;
    CHECK(mcm_buf_remain_off(ctxt, b) == 0);
    mcm_buf_eat_line(ctxt, b);
    CHECK(raised(MCM_ERR_ASSERT, MCM_ERR_LVL_FATAL));
    mcm_buf_free(ctxt, &b);

    memset(&bare, 0, sizeof(bare)); /* a program's own, still without memory */
    CHECK(mcm_buf_len(ctxt, &bare) == 0 && mcm_buf_remain(ctxt, &bare) == 0 && mcm_buf_tail(ctxt, &bare) == NULL);
    CHECK(mcm_buf_cmp2(ctxt, &bare, "") == 1 && mcm_buf_find(ctxt, &bare, "x") == NULL && mcm_buf_to_upper(ctxt, &bare) == &bare);
    CHECK(mcm_buf_append2(ctxt, &bare, "text") == 1 && strcmp(mcm_buf_to_cstr(ctxt, &bare), "text") == 0);
    ctxt->mcFree(bare.ptr);
}

static void reading(void) {
    struct memcache_buf *b = mcm_buf_new(ctxt);
    int ends[2];
    size_t all = 0;
    char block[5000];
    memset(block, 'x', sizeof(block));
    CHECK(pipe(ends) == 0 && write(ends[1], "line\nrest\n", 10) == 10);
    CHECK(mcm_buf_read(ctxt, b, ends[0]) == 10 && strcmp(b->ptr, "line\nrest\n") == 0);
    mcm_buf_eat_line(ctxt, b);
    CHECK(b->off == 5 && (b->flags & MCM_BUF_OFF_USED) && mcm_buf_remain_off(ctxt, b) == 5);
    CHECK(strcmp(mcm_buf_off_ptr(ctxt, b), "rest\n") == 0);
    mcm_buf_eat_line(ctxt, b);
    CHECK(b->off == 10 && mcm_buf_remain_off(ctxt, b) == 0 && silent());
    mcm_buf_eat_line(ctxt, b);
    CHECK(b->off == 10 && raised(MCM_ERR_ASSERT, MCM_ERR_LVL_FATAL));
    CHECK(write(ends[1], block, sizeof(block)) == sizeof(block) && close(ends[1]) == 0);
    for (;;) {
        size_t came = mcm_buf_read(ctxt, b, ends[0]);
        all += came;
        if (came == 0)
            break;
    }
    CHECK(all == sizeof(block) && mcm_buf_len(ctxt, b) == 10 + sizeof(block) && mcm_buf_size(ctxt, b) == 8192);
    CHECK(mcm_buf_read(ctxt, b, -1) == 0 && close(ends[0]) == 0 && mcm_buf_reset(ctxt, b) == 1 && b->off == 0 && b->flags == 0);
    mcm_buf_free(ctxt, &b);
}

/* Every pointer of every call, NULL. */
static void nulls(void) {
    struct memcache_buf *b = mcm_buf_new3(ctxt, "text"), *none = NULL;
    CHECK(mcm_buf_new(NULL) == NULL && mcm_buf_new2(NULL, "x", 1) == NULL && mcm_buf_new2(ctxt, NULL, 1) == NULL);
    CHECK(mcm_buf_new3(NULL, "x") == NULL && mcm_buf_new3(ctxt, NULL) == NULL);
    CHECK(mcm_buf_copy(NULL, b) == NULL && mcm_buf_copy(ctxt, NULL) == NULL);
    CHECK(mcm_buf_free(NULL, &b) == 0 && b != NULL && mcm_buf_free(ctxt, NULL) == 0 && mcm_buf_free(ctxt, &none) == 0);
    CHECK(!mcm_buf_append(NULL, b, "x", 1) && !mcm_buf_append(ctxt, NULL, "x", 1) && !mcm_buf_append(ctxt, b, NULL, 1));
    CHECK(!mcm_buf_append2(NULL, b, "x") && !mcm_buf_append2(ctxt, NULL, "x") && !mcm_buf_append2(ctxt, b, NULL));
    CHECK(!mcm_buf_append_buf(NULL, b, b) && !mcm_buf_append_buf(ctxt, NULL, b) && !mcm_buf_append_buf(ctxt, b, NULL));
    CHECK(!mcm_buf_append_char(NULL, b, 'x') && !mcm_buf_append_char(ctxt, NULL, 'x'));
    CHECK(!mcm_buf_replace(NULL, b, "x", 1) && !mcm_buf_replace(ctxt, NULL, "x", 1) && !mcm_buf_replace(ctxt, b, NULL, 1));
    CHECK(!mcm_buf_replace2(NULL, b, "x") && !mcm_buf_replace2(ctxt, NULL, "x") && !mcm_buf_replace2(ctxt, b, NULL));
    CHECK(!mcm_buf_replace_buf(NULL, b, b) && !mcm_buf_replace_buf(ctxt, NULL, b) && !mcm_buf_replace_buf(ctxt, b, NULL));
    CHECK(!mcm_buf_cmp(NULL, b, "text", 4) && !mcm_buf_cmp(ctxt, NULL, "text", 4) && !mcm_buf_cmp(ctxt, b, NULL, 4));
    CHECK(!mcm_buf_cmp2(NULL, b, "text") && !mcm_buf_cmp2(ctxt, NULL, "text") && !mcm_buf_cmp2(ctxt, b, NULL));
    CHECK(!mcm_buf_cmp_buf(NULL, b, b) && !mcm_buf_cmp_buf(ctxt, NULL, b) && !mcm_buf_cmp_buf(ctxt, b, NULL));
    CHECK(!mcm_buf_cmp_buf(ctxt, NULL, NULL) && !mcm_buf_cmp2(ctxt, NULL, NULL));
    CHECK(!mcm_buf_end(NULL, b, "t", 1) && !mcm_buf_end(ctxt, NULL, "t", 1) && !mcm_buf_end(ctxt, b, NULL, 1));
    CHECK(!mcm_buf_end2(NULL, b, "t") && !mcm_buf_end2(ctxt, NULL, "t") && !mcm_buf_end2(ctxt, b, NULL));
    CHECK(!mcm_buf_end_buf(NULL, b, b) && !mcm_buf_end_buf(ctxt, NULL, b) && !mcm_buf_end_buf(ctxt, b, NULL));
    CHECK(!mcm_buf_find(NULL, b, "t") && !mcm_buf_find(ctxt, NULL, "t") && !mcm_buf_find(ctxt, b, NULL));
    CHECK(!mcm_buf_find2(NULL, b, "t", 1) && !mcm_buf_find2(ctxt, NULL, "t", 1) && !mcm_buf_find2(ctxt, b, NULL, 1));
    CHECK(!mcm_buf_find_buf(NULL, b, b) && !mcm_buf_find_buf(ctxt, NULL, b) && !mcm_buf_find_buf(ctxt, b, NULL));
    CHECK(!mcm_buf_find_replace(NULL, b, b, b) && !mcm_buf_find_replace(ctxt, NULL, b, b));
    CHECK(!mcm_buf_find_replace(ctxt, b, NULL, b) && !mcm_buf_find_replace(ctxt, b, b, NULL));
    CHECK(!mcm_buf_find_replace2(NULL, b, "t", b) && !mcm_buf_find_replace2(ctxt, NULL, "t", b));
    CHECK(!mcm_buf_find_replace2(ctxt, b, NULL, b) && !mcm_buf_find_replace2(ctxt, b, "t", NULL));
    CHECK(mcm_buf_len(NULL, b) == 0 && mcm_buf_len(ctxt, NULL) == 0 && mcm_buf_remain(NULL, b) == 0 && mcm_buf_remain(ctxt, NULL) == 0);
    CHECK(mcm_buf_remain_off(NULL, b) == 0 && mcm_buf_remain_off(ctxt, NULL) == 0);
    CHECK(!mcm_buf_tail(NULL, b) && !mcm_buf_tail(ctxt, NULL) && !mcm_buf_to_cstr(NULL, b) && !mcm_buf_to_cstr(ctxt, NULL));
    CHECK(!mcm_buf_to_upper(NULL, b) && !mcm_buf_to_upper(ctxt, NULL) && !mcm_buf_reset(NULL, b) && !mcm_buf_reset(ctxt, NULL));
    CHECK(!mcm_buf_realloc(NULL, b, 9) && !mcm_buf_realloc(ctxt, NULL, 9) && !mcm_buf_resize(NULL, b, 9) && !mcm_buf_resize(ctxt, NULL, 9));
    CHECK(!mcm_buf_compact(NULL, b) && !mcm_buf_compact(ctxt, NULL) && mcm_buf_read(NULL, b, 0) == 0 && mcm_buf_read(ctxt, NULL, 0) == 0);
    mcm_buf_eat_line(NULL, b);
    mcm_buf_eat_line(ctxt, NULL);
    CHECK(silent() && mcm_buf_cmp2(ctxt, b, "text") == 1);
    mcm_buf_free(ctxt, &b);
}

int main(void) {
    begin();
    texts();
    replacing();
    searching();
    sizes();
    reading();
    nulls();
    return end();
}
