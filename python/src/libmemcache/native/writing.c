/* The calls that change something. */

#include "native.h"

typedef int storing(const struct memcache_ctxt *, struct memcache *, const char *, size_t, const void *, size_t,
                    time_t, u_int32_t);
typedef int joining(const struct memcache_ctxt *, struct memcache *, const char *, size_t, const void *, size_t);
typedef int counting(const struct memcache_ctxt *, struct memcache *, const char *, size_t, u_int64_t, u_int64_t *);

/* Every answer is waited for; `noreply` is there for programs that were written for pymemcache. */
enum { KEY, VALUE, EXPIRE, NOREPLY, FLAGS, STORE_ARGUMENTS };
static const char *const STORE[] = {"key", "value", "expire", "noreply", "flags", NULL};

/* What a store is asked to do: one of three, by what is not NULL or 0. */
struct store {
    storing *set;
    joining *join;
    u_int64_t cas;
};

static PyObject *store(Client *self, PyObject **given, struct store how) {
    const char *key;
    size_t key_length;
    time_t expire;
    struct encoded value = {0};
    struct handle *handle = NULL;
    if (key_of(given[KEY], &key, &key_length) == 0 && expiry_of(given[EXPIRE], &expire) == 0 &&
        encode(self, given[KEY], given[VALUE], given[FLAGS], &value) == 0)
        handle = take(self);
    if (handle == NULL) {
        Py_XDECREF(value.owner);
        return NULL;
    }
    int reason;
    Py_BEGIN_ALLOW_THREADS
    if (how.set != NULL)
        reason = how.set(handle->ctxt, handle->mc, key, key_length, value.bytes, value.length, expire, value.flags);
    else if (how.join != NULL)
        reason = how.join(handle->ctxt, handle->mc, key, key_length, value.bytes, value.length);
    else
        reason = mcm_cas(handle->ctxt, handle->mc, key, key_length, value.bytes, value.length, expire, value.flags, how.cas);
    Py_END_ALLOW_THREADS
    Py_XDECREF(value.owner);
    if (reason < 0)
        return failed(self, handle, reason);
    give_back(self, handle);
    if (reason == MC_REASON_NOT_FOUND) /* of cas alone */
        Py_RETURN_NONE;
    return PyBool_FromLong(reason == MC_REASON_STORED);
}

#define STORE_METHOD(name, ...)                                                                      \
    METHOD(client_##name) {                                                                          \
        PyObject *out[STORE_ARGUMENTS];                                                              \
        if (sort_arguments(args, given, kwnames, STORE, 2, out) < 0)                                 \
            return NULL;                                                                             \
        return store((Client *)self, out, (struct store){__VA_ARGS__});                              \
    }

STORE_METHOD(set, .set = mcm_store)
STORE_METHOD(add, .set = mcm_store_add)
STORE_METHOD(replace, .set = mcm_store_replace)
STORE_METHOD(append, .join = mcm_append)
STORE_METHOD(prepend, .join = mcm_prepend)

METHOD(client_cas) {
    static const char *const names[] = {"key", "value", "cas", "expire", "noreply", "flags", NULL};
    PyObject *out[6];
    if (sort_arguments(args, given, kwnames, names, 3, out) < 0)
        return NULL;
    u_int64_t cas = PyLong_AsUnsignedLongLong(out[2]);
    if (PyErr_Occurred())
        return NULL;
    PyObject *sorted[STORE_ARGUMENTS] = {[KEY] = out[0], [VALUE] = out[1], [EXPIRE] = out[3], [FLAGS] = out[5]};
    return store((Client *)self, sorted, (struct store){.cas = cas});
}

/* The keys whose items do not have one of the reasons, as a list. */
static PyObject *keys_without(PyObject *keys, struct mc_item *items, size_t n, int wanted) {
    PyObject *without = PyList_New(0);
    for (size_t at = 0; without != NULL && at < n; at++) {
        if (items[at].reason != wanted && PyList_Append(without, PyTuple_GetItem(keys, (Py_ssize_t)at)) < 0)
            Py_CLEAR(without);
    }
    return without;
}

/* Lets the values of a call with many go. */
static void end_values(struct encoded *values, size_t n) {
    for (size_t at = 0; values != NULL && at < n; at++)
        Py_XDECREF(values[at].owner);
    free(values);
}

/* Keys and values are those of `copy`, a dict that nobody else knows. */
static PyObject *store_many(Client *self, PyObject *copy, time_t expire, PyObject *flags) {
    size_t n = (size_t)PyDict_Size(copy), at = 0;
    PyObject *keys = PySequence_Tuple(copy), *key, *value;
    struct mc_item *items = keys == NULL ? NULL : items_for(keys, n);
    struct encoded *values = items == NULL ? NULL : calloc(n + 1, sizeof *values);
    bool good = values != NULL;
    for (Py_ssize_t place = 0; good && PyDict_Next(copy, &place, &key, &value); at++) {
        good = encode(self, key, value, flags, &values[at]) == 0;
        items[at].value = (void *)values[at].bytes;
        items[at].bytes = values[at].length;
        items[at].flags = values[at].flags;
        items[at].expire = expire;
    }
    if (items != NULL && values == NULL)
        PyErr_NoMemory();
    struct handle *handle = good ? take(self) : NULL;
    PyObject *answer = NULL;
    if (handle != NULL) {
        Py_BEGIN_ALLOW_THREADS
        mcm_store_many(handle->ctxt, handle->mc, items, n);
        Py_END_ALLOW_THREADS
        /* A caller's mistake is told at once; what became of the others can be tried again. */
        int reason = mcm_reason(handle->ctxt, handle->mc);
        if (reason == MC_REASON_BAD_KEY || reason == MC_REASON_BAD_VALUE) {
            failed(self, handle, reason);
        } else {
            give_back(self, handle);
            answer = keys_without(keys, items, n, MC_REASON_STORED);
        }
    }
    end_values(values, n);
    free(items);
    Py_XDECREF(keys);
    return answer;
}

