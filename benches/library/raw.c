/*
 * The work of work.h without a library: the bytes of the protocol, sent and received on blocking sockets. The least
 * that any client does, and more than a client may dare: no timeouts, no keys that are checked, servers that never die.
 * A value is sent from the caller's memory (sendmsg of line, value and line end) and received into it: what came with
 * the first line, at most 4096 bytes, is copied, the rest goes there at once.
 */
#include "work.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define LINE 512 /* longer than a command of one key, and than the first line of an answer */

static int receive_flags; /* MSG_DONTWAIT: it asks again and again instead of sleeping */

struct session {
    int *sockets;
    int servers;
    int doubled;
    char **commands; /* of a get of many, for each server */
    size_t *lens;
    char *in;
    size_t room;
};

static int connected(const char *address) {
    struct sockaddr_in to;
    char host[64];
    const char *colon = strrchr(address, ':');
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    snprintf(host, sizeof host, "%.*s", colon != NULL ? (int)(colon - address) : 0, address);
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)(colon != NULL ? atoi(colon + 1) : 0));
    if (fd < 0 || inet_pton(AF_INET, host, &to.sin_addr) != 1 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        perror(address);
        exit(1);
    }
    return fd;
}

struct session *session_open(const struct setup *setup) {
    struct session *session = calloc(1, sizeof *session);
    size_t servers = (size_t)setup->servers;
    int i;
    session->servers = setup->servers;
    session->doubled = setup->doubled;
    receive_flags = setup->spin ? MSG_DONTWAIT : 0;
    session->sockets = calloc(servers, sizeof *session->sockets);
    session->commands = calloc(servers, sizeof *session->commands);
    session->lens = calloc(servers, sizeof *session->lens);
    session->room = 65536 + setup->bytes;
    session->in = malloc(session->room);
    for (i = 0; i < setup->servers; i++) {
        session->sockets[i] = connected(setup->addresses[i]);
        session->commands[i] = malloc(setup->keys * (KEY_LEN + 1) + LINE);
    }
    return session;
}

void session_close(struct session *session) {
    int i;
    for (i = 0; i < session->servers; i++) {
        close(session->sockets[i]);
        free(session->commands[i]);
    }
    free(session->sockets);
    free(session->commands);
    free(session->lens);
    free(session->in);
    free(session);
}

/* FNV-1a. */
static int server_of(const struct session *session, const char *key) {
    uint32_t hash = 2166136261u;
    int i;
    for (i = 0; i < KEY_LEN; i++) {
        hash = (hash ^ (unsigned char)key[i]) * 16777619u;
    }
    return (int)(hash % (uint32_t)session->servers);
}

