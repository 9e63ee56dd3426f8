/* The handles of a client, and the exceptions that their failures become. */

#include "native.h"

/* As many reasons below 0 as there are; errors.py has their exceptions in this order. */
enum { FAILURES = -MC_REASON_INTERNAL };

void *raise_text(Client *self, int reason, const char *text) {
    int index = reason < 0 && -reason <= FAILURES ? -reason - 1 : FAILURES - 1;
    PyObject *error = PyTuple_GetItem(self->errors, index);
    /* A server's own words need not be UTF-8. */
    PyObject *message = error == NULL ? NULL : PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    if (message != NULL)
        PyErr_SetObject(error, message);
    Py_XDECREF(message);
    return NULL;
}

/* What the old interface tells its error handler comes as an exception here. */
static int32_t say_nothing(MCM_ERR_FUNC_ARGS) {
    (void)mcm_callback_ctxt;
    (void)mcm_callback_ptr;
    return 0;
}

static void end_handle(struct handle *handle) {
    if (handle->mc != NULL)
        mcm_free(handle->ctxt, handle->mc);
    if (handle->ctxt != NULL)
        mcMemFreeCtxt(handle->ctxt);
    free(handle);
}

static int set_up(Client *self, struct handle *handle) {
    char problems[4096] = "no memory";
    if (self->pool != Py_None) {
        const char *path = PyUnicode_AsUTF8AndSize(self->pool, NULL);
        if (path == NULL)
            return -1;
        Py_BEGIN_ALLOW_THREADS
        handle->mc = mcm_open(handle->ctxt, path, problems, sizeof problems);
        Py_END_ALLOW_THREADS
        if (handle->mc == NULL) {
            raise_text(self, MC_REASON_BAD_FILE, problems);
            return -1;
        }
    } else if ((handle->mc = mcm_new(handle->ctxt)) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    Py_ssize_t servers = PyTuple_Size(self->servers), options = PyTuple_Size(self->options);
    for (Py_ssize_t at = 0; at < servers; at++) {
        const char *address = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(self->servers, at), NULL);
        int failed;
        if (address == NULL)
            return -1;
        Py_BEGIN_ALLOW_THREADS /* it may ask a name server */
        failed = mcm_server_add4(handle->ctxt, handle->mc, address);
        Py_END_ALLOW_THREADS
        if (failed) {
            snprintf(problems, sizeof problems, "the server \"%s\" cannot be used: no such host or address", address);
            raise_text(self, MC_REASON_NO_SERVERS, problems);
            return -1;
        }
    }
    for (Py_ssize_t at = 0; at < options; at++) {
        const char *name, *value;
        if (!PyArg_ParseTuple(PyTuple_GetItem(self->options, at), "ss", &name, &value))
            return -1;
        int reason = mcm_option_set(handle->ctxt, handle->mc, name, value);
        if (reason < 0) {
            raise_text(self, reason, mcm_reason_text(handle->ctxt, handle->mc));
            return -1;
        }
    }
    return 0;
}

struct handle *take(Client *self) {
    struct handle *handle = self->idle;
    if (handle != NULL) {
        self->idle = handle->next;
        return handle;
    }
    if (self->errors == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the client was not initialised");
        return NULL;
    }
    handle = calloc(1, sizeof *handle);
    if (handle != NULL)
        handle->ctxt = mcMemNewCtxt(free, malloc, NULL, realloc);
    if (handle == NULL || handle->ctxt == NULL) {
        free(handle);
        PyErr_NoMemory();
        return NULL;
    }
    handle->ctxt->mcErr = say_nothing;
    handle->closings = self->closings;
    if (set_up(self, handle) < 0) {
        end_handle(handle);
        return NULL;
    }
    return handle;
}

void give_back(Client *self, struct handle *handle) {
    if (handle->closings != self->closings) { /* closed while this call was under way */
        end_handle(handle);
        return;
    }
    handle->next = self->idle;
    self->idle = handle;
}

void *failed(Client *self, struct handle *handle, int reason) {
    raise_text(self, reason, mcm_reason_text(handle->ctxt, handle->mc));
    give_back(self, handle);
    return NULL;
}

/* Of the calls that are under way each ends its own handle. */
void end_idle(Client *self) {
    struct handle *handle = self->idle;
    self->idle = NULL;
    self->closings++;
    while (handle != NULL) {
        struct handle *next = handle->next;
        end_handle(handle);
        handle = next;
    }
}
