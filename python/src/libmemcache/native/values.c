/* Python objects as bytes with flags, and back. */

#include "native.h"

/* What stands in the flags of a value, as pymemcache writes it. */
enum { FLAG_INTEGER = 2, FLAG_LONG = 4, FLAG_TEXT = 16 };

/* Bytes, str and int. 1: it is one of them. */
static int encode_plain(PyObject *value, struct encoded *into) {
    Py_ssize_t size;
    into->owner = NULL;
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

/* `flags`, unless NULL, replaces what the value says. The owner is to be let go after the call. */
int encode(Client *self, PyObject *key, PyObject *value, PyObject *flags, struct encoded *into) {
    int known = self->plain ? encode_plain(value, into) : 0;
    into->owner = known ? into->owner : NULL;
    if (known == 0 && self->serialize == Py_None) {
        PyErr_Format(PyExc_TypeError, "a value is bytes, str or int, not %R: a serde is for others",
                     (PyObject *)Py_TYPE(value));
        return -1;
    }
    if (known == 0) {
        PyObject *pair = PyObject_CallFunctionObjArgs(self->serialize, key, value, NULL);
        PyObject *bytes;
        unsigned int serde_flags;
        if (pair == NULL)
            return -1;
        if (!PyTuple_Check(pair) || !PyArg_ParseTuple(pair, "OI;serialize gives (bytes, flags)", &bytes, &serde_flags)) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_TypeError, "serialize gives (bytes, flags)");
            Py_DECREF(pair);
            return -1;
        }
        known = encode_plain(bytes, into);
        Py_XDECREF(into->owner);
        into->owner = pair; /* it has the bytes, or the str: a tuple of which nobody else knows */
        into->flags = serde_flags;
        if (known <= 0 || PyLong_CheckExact(bytes)) {
            if (known >= 0)
                PyErr_SetString(PyExc_TypeError, "serialize gives (bytes, flags)");
            return -1;
        }
    }
    if (known > 0 && flags != NULL && flags != Py_None) {
        unsigned long wanted = PyLong_AsUnsignedLong(flags);
        if (PyErr_Occurred())
            return -1;
        into->flags = (u_int32_t)wanted;
        if (into->flags != wanted) {
            PyErr_SetString(PyExc_OverflowError, "flags have 32 bits");
            return -1;
        }
    }
    return known < 0 ? -1 : 0;
}

/* A value that was fetched, with a NUL behind it. Of a counter that went down there are spaces at the end. */
static PyObject *decode_integer(const char *bytes) {
    char *end;
    return PyLong_FromString(bytes, &end, 10);
}

PyObject *decode(Client *self, PyObject *key, const char *bytes, size_t length, u_int32_t flags) {
    if (self->plain) {
        if (flags == 0)
            return PyBytes_FromStringAndSize(bytes, (Py_ssize_t)length);
        if (flags == FLAG_TEXT)
            return PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)length, NULL);
        if ((flags == FLAG_INTEGER || flags == FLAG_LONG) && strlen(bytes) == length)
            return decode_integer(bytes);
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