static int sent(int fd, const char *bytes, size_t len) {
    return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Receives what there is; waits for it, asleep or not. */
static ssize_t came(int fd, char *into, size_t room) {
    ssize_t got;
    do {
        got = recv(fd, into, room, receive_flags);
    } while (got < 0 && errno == EAGAIN);
    return got;
}

/* Receives so many bytes that the first `had` are `wanted`. */
static int received(int fd, char *into, size_t had, size_t wanted) {
    while (had < wanted) {
        ssize_t got = came(fd, into + had, wanted - had);
        if (got <= 0) {
            return 0;
        }
        had += (size_t)got;
    }
    return 1;
}

/* An answer of one line; its length, 0 when there is none. */
static size_t line(int fd, char *into) {
    size_t len = 0;
    while (len < 2 || into[len - 1] != '\n') {
        ssize_t got = came(fd, into + len, LINE - len);
        if (got <= 0) {
            return 0;
        }
        len += (size_t)got;
    }
    return len;
}

static int answered(int fd, const char *wanted) {
    char text[LINE];
    size_t len = line(fd, text);
    return len == strlen(wanted) && memcmp(text, wanted, len) == 0;
}

static size_t number_into(char *out, size_t number) {
    char digits[20];
    size_t count = 0, i;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    for (i = 0; i < count; i++) {
        out[i] = digits[count - 1 - i];
    }
    return count;
}

/* verb and key; the length. */
static size_t begun(char *out, const char *verb, const char *key) {
    size_t len = strlen(verb);
    memcpy(out, verb, len);
    memcpy(out + len, key, KEY_LEN);
    return len + KEY_LEN;
}

static size_t ended(char *out, size_t len) {
    memcpy(out + len, "\r\n", 2);
    return len + 2;
}

int session_set(struct session *session, const char *key, const char *value, size_t bytes) {
    char head[LINE];
    int first = server_of(session, key), copies = session->doubled ? 2 : 1, i, right = 1;
    size_t len = begun(head, "set ", key);
    memcpy(head + len, " 0 0 ", 5);
    len += 5;
    len = ended(head, len + number_into(head + len, bytes));
    for (i = 0; i < copies; i++) {
        struct iovec parts[3] = {{head, len}, {(char *)(uintptr_t)value, bytes}, {"\r\n", 2}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
        int fd = session->sockets[(first + i) % session->servers];
        right &= sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)(len + bytes + 2);
    }
    for (i = 0; right && i < copies; i++) {
        right &= answered(session->sockets[(first + i) % session->servers], "STORED\r\n");
    }
    return right;
}

/* Where the data of a value begins in `bytes`, 0 while its line is not whole; and how long it is. */
static size_t value_line(const char *bytes, size_t len, size_t *data) {
    const char *end = memchr(bytes, '\n', len);
    size_t at;
    if (end == NULL) {
        return 0;
    }
    at = (size_t)(end - bytes) - 1;
    *data = 0;
    while (bytes[at - 1] != ' ') {
        at--;
    }
    while (bytes[at] != '\r') {
        *data = *data * 10 + (size_t)(bytes[at++] - '0');
    }
    return at + 2;
}

int session_get(struct session *session, const char *key, char *buffer, size_t size, size_t *bytes) {
    static const char tail[] = "\r\nEND\r\n";
    char first[4096], rest[sizeof tail];
    int fd = session->sockets[server_of(session, key)];
    size_t len = ended(first, begun(first, "get ", key)), had = 0, data = 0, begin, here;

    if (!sent(fd, first, len)) {
        return 0;
    }
    do {
        ssize_t got = came(fd, first + had, sizeof first - had);
        if (got <= 0) {
            return 0;
        }
        had += (size_t)got;
        if (had >= 5 && memcmp(first, "END\r\n", 5) == 0) {
            return 0;
        }
        begin = value_line(first, had, &data);
    } while (begin == 0);
    *bytes = data;
    if (data > size) {
        return 0;
    }
    here = had - begin < data ? had - begin : data;
    memcpy(buffer, first + begin, here);
    if (!received(fd, buffer, here, data)) {
        return 0;
    }
    here = had - begin - here;
    memcpy(rest, first + begin + data, here);
    return received(fd, rest, here, sizeof tail - 1) && memcmp(rest, tail, sizeof tail - 1) == 0;
}

int session_delete(struct session *session, const char *key) {
    char text[LINE];
    int fd = session->sockets[server_of(session, key)];
    return sent(fd, text, ended(text, begun(text, "delete ", key))) && answered(fd, "DELETED\r\n");
}

int session_incr(struct session *session, const char *key, uint64_t *number) {
    char text[LINE];
    int fd = session->sockets[server_of(session, key)];
    size_t len = begun(text, "incr ", key), i;
    memcpy(text + len, " 1", 2);
    if (!sent(fd, text, ended(text, len + 2))) {
        return 0;
    }
    len = line(fd, text);
    *number = 0;
    for (i = 0; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
        *number = *number * 10 + (uint64_t)(text[i] - '0');
    }
    return i > 0;
}

/* Reads values until the END; how many were right. */
static size_t values(struct session *session, int fd) {
    size_t had = 0, at = 0, right = 0, data, begin;
    for (;;) {
        ssize_t got;
        if (had - at >= 5 && memcmp(session->in + at, "END\r\n", 5) == 0) {
            return right;
        }
        begin = had - at >= 5 ? value_line(session->in + at, had - at, &data) : 0;
        if (begin != 0 && had - at >= begin + data + 2) {
            /* VALUE and a space before the key. */
            right += is_value(session->in + at + 6, session->in + at + begin, data);
            at += begin + data + 2;
            continue;
        }
        if (at > 0 && session->room - had < session->room / 4) {
            memmove(session->in, session->in + at, had - at);
            had -= at;
            at = 0;
        }
        got = came(fd, session->in + had, session->room - had);
        if (got <= 0) {
            return 0;
        }
        had += (size_t)got;
    }
}

size_t session_get_many(struct session *session, const char *const *keys, size_t count) {
    size_t i, right = 0;
    int server;
    memset(session->lens, 0, (size_t)session->servers * sizeof *session->lens);
    for (i = 0; i < count; i++) {
        server = server_of(session, keys[i]);
        session->lens[server] += begun(session->commands[server] + session->lens[server],
                                       session->lens[server] == 0 ? "get " : " ", keys[i]);
    }
    for (server = 0; server < session->servers; server++) {
        size_t len = session->lens[server];
        if (len > 0 && !sent(session->sockets[server], session->commands[server], ended(session->commands[server], len))) {
            return 0;
        }
    }
    for (server = 0; server < session->servers; server++) {
        right += session->lens[server] > 0 ? values(session, session->sockets[server]) : 0;
    }
    return right;
}

const char *session_error(struct session *session) {
    (void)session;
    return "not the answer that was expected";
}
