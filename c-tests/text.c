/* The small functions over texts: copies, and searching within a length. */
#include "kit.h"

struct search {
    const char *text;
    const char *find;
    size_t len;
    int at; /* -1: not found */
};

static const struct search characters[] = {
    { "one two", "t", 7, 4 },   { "one two", "t", 5, 4 }, { "one two", "t", 4, -1 }, { "one two", "o", 7, 0 },
    { "one\0two", "t", 7, -1 }, { "", "x", 9, -1 },       { "one", "o", 0, -1 },     { "one", "\0", 3, -1 },
};

static const struct search words[] = {
    { "one two", "two", 7, 4 }, { "one two", "two", 6, -1 }, { "one two", "two", 100, 4 }, { "one", "", 3, 0 },
    { "one\0two", "two", 7, -1 }, { "aab", "ab", 3, 1 },     { "one", "one two", 3, -1 },  { "", "x", 0, -1 },
};

static void searching(void) {
    size_t i;
    for (i = 0; i < sizeof(characters) / sizeof(characters[0]); i++) {
        const struct search *s = &characters[i];
        char *text = (char *)s->text;
        CHECK(MC(strnchr, text, s->find[0], s->len) == (s->at < 0 ? NULL : text + s->at));
    }
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const struct search *s = &words[i];
        char *text = (char *)s->text;
        CHECK(mcm_strnstr(ctxt, text, s->find, s->len) == (s->at < 0 ? NULL : text + s->at));
    }
    CHECK(MC(strnchr, NULL, 'x', 3) == NULL);
    CHECK(mcm_strnstr(ctxt, NULL, "x", 3) == NULL && mcm_strnstr(ctxt, (char *)"x", NULL, 3) == NULL);
}

static void copies(void) {
    static const char unended[3] = { 'o', 'n', 'e' };
    char *copy = MC(strdup, "one two");
    CHECK(strcmp(copy, "one two") == 0);
    ctxt->mcFree(copy);
    copy = MC(strdup, "");
    CHECK(copy != NULL && copy[0] == '\0');
    ctxt->mcFree(copy);
    copy = MC(strndup, unended, 3); /* no NUL within its length: not one byte beyond is read */
    CHECK(strcmp(copy, "one") == 0);
    ctxt->mcFree(copy);
    copy = MC(strndup, "one", 100);
    CHECK(strcmp(copy, "one") == 0);
    ctxt->mcFree(copy);
    copy = MC(strndup, "one", 0);
    CHECK(copy != NULL && copy[0] == '\0');
    ctxt->mcFree(copy);
    CHECK(MC(strdup, NULL) == NULL && MC(strndup, NULL, 3) == NULL && silent());
    CHECK(mcm_strdup(NULL, "x") == NULL && mcm_strndup(NULL, "x", 1) == NULL);

    allocations_fail(1, 1);
    CHECK(MC(strdup, "one") == NULL && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR));
    allocations_fail(1, 1);
    CHECK(MC(strndup, "one", 3) == NULL && raised(MCM_ERR_MEM_MALLOC, MCM_ERR_LVL_ERR));
}

int main(void) {
    begin();
    searching();
    copies();
    return end();
}
