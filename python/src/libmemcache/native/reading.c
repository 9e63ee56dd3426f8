/* The calls that read values. */

#include "native.h"

enum reading { GET, GETS, GAT };

static PyObject *with_token(PyObject *value, PyObject *token) {
    PyObject *pair = value == NULL || token == NULL ? NULL : PyTuple_Pack(2, value, token);
    Py_XDECREF(value);
    Py_XDECREF(token);
    return pair;
}

static PyObject *read_one(Client *self, enum reading how, PyObject *key_object, PyObject *expire_object,
                          PyObject *otherwise, PyObject *other_token) {
    const char *key;
    size_t key_length, length;
    time_t expire;
    if (key_of(key_object, &key, &key_length) < 0 || expiry_of(expire_object, &expire) < 0)
        return NULL;
    struct handle *handle = take(self);
    if (handle == NULL)
        return NULL;
    void *bytes;
    u_int32_t flags;
    u_int64_t cas = 0;
    int reason;
    Py_BEGIN_ALLOW_THREADS
    if (how == GAT)
        reason = mcm_gat(handle->ctxt, handle->mc, key, key_length, expire, &bytes, &length, &flags);
    else
        reason = mcm_fetch(handle->ctxt, handle->mc, key, key_length, &bytes, &length, &flags, how == GETS ? &cas : NULL);
    Py_END_ALLOW_THREADS
    if (reason < 0 && !self->ignore_exc)
        return failed(self, handle, reason);
    give_back(self, handle);
    if (reason != MC_REASON_HIT) {
        otherwise = otherwise == NULL ? Py_None : otherwise;
        Py_INCREF(otherwise);
        if (how != GETS)
            return otherwise;
        other_token = other_token == NULL ? Py_None : other_token;
        Py_INCREF(other_token);
        return with_token(otherwise, other_token);
    }
    PyObject *value = decode(self, key_object, bytes, length, flags);
    free(bytes);
    return how == GETS ? with_token(value, PyLong_FromUnsignedLongLong(cas)) : value;
}

METHOD(client_get) {
    static const char *const names[] = {"key", "default", NULL};
    PyObject *out[2];
    if (sort_arguments(args, given, kwnames, names, 1, out) < 0)
        return NULL;
    return read_one((Client *)self, GET, out[0], NULL, out[1], NULL);
}

METHOD(client_gets) {
    static const char *const names[] = {"key", "default", "cas_default", NULL};
    PyObject *out[3];
    if (sort_arguments(args, given, kwnames, names, 1, out) < 0)
        return NULL;
    return read_one((Client *)self, GETS, out[0], NULL, out[1], out[2]);
}

METHOD(client_gat) {
    static const char *const names[] = {"key", "expire", "default", NULL};
    PyObject *out[3];
    if (sort_arguments(args, given, kwnames, names, 1, out) < 0)
        return NULL;
    return read_one((Client *)self, GAT, out[0], out[1], out[2], NULL);
}

static PyObject *read_many(Client *self, bool tokens, PyObject *iterable) {
    PyObject *keys = PySequence_Tuple(iterable); /* our own: a list may be changed while the GIL is free */
    if (keys == NULL)
        return NULL;
    size_t n = (size_t)PyTuple_Size(keys);
    struct mc_item *items = items_for(keys, n);
    PyObject *found = items == NULL ? NULL : PyDict_New();
    struct handle *handle = found == NULL ? NULL : take(self);
    if (handle == NULL) {
        Py_XDECREF(found);
        free(items);
        Py_DECREF(keys);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    (tokens ? mcm_fetch_many : mcm_fetch_values)(handle->ctxt, handle->mc, items, n);
    Py_END_ALLOW_THREADS
    int reason = mcm_reason(handle->ctxt, handle->mc);
    bool good = reason >= 0 || self->ignore_exc;
    if (good)
        give_back(self, handle);
    else
        failed(self, handle, reason);
    for (size_t at = 0; at < n; at++) {
        struct mc_item *item = &items[at];
        if (good && item->reason == MC_REASON_HIT) {
            PyObject *key = PyTuple_GetItem(keys, (Py_ssize_t)at);
            PyObject *value = decode(self, key, item->value, item->bytes, item->flags);
            if (tokens)
                value = with_token(value, PyLong_FromUnsignedLongLong(item->cas));
            good = value != NULL && PyDict_SetItem(found, key, value) == 0;
            Py_XDECREF(value);
        }
        free(item->value);
    }
    free(items);
    Py_DECREF(keys);
    if (good)
        return found;
    Py_DECREF(found);
    return NULL;
}

PyObject *client_get_many(PyObject *self, PyObject *keys) {
    return read_many((Client *)self, false, keys);
}

PyObject *client_gets_many(PyObject *self, PyObject *keys) {
    return read_many((Client *)self, true, keys);
}
