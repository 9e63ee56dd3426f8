/* The calls that are about servers and no key. */

#include "native.h"

PyObject *client_flush_all(PyObject *self, PyObject *unused) {
    (void)unused;
    struct handle *handle = take((Client *)self);
    if (handle == NULL)
        return NULL;
    int flushed;
    Py_BEGIN_ALLOW_THREADS
    flushed = mcm_flush_all(handle->ctxt, handle->mc);
    Py_END_ALLOW_THREADS
    if (flushed != 0)
        return failed((Client *)self, handle, mcm_reason(handle->ctxt, handle->mc));
    give_back((Client *)self, handle);
    Py_RETURN_TRUE;
}

static double seconds(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* The names are memcached's own. */
static PyObject *as_dict(const struct memcache_server_stats *stats) {
#define NUMBER(field) #field, (unsigned long long)stats->field
    return Py_BuildValue("{s:i,s:K,s:K,s:s,s:d,s:d,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K}",
                         "pid", (int)stats->pid, NUMBER(uptime), NUMBER(time), "version", stats->version,
                         "rusage_user", seconds(stats->rusage_user), "rusage_system", seconds(stats->rusage_system),
                         NUMBER(curr_items), NUMBER(total_items), NUMBER(bytes), NUMBER(curr_connections),
                         NUMBER(total_connections), NUMBER(connection_structures), NUMBER(cmd_get), NUMBER(cmd_set),
                         NUMBER(get_hits), NUMBER(get_misses), NUMBER(bytes_read), NUMBER(bytes_written),
                         NUMBER(limit_maxbytes));
#undef NUMBER
}

static PyObject *as_version(const struct memcache_server_stats *stats) {
    return PyUnicode_FromString(stats->version);
}

static PyObject *name_of(const struct memcache_server *server) {
    bool is_path = strncmp(server->hostname, "unix:", 5) == 0 || server->hostname[0] == '/';
    bool is_v6 = strchr(server->hostname, ':') != NULL;
    if (is_path)
        return PyUnicode_FromString(server->hostname);
    return PyUnicode_FromFormat(is_v6 ? "[%s]:%s" : "%s:%s", server->hostname, server->port);
}

/* A dict of what `tell` says of every server; None of one that could not be asked. */
static PyObject *of_servers(Client *self, PyObject *(*tell)(const struct memcache_server_stats *)) {
    struct handle *handle = take(self);
    PyObject *all = handle == NULL ? NULL : PyDict_New();
    for (u_int32_t at = 0; all != NULL && at < handle->mc->num_servers; at++) {
        struct memcache_server *server = handle->mc->servers[at];
        struct memcache_server_stats *stats;
        Py_BEGIN_ALLOW_THREADS
        stats = mcm_server_stats(handle->ctxt, handle->mc, server);
        Py_END_ALLOW_THREADS
        PyObject *name = name_of(server);
        PyObject *told = stats == NULL ? Py_None : tell(stats);
        if (told == Py_None)
            Py_INCREF(told);
        if (name == NULL || told == NULL || PyDict_SetItem(all, name, told) < 0)
            Py_CLEAR(all);
        Py_XDECREF(name);
        Py_XDECREF(told);
        mcm_server_stats_free(handle->ctxt, stats);
    }
    if (handle != NULL)
        give_back(self, handle);
    return all;
}

PyObject *client_stats(PyObject *self, PyObject *unused) {
    (void)unused;
    return of_servers((Client *)self, as_dict);
}

PyObject *client_version(PyObject *self, PyObject *unused) {
    (void)unused;
    return of_servers((Client *)self, as_version);
}
