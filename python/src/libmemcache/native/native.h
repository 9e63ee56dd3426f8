/*
 * The part of the package that is in C: a client as a stack of handles, and what happens on every call.
 *
 * A handle is for one thread at a time, so a call takes one off the stack, or makes one, and puts it
 * back; there are never more of them than there were calls at once. The stack is only touched with the
 * GIL held and needs no lock of its own; nor does fork(2): a handle that another thread was inside of
 * is not on the stack in the child, and of the others the library sees to it that no connection is shared.
 *
 * While the library is at work the GIL is free. So nothing that it reads may belong to an object that
 * another thread could change or drop meanwhile: keys and values are those of immutable objects to
 * which the call, or its arguments, have a reference.
 */

#ifndef NATIVE_H
#define NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <memcache.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A handle, with its own context: errors of one thread are not another's. */
struct handle {
    struct handle *next;
    struct memcache_ctxt *ctxt;
    struct memcache *mc;
    unsigned closings; /* how often its client had been closed when it was made */
};

typedef struct {
    PyObject_HEAD
    struct handle *idle;
    unsigned closings;
    char plain;        /* bytes, str and int are for us, and only the rest for the hooks */
    char ignore_exc;   /* a read that cannot be carried out is a miss */
    PyObject *pool;    /* the path of the pool file, or None: then the servers, a tuple of str */
    PyObject *servers;
    PyObject *options; /* a tuple of pairs of str */
    PyObject *serialize, *deserialize; /* or None */
    PyObject *errors;  /* the exceptions, by reason: that of -1 is the first */
} Client;

/* How a method with names for its arguments looks. */
#define METHOD(name) PyObject *name(PyObject *self, PyObject *const *args, Py_ssize_t given, PyObject *kwnames)

/* handles.c. Those that give a pointer or an int give NULL or -1 when they raised. */
void *raise_text(Client *self, int reason, const char *text);
struct handle *take(Client *self);
void give_back(Client *self, struct handle *handle);
void *failed(Client *self, struct handle *handle, int reason); /* gives it back and raises its failure */
void end_idle(Client *self);

/* arguments.c */
int sort_arguments(PyObject *const *args, Py_ssize_t given, PyObject *kwnames, const char *const *names, int required,
                   PyObject **out);
int key_of(PyObject *object, const char **key, size_t *length);
int expiry_of(PyObject *object, time_t *expire); /* NULL is 0 */
struct mc_item *items_for(PyObject *keys, size_t n);

/* A value as it is sent. */
struct encoded {
    const char *bytes;
    size_t length;
    u_int32_t flags;
    PyObject *owner; /* of the bytes, when they are not the caller's: let it go after the call, whatever came of it */
};

/* values.c. What encode fills in is all 0 before. */
int encode(Client *self, PyObject *key, PyObject *value, PyObject *flags, struct encoded *into);
PyObject *decode(Client *self, PyObject *key, const char *bytes, size_t length, u_int32_t flags);

/* The methods. */
METHOD(client_get);
METHOD(client_gets);
METHOD(client_gat);
PyObject *client_get_many(PyObject *self, PyObject *keys);
PyObject *client_gets_many(PyObject *self, PyObject *keys);
METHOD(client_set);
METHOD(client_add);
METHOD(client_replace);
METHOD(client_append);
METHOD(client_prepend);
METHOD(client_cas);
METHOD(client_set_many);
METHOD(client_delete);
METHOD(client_delete_many);
METHOD(client_incr);
METHOD(client_decr);
METHOD(client_touch);
PyObject *client_flush_all(PyObject *self, PyObject *unused);
PyObject *client_stats(PyObject *self, PyObject *unused);
PyObject *client_version(PyObject *self, PyObject *unused);

#endif
