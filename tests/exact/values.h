/*
 * The values that client.c stores, and what it makes of those that it finds. A value says under which key it was
 * stored, by which write, and how long it is; what was appended says by which write it was.
 */
#ifndef EXACT_VALUES_H
#define EXACT_VALUES_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST 65536
#define PIECE 18 /* bytes that are appended at once: +0123456789abcdef| */

enum { NOTHING, VALUE, NUMBER, GARBLED }; /* what was found */

/* The print of a value with that print when the write of that name appended to it; with 0, of a value that it stored. */
static uint64_t fold(uint64_t print, uint64_t name) {
    uint64_t mixed = (print ^ name) * 0x9e3779b97f4a7c15u;

    return mixed ^ (mixed >> 29);
}

static uint32_t flags_of(uint64_t name) {
    return (uint32_t)(fold(0, name) >> 32);
}

/* The value that a write stores: its key, its name, its length, and letters to fill it. Mostly short. */
static size_t value_text(uint64_t key, uint64_t name, char *value) {
    uint64_t print = fold(0, name);
    size_t len = print % 64 == 0 ? 5000 + print / 64 % 15000 : 60 + print / 64 % 400, i;
    int head = snprintf(value, LARGEST, "%llu %llx %zu|", (unsigned long long)key, (unsigned long long)name, len);

    for (i = (size_t)head; i < len; i++) {
        value[i] = (char)('a' + (print + i) % 26);
    }
    return len;
}

/* What was found under a key: the print of it, or that it is none. */
static uint8_t read_value(uint64_t key, const char *found, size_t bytes, uint32_t flags, uint64_t *print) {
    static char right[LARGEST + 1];
    unsigned long long of, name, piece;
    size_t len, at;

    if (bytes > LARGEST || sscanf(found, "%llu %llx %zu|", &of, &name, &len) != 3 || of != key || len > bytes ||
        value_text(key, name, right) != len || memcmp(found, right, len) != 0 || flags != flags_of(name)) {
        return GARBLED;
    }
    *print = fold(0, name);
    for (at = len; at < bytes; at += PIECE) {
        if (bytes - at < PIECE || found[at] != '+' || found[at + PIECE - 1] != '|' || sscanf(found + at + 1, "%llx", &piece) != 1) {
            return GARBLED;
        }
        *print = fold(*print, piece);
    }
    return VALUE;
}

/* A number as it is stored; decr leaves spaces behind it. */
static uint8_t read_number(const char *found, size_t bytes, uint64_t *number) {
    char *end;

    errno = 0;
    *number = strtoull(found, &end, 10);
    while (*end == ' ') {
        end++;
    }
    return errno == 0 && end != found && end == found + bytes ? NUMBER : GARBLED;
}

#endif
