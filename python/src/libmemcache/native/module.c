/* The type and the module. client.py makes the class of it that programs use. */

#include "native.h"

static int client_init(PyObject *object, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"pool", "servers", "options", "serialize", "deserialize", "plain", "ignore_exc", "errors", NULL};
    Client *self = (Client *)object;
    PyObject *pool, *servers, *options, *serialize, *deserialize, *errors;
    int plain, ignore_exc;
    if (self->errors != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a client is initialised once");
        return -1;
    }
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO!O!OOppO!", names, &pool, &PyTuple_Type, &servers, &PyTuple_Type,
                                     &options, &serialize, &deserialize, &plain, &ignore_exc, &PyTuple_Type, &errors))
        return -1;
    Py_INCREF(self->pool = pool);
    Py_INCREF(self->servers = servers);
    Py_INCREF(self->options = options);
    Py_INCREF(self->serialize = serialize);
    Py_INCREF(self->deserialize = deserialize);
    Py_INCREF(self->errors = errors);
    self->plain = (char)plain;
    self->ignore_exc = (char)ignore_exc;
    /* Mistakes are to be told now, not by the first call. It connects to nothing yet. */
    struct handle *handle = take(self);
    if (handle == NULL)
        return -1;
    give_back(self, handle);
    return 0;
}

static PyObject *client_close(PyObject *self, PyObject *unused) {
    (void)unused;
    end_idle((Client *)self);
    Py_RETURN_NONE;
}

static int client_traverse(PyObject *object, visitproc visit, void *arg) {
    Client *self = (Client *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->serialize);
    Py_VISIT(self->deserialize);
    Py_VISIT(self->errors);
    return 0;
}

static int client_clear(PyObject *object) {
    Client *self = (Client *)object;
    Py_CLEAR(self->serialize);
    Py_CLEAR(self->deserialize);
    return 0;
}

static void client_dealloc(PyObject *object) {
    Client *self = (Client *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    PyObject_GC_UnTrack(object);
    end_idle(self);
    client_clear(object);
    Py_CLEAR(self->pool);
    Py_CLEAR(self->servers);
    Py_CLEAR(self->options);
    Py_CLEAR(self->errors);
    release(object);
    Py_DECREF(type);
}

#define NAMED(name, says) \
    {#name, (PyCFunction)(void (*)(void))client_##name, METH_FASTCALL | METH_KEYWORDS, says}
#define STORES "noreply is taken and ignored: every answer is waited for.\nflags: None, or what is stored as the value's flags instead."

static PyMethodDef methods[] = {
    NAMED(get, "get($self, /, key, default=None)\n--\n\n"
               "The value of a key, or default when there is none."),
    NAMED(gets, "gets($self, /, key, default=None, cas_default=None)\n--\n\n"
                "The value of a key and its token for cas, or the two defaults."),
    NAMED(gat, "gat($self, /, key, expire=0, default=None)\n--\n\n"
               "As get, and gives the value a new expiry time, as for set."),
    {"get_many", client_get_many, METH_O,
     "get_many($self, keys, /)\n--\n\n"
     "A dict of those of the keys that are there, with their values. When the server of one could not be\n"
     "asked it raises: what is not in the dict is a miss."},
    {"gets_many", client_gets_many, METH_O,
     "gets_many($self, keys, /)\n--\n\nAs get_many, with pairs of value and token for cas."},
    NAMED(set, "set($self, /, key, value, expire=0, noreply=False, flags=None)\n--\n\n"
               "Stores a value, whatever is there; True. In a pool with backups it is on two servers then.\n"
               "expire: 0 never, up to 30 days in seconds from now, above that seconds since 1970, negative at once.\n" STORES),
    NAMED(add, "add($self, /, key, value, expire=0, noreply=False, flags=None)\n--\n\n"
               "As set, where nothing is stored yet. False: the key exists."),
    NAMED(replace, "replace($self, /, key, value, expire=0, noreply=False, flags=None)\n--\n\n"
                   "As set, where a value is stored already. False: there is none."),
    NAMED(append, "append($self, /, key, value, expire=0, noreply=False, flags=None)\n--\n\n"
                  "Puts bytes behind a value, whose expiry time and flags stay as they are. False: there is none."),
    NAMED(prepend, "prepend($self, /, key, value, expire=0, noreply=False, flags=None)\n--\n\n"
                   "Puts bytes in front of a value, whose expiry time and flags stay as they are. False: there is none."),
    NAMED(cas, "cas($self, /, key, value, cas, expire=0, noreply=False, flags=None)\n--\n\n"
               "As set, if the value is still the one that gets gave with the token cas. False: it was changed\n"
               "since, or its server was replaced by another; None: there is no value any more."),
    NAMED(set_many, "set_many($self, /, values, expire=0, noreply=False, flags=None)\n--\n\n"
                    "Stores a mapping of keys to values; expire for all, as for set. The list of the keys that\n"
                    "could not be stored, which is empty when all is well."),
    NAMED(delete, "delete($self, /, key, noreply=False)\n--\n\n"
                  "Deletes a key on every server that may have it. False: there was nothing."),
    NAMED(delete_many, "delete_many($self, /, keys, noreply=False)\n--\n\n"
                       "Deletes keys, there or not; True. When one could not be deleted it raises."),
    NAMED(incr, "incr($self, /, key, value=1, noreply=False)\n--\n\n"
                "Adds to a number of 64 bits, and gives the new one. None: there is no such key."),
    NAMED(decr, "decr($self, /, key, value=1, noreply=False)\n--\n\n"
                "Subtracts from a number, which stops at 0, and gives the new one. None: there is no such key."),
    NAMED(touch, "touch($self, /, key, expire=0, noreply=False)\n--\n\n"
                 "Gives a value a new expiry time, as for set. False: there is no value."),
    {"flush_all", client_flush_all, METH_NOARGS,
     "flush_all($self, /)\n--\n\nDrops all that the servers hold; True. One that is down is flushed before it is used again."},
    {"stats", client_stats, METH_NOARGS,
     "stats($self, /)\n--\n\nThe statistics of every server, by its address and by memcached's names; None of one that\n"
     "could not be asked."},
    {"version", client_version, METH_NOARGS,
     "version($self, /)\n--\n\nThe version of every server, by its address; None of one that could not be asked."},
    {"close", client_close, METH_NOARGS,
     "close($self, /)\n--\n\nCloses the connections. The next call opens new ones."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_init, client_init},       {Py_tp_dealloc, client_dealloc}, {Py_tp_traverse, client_traverse},
    {Py_tp_clear, client_clear},     {Py_tp_methods, methods},        {Py_tp_new, PyType_GenericNew},
    {Py_tp_doc, "A client, without its defaults."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "libmemcache._native.Client",
    .basicsize = sizeof(Client),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

static int fill(PyObject *module) {
    PyObject *type = PyType_FromSpec(&spec);
    int failed = type == NULL || PyModule_AddObject(module, "Client", type) < 0;
    if (failed)
        Py_XDECREF(type);
    return failed || PyModule_AddStringConstant(module, "INTERFACE", mc_version()) < 0 ? -1 : 0;
}

/* Nothing is kept outside of objects, so each interpreter of a process may have its own. */
static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, fill}, {0, NULL}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "libmemcache._native",
    .m_doc = "The part of libmemcache that is in C.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__native(void) {
    return PyModuleDef_Init(&module);
}
