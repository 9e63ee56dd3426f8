/* Python objects as bytes with flags, and back. */

#include "native.h"

/* What stands in the flags of a value, as pymemcache writes it. */
enum { FLAG_INTEGER = 2, FLAG_LONG = 4, FLAG_TEXT = 16 };

static int flags_of(PyObject *object, u_int32_t *flags) {
    unsigned long long number = PyLong_AsUnsignedLongLong(object);
    if (PyErr_Occurred())
        return -1;
    if (number > UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "flags have 32 bits");
        return -1;
    }
    *flags = (u_int32_t)number;
    return 0;
}

/* Bytes, str and int. 1: it is one of them, 0: it is not, -1: it is and cannot be written. */
static int encode_plain(PyObject *value, struct encoded *into) {
    Py_ssize_t size = 0;
    if (PyBytes_CheckExact(value)) {
        into->bytes = PyBytes_AsString(value);
        size = PyBytes_Size(value);
        into->flags = 0;
    } else if (PyUnicode_CheckExact(value)) {
        into->bytes = PyUnicode_AsUTF8AndSize(value, &size);
        into->flags = FLAG_TEXT;
    } else if (PyLong_CheckExact(value)) {
        into->owner = PyObject_Str(value);
        into->bytes = into->owner == NULL ? NULL : PyUnicode_AsUTF8AndSize(into->owner, &size);
        into->flags = FLAG_INTEGER;
    } else {
        return 0;
    }
    into->length = (size_t)size;
    return into->bytes == NULL ? -1 : 1;
}

/* By the hook, which gives a tuple of bytes or str, and flags. */
static int encode_by_hook(Client *self, PyObject *key, PyObject *value, struct encoded *into) {
    PyObject *pair = PyObject_CallFunctionObjArgs(self->serialize, key, value, NULL), *bytes;
    unsigned int flags;
    if (pair == NULL)
        return -1;
    into->owner = pair; /* it has the bytes, and nobody else knows of it */
    if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
        PyErr_SetString(PyExc_TypeError, "serialize gives (bytes, flags)");
        return -1;
    }
    bytes = PyTuple_GetItem(pair, 0);
    if (!PyBytes_CheckExact(bytes) && !PyUnicode_CheckExact(bytes)) {
        PyErr_Format(PyExc_TypeError, "serialize gives (bytes, flags), not %R first", (PyObject *)Py_TYPE(bytes));
        return -1;
    }
    if (flags_of(PyTuple_GetItem(pair, 1), &flags) < 0 || encode_plain(bytes, into) < 0)
        return -1;
    into->flags = flags;
    return 0;
}

int encode(Client *self, PyObject *key, PyObject *value, PyObject *flags, struct encoded *into) {
    int known = self->plain ? encode_plain(value, into) : 0;
    if (known == 0 && self->serialize == Py_None) {
        PyErr_Format(PyExc_TypeError, "a value is bytes, str or int, not %R: a serde is for others",
                     (PyObject *)Py_TYPE(value));
        return -1;
    }
    if (known < 0 || (known == 0 && encode_by_hook(self, key, value, into) < 0))
        return -1;
    return flags == NULL || flags == Py_None ? 0 : flags_of(flags, &into->flags);
}

/* There is a NUL behind the bytes. */
PyObject *decode(Client *self, PyObject *key, const char *bytes, size_t length, u_int32_t flags) {
    if (self->plain) {
        if (flags == 0)
            return PyBytes_FromStringAndSize(bytes, (Py_ssize_t)length);
        if (flags == FLAG_TEXT)
            return PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)length, NULL);
        /* Of a counter that went down there are spaces behind the digits. */
        if ((flags == FLAG_INTEGER || flags == FLAG_LONG) && strlen(bytes) == length)
            return PyLong_FromString(bytes, NULL, 10);
    }
    if (self->deserialize == Py_None) {
        char text[80];
        snprintf(text, sizeof text, "the value has flags %u: a serde is needed to read it", (unsigned)flags);
        return raise_text(self, MC_REASON_BAD_VALUE, text);
    }
    PyObject *raw = PyBytes_FromStringAndSize(bytes, (Py_ssize_t)length);
    PyObject *number = PyLong_FromUnsignedLong(flags);
    PyObject *value = raw == NULL || number == NULL
                          ? NULL
                          : PyObject_CallFunctionObjArgs(self->deserialize, key, raw, number, NULL);
    Py_XDECREF(raw);
    Py_XDECREF(number);
    return value;
}
