/*
 What is asked of servers and not of keys: getServerList, getStats, getVersion, flush; and where a key lives.
*/
#include "php_libmemcache.h"

static zend_string *address(const struct memcache_server *server)
{
	if (server->port == NULL || server->port[0] == '\0' || strncmp(server->hostname, "unix:", 5) == 0) {
		return zend_string_init(server->hostname, strlen(server->hostname), 0);
	}
	return strpprintf(0, strchr(server->hostname, ':') != NULL ? "[%s]:%s" : "%s:%s", server->hostname, server->port);
}

static zend_string *state(struct memcache *mc, const struct memcache_server *server)
{
	static const char *const names[] = {"steady", "returned", "down", "draining"};
	int number = mcm_server_state(lmc_context(), mc, server);

	if (number < 0 || (size_t)number >= sizeof(names) / sizeof(*names)) {
		return ZSTR_EMPTY_ALLOC();
	}
	return zend_string_init(names[number], strlen(names[number]), 0);
}

/* Libmemcache\Client::getServerList */
ZEND_METHOD(Libmemcache_Client, getServerList)
{
	LMC_CLIENT();
	struct memcache *mc;

	ZEND_PARSE_PARAMETERS_NONE();
	mc = lmc_client_begin(client);
	if (mc == NULL) {
		RETURN_THROWS();
	}
	array_init_size(return_value, mc->num_servers);
	for (uint32_t i = 0; i < mc->num_servers; i++) {
		const struct memcache_server *server = mc->servers[i];
		zval told;

		array_init(&told);
		add_assoc_string(&told, "host", server->hostname);
		add_assoc_long(&told, "port", server->port == NULL ? 0 : ZEND_STRTOL(server->port, NULL, 10));
		add_assoc_str(&told, "state", state(mc, server));
		add_next_index_zval(return_value, &told);
	}
}

static void tell_stats(zval *told, const struct memcache_server_stats *stats)
{
	array_init(told);
	add_assoc_long(told, "pid", stats->pid);
	add_assoc_long(told, "uptime", stats->uptime);
	add_assoc_long(told, "time", stats->time);
	add_assoc_string(told, "version", stats->version == NULL ? "" : stats->version);
	add_assoc_double(told, "rusage_user", stats->rusage_user.tv_sec + stats->rusage_user.tv_usec / 1e6);
	add_assoc_double(told, "rusage_system", stats->rusage_system.tv_sec + stats->rusage_system.tv_usec / 1e6);
#define NUMBER(name) add_assoc_long(told, #name, (zend_long)stats->name)
	NUMBER(curr_items);
	NUMBER(total_items);
	NUMBER(bytes);
	NUMBER(curr_connections);
	NUMBER(total_connections);
	NUMBER(connection_structures);
	NUMBER(cmd_get);
	NUMBER(cmd_set);
	NUMBER(get_hits);
	NUMBER(get_misses);
	NUMBER(bytes_read);
	NUMBER(bytes_written);
	NUMBER(limit_maxbytes);
#undef NUMBER
}

/* Asks every server. One that does not answer is false in the list; none of them: the whole is false. */
static void each_server(INTERNAL_FUNCTION_PARAMETERS, bool version_only)
{
	LMC_CLIENT();
	struct memcache *mc;
	uint32_t answered = 0;
	int failed = MC_REASON_NO_SERVERS;

	ZEND_PARSE_PARAMETERS_NONE();
	mc = lmc_client_begin(client);
	if (mc == NULL) {
		RETURN_THROWS();
	}
	array_init_size(return_value, mc->num_servers);
	for (uint32_t i = 0; i < mc->num_servers; i++) {
		struct memcache_server *server = mc->servers[i];
		struct memcache_server_stats *stats = mcm_server_stats(lmc_context(), mc, server);
		zend_string *name = address(server);
		zval told;

		ZVAL_FALSE(&told);
		if (stats == NULL) {
			failed = mcm_reason(lmc_context(), mc);
		} else if (version_only) {
			ZVAL_STRING(&told, stats->version == NULL ? "" : stats->version);
		} else {
			tell_stats(&told, stats);
		}
		answered += stats != NULL;
		mcm_server_stats_free(lmc_context(), stats);
		zend_hash_update(Z_ARRVAL_P(return_value), name, &told);
		zend_string_release(name);
	}
	if (answered > 0 && answered == mc->num_servers) {
		lmc_client_end(client, MC_REASON_DONE);
		return;
	}
	if (lmc_client_refuse(client, failed, answered > 0 ? 19 : lmc_result(failed),
			answered > 0 ? "not every server answered" : "no server answered") && answered > 0) {
		return;
	}
	zval_ptr_dtor(return_value);
	RETVAL_FALSE;
}

/* Libmemcache\Client::getStats */
ZEND_METHOD(Libmemcache_Client, getStats)
{
	each_server(INTERNAL_FUNCTION_PARAM_PASSTHRU, false);
}

/* Libmemcache\Client::getVersion */
ZEND_METHOD(Libmemcache_Client, getVersion)
{
	each_server(INTERNAL_FUNCTION_PARAM_PASSTHRU, true);
}

/* Libmemcache\Client::flush */
ZEND_METHOD(Libmemcache_Client, flush)
{
	LMC_CLIENT();
	zend_long delay = 0;
	struct memcache *mc;
	int reason;

	ZEND_PARSE_PARAMETERS_START(0, 1)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(delay)
	ZEND_PARSE_PARAMETERS_END();

	if (delay != 0) {
		zend_argument_value_error(1, "must be 0: a flush to come cannot be kept for a server that is down");
		RETURN_THROWS();
	}
	mc = lmc_client_begin(client);
	if (mc == NULL) {
		RETURN_THROWS();
	}
	mcm_flush_all(lmc_context(), mc);
	reason = mcm_reason(lmc_context(), mc);
	lmc_client_end(client, reason);
	RETURN_BOOL(reason >= 0);
}

/* Libmemcache\Client::where */
ZEND_METHOD(Libmemcache_Client, where)
{
	LMC_CLIENT();
	zend_string *key, *full;
	struct memcache *mc;
	struct mc_where where;
	int reason;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_STR(key)
	ZEND_PARSE_PARAMETERS_END();

	mc = lmc_client_begin(client);
	if (mc == NULL) {
		RETURN_THROWS();
	}
	full = lmc_client_key(client, key);
	reason = mcm_where(lmc_context(), mc, ZSTR_VAL(full), ZSTR_LEN(full), &where);
	zend_string_release(full);
	if (!lmc_client_end(client, reason)) {
		RETURN_THROWS();
	}
	if (where.home == NULL) {
		RETURN_FALSE;
	}
	array_init(return_value);
#define SERVER(name) \
	if (where.name == NULL) { \
		add_assoc_null(return_value, #name); \
	} else { \
		add_assoc_str(return_value, #name, address(where.name)); \
	}
	SERVER(home)
	SERVER(acting)
	SERVER(mirror)
	SERVER(backup)
#undef SERVER
	add_assoc_string(return_value, "why", where.why);
}