METHOD(client_set_many) {
    static const char *const names[] = {"values", "expire", "noreply", "flags", NULL};
    PyObject *out[4];
    time_t expire;
    if (sort_arguments(args, given, kwnames, names, 1, out) < 0 || expiry_of(out[1], &expire) < 0)
        return NULL;
    PyObject *copy = PyDict_New();
    PyObject *answer = copy == NULL || PyDict_Update(copy, out[0]) < 0
                           ? NULL
                           : store_many((Client *)self, copy, expire, out[3]);
    Py_XDECREF(copy);
    return answer;
}

METHOD(client_delete) {
    static const char *const names[] = {"key", "noreply", NULL};
    PyObject *out[2];
    const char *key;
    size_t length;
    if (sort_arguments(args, given, kwnames, names, 1, out) < 0 || key_of(out[0], &key, &length) < 0)
        return NULL;
    struct handle *handle = take((Client *)self);
    if (handle == NULL)
        return NULL;
    int reason;
    Py_BEGIN_ALLOW_THREADS
    reason = mcm_remove(handle->ctxt, handle->mc, key, length);
    Py_END_ALLOW_THREADS
    if (reason < 0)
        return failed((Client *)self, handle, reason);
    give_back((Client *)self, handle);
    return PyBool_FromLong(reason == MC_REASON_DELETED);
}

METHOD(client_delete_many) {
    static const char *const names[] = {"keys", "noreply", NULL};
    PyObject *out[2];
    if (sort_arguments(args, given, kwnames, names, 1, out) < 0)
        return NULL;
    PyObject *keys = PySequence_Tuple(out[0]);
    if (keys == NULL)
        return NULL;
    size_t n = (size_t)PyTuple_Size(keys);
    struct mc_item *items = items_for(keys, n);
    struct handle *handle = items == NULL ? NULL : take((Client *)self);
    PyObject *answer = NULL;
    if (handle != NULL) {
        Py_BEGIN_ALLOW_THREADS
        mcm_remove_many(handle->ctxt, handle->mc, items, n);
        Py_END_ALLOW_THREADS
        int reason = mcm_reason(handle->ctxt, handle->mc);
        if (reason < 0) {
            failed((Client *)self, handle, reason);
        } else {
            give_back((Client *)self, handle);
            answer = Py_True;
            Py_INCREF(answer);
        }
    }
    free(items);
    Py_DECREF(keys);
    return answer;
}

static PyObject *count(Client *self, counting *how, PyObject *const *args, Py_ssize_t given, PyObject *kwnames) {
    static const char *const names[] = {"key", "value", "noreply", NULL};
    PyObject *out[3];
    const char *key;
    size_t length;
    if (sort_arguments(args, given, kwnames, names, 1, out) < 0 || key_of(out[0], &key, &length) < 0)
        return NULL;
    u_int64_t delta = out[1] == NULL ? 1 : PyLong_AsUnsignedLongLong(out[1]), number;
    if (PyErr_Occurred())
        return NULL;
    struct handle *handle = take(self);
    if (handle == NULL)
        return NULL;
    int reason;
    Py_BEGIN_ALLOW_THREADS
    reason = how(handle->ctxt, handle->mc, key, length, delta, &number);
    Py_END_ALLOW_THREADS
    if (reason < 0)
        return failed(self, handle, reason);
    give_back(self, handle);
    if (reason == MC_REASON_NOT_FOUND)
        Py_RETURN_NONE;
    return PyLong_FromUnsignedLongLong(number);
}

METHOD(client_incr) {
    return count((Client *)self, mcm_incr64, args, given, kwnames);
}

METHOD(client_decr) {
    return count((Client *)self, mcm_decr64, args, given, kwnames);
}

METHOD(client_touch) {
    static const char *const names[] = {"key", "expire", "noreply", NULL};
    PyObject *out[3];
    const char *key;
    size_t length;
    time_t expire;
    if (sort_arguments(args, given, kwnames, names, 1, out) < 0 || key_of(out[0], &key, &length) < 0 ||
        expiry_of(out[1], &expire) < 0)
        return NULL;
    struct handle *handle = take((Client *)self);
    if (handle == NULL)
        return NULL;
    int reason;
    Py_BEGIN_ALLOW_THREADS
    reason = mcm_touch(handle->ctxt, handle->mc, key, length, expire);
    Py_END_ALLOW_THREADS
    if (reason < 0)
        return failed((Client *)self, handle, reason);
    give_back((Client *)self, handle);
    return PyBool_FromLong(reason == MC_REASON_TOUCHED);
}
