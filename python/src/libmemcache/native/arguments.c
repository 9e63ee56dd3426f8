/* What a caller hands in: arguments by place and name, keys, expiry times. */

#include "native.h"

/* Sorts positional and named arguments into `out`, by `names`, of which the first `required` must be
 * there. A call has few of them: comparing names is quicker than what PyArg_Parse does. */
int sort_arguments(PyObject *const *args, Py_ssize_t given, PyObject *kwnames, const char *const *names,
                          int required, PyObject **out) {
    int known = 0;
    while (names[known] != NULL)
        out[known++] = NULL;
    if (given > known) {
        PyErr_Format(PyExc_TypeError, "at most %d arguments are taken, %zd were given", known, given);
        return -1;
    }
    for (Py_ssize_t at = 0; at < given; at++)
        out[at] = args[at];
    for (Py_ssize_t at = 0, named = kwnames == NULL ? 0 : PyTuple_Size(kwnames); at < named; at++) {
        PyObject *name = PyTuple_GetItem(kwnames, at);
        int which = 0;
        while (which < known && PyUnicode_CompareWithASCIIString(name, names[which]) != 0)
            which++;
        if (which == known || out[which] != NULL) {
            PyErr_Format(PyExc_TypeError, which == known ? "there is no argument %R" : "argument %R is given twice", name);
            return -1;
        }
        out[which] = args[given + at];
    }
    for (int at = 0; at < required; at++) {
        if (out[at] == NULL) {
            PyErr_Format(PyExc_TypeError, "argument '%s' is missing", names[at]);
            return -1;
        }
    }
    return 0;
}

int key_of(PyObject *object, const char **key, size_t *length) {
    Py_ssize_t size;
    if (PyUnicode_Check(object)) {
        *key = PyUnicode_AsUTF8AndSize(object, &size); /* made once for every str, and kept in it */
        if (*key == NULL)
            return -1;
    } else if (PyBytes_CheckExact(object)) {
        *key = PyBytes_AsString(object);
        size = PyBytes_Size(object);
    } else {
        PyErr_Format(PyExc_TypeError, "a key is str or bytes, not %R", (PyObject *)Py_TYPE(object));
        return -1;
    }
    *length = (size_t)size;
    return 0;
}

int expiry_of(PyObject *object, time_t *expire) {
    *expire = object == NULL ? 0 : (time_t)PyLong_AsLongLong(object);
    return *expire == -1 && PyErr_Occurred() ? -1 : 0;
}

/* Items for the keys of a tuple; to be freed. */
struct mc_item *items_for(PyObject *keys, size_t n) {
    struct mc_item *items = calloc(n == 0 ? 1 : n, sizeof *items);
    if (items == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (size_t at = 0; at < n; at++) {
        if (key_of(PyTuple_GetItem(keys, (Py_ssize_t)at), &items[at].key, &items[at].key_len) < 0) {
            free(items);
            return NULL;
        }
    }
    return items;
}
