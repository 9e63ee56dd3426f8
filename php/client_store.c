/*
 What changes one value: set, add, replace, append, prepend, cas, touch, delete.
*/
#include "php_libmemcache.h"

typedef int (*store_call)(const struct memcache_ctxt *, struct memcache *, const char *, size_t, const void *, size_t,
	time_t, u_int32_t);
typedef int (*join_call)(const struct memcache_ctxt *, struct memcache *, const char *, size_t, const void *, size_t);

/* Stores what was asked for: by `call`, or where there is none, by mcm_cas under the token. */
static void put(lmc_client *client, zval *return_value, zend_string *key, zval *value, zend_long expiration,
	store_call call, uint64_t token)
{
	zend_string *full, *bytes;
	struct memcache *mc;
	uint32_t flags;
	int reason;

	/* Before the handle: a __serialize of the program's may use this client too. */
	bytes = lmc_encode(value, &flags);
	if (bytes == NULL) {
		RETURN_THROWS();
	}
	mc = lmc_client_begin(client);
	if (mc == NULL) {
		zend_string_release(bytes);
		RETURN_THROWS();
	}
	full = lmc_client_key(client, key);
	if (call != NULL) {
		reason = call(lmc_context(), mc, ZSTR_VAL(full), ZSTR_LEN(full), ZSTR_VAL(bytes), ZSTR_LEN(bytes), expiration,
			flags);
	} else {
		reason = mcm_cas(lmc_context(), mc, ZSTR_VAL(full), ZSTR_LEN(full), ZSTR_VAL(bytes), ZSTR_LEN(bytes), expiration,
			flags, token);
	}
	zend_string_release(full);
	zend_string_release(bytes);
	lmc_client_end(client, reason);
	RETURN_BOOL(reason == MC_REASON_STORED);
}

static void store(INTERNAL_FUNCTION_PARAMETERS, store_call call)
{
	LMC_CLIENT();
	zend_string *key;
	zval *value;
	zend_long expiration = 0;

	ZEND_PARSE_PARAMETERS_START(2, 3)
		Z_PARAM_STR(key)
		Z_PARAM_ZVAL(value)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(expiration)
	ZEND_PARSE_PARAMETERS_END();

	put(client, return_value, key, value, expiration, call, 0);
}

/* Libmemcache\Client::set */
ZEND_METHOD(Libmemcache_Client, set)
{
	store(INTERNAL_FUNCTION_PARAM_PASSTHRU, mcm_store);
}

/* Libmemcache\Client::add */
ZEND_METHOD(Libmemcache_Client, add)
{
	store(INTERNAL_FUNCTION_PARAM_PASSTHRU, mcm_store_add);
}

/* Libmemcache\Client::replace */
ZEND_METHOD(Libmemcache_Client, replace)
{
	store(INTERNAL_FUNCTION_PARAM_PASSTHRU, mcm_store_replace);
}

static void join(INTERNAL_FUNCTION_PARAMETERS, join_call call)
{
	LMC_CLIENT();
	zend_string *key, *value, *full;
	struct memcache *mc;
	int reason;

	ZEND_PARSE_PARAMETERS_START(2, 2)
		Z_PARAM_STR(key)
		Z_PARAM_STR(value)
	ZEND_PARSE_PARAMETERS_END();

	mc = lmc_client_begin(client);
	if (mc == NULL) {
		RETURN_THROWS();
	}
	full = lmc_client_key(client, key);
	reason = call(lmc_context(), mc, ZSTR_VAL(full), ZSTR_LEN(full), ZSTR_VAL(value), ZSTR_LEN(value));
	zend_string_release(full);
	lmc_client_end(client, reason);
	RETURN_BOOL(reason == MC_REASON_STORED);
}

/* Libmemcache\Client::append */
ZEND_METHOD(Libmemcache_Client, append)
{
	join(INTERNAL_FUNCTION_PARAM_PASSTHRU, mcm_append);
}

/* Libmemcache\Client::prepend */
ZEND_METHOD(Libmemcache_Client, prepend)
{
	join(INTERNAL_FUNCTION_PARAM_PASSTHRU, mcm_prepend);
}

/* A token as get with GET_EXTENDED gives it. False: it is none. */
static bool token_of(zval *value, uint64_t *token)
{
	char *end;

	switch (Z_TYPE_P(value)) {
	case IS_LONG:
		*token = (uint64_t)Z_LVAL_P(value);
		return true;
	case IS_DOUBLE:
		*token = (uint64_t)Z_DVAL_P(value);
		return Z_DVAL_P(value) >= 0 && Z_DVAL_P(value) < 18446744073709551616.0;
	default:
		*token = strtoull(Z_STRVAL_P(value), &end, 10);
		return Z_STRLEN_P(value) > 0 && *end == '\0' && Z_STRVAL_P(value)[0] != '-';
	}
}

/* Libmemcache\Client::cas */
ZEND_METHOD(Libmemcache_Client, cas)
{
	LMC_CLIENT();
	zend_string *key;
	zval *token, *value;
	zend_long expiration = 0;
	uint64_t cas;

	ZEND_PARSE_PARAMETERS_START(3, 4)
		Z_PARAM_ZVAL(token)
		Z_PARAM_STR(key)
		Z_PARAM_ZVAL(value)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(expiration)
	ZEND_PARSE_PARAMETERS_END();

	if ((Z_TYPE_P(token) != IS_STRING && Z_TYPE_P(token) != IS_LONG && Z_TYPE_P(token) != IS_DOUBLE)
		|| !token_of(token, &cas)) {
		zend_argument_value_error(1, "must be a token that get() gave with GET_EXTENDED");
		RETURN_THROWS();
	}
	put(client, return_value, key, value, expiration, NULL, cas);
}

/* Libmemcache\Client::touch */
ZEND_METHOD(Libmemcache_Client, touch)
{
	LMC_CLIENT();
	zend_string *key, *full;
	zend_long expiration = 0;
	struct memcache *mc;
	int reason;

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_STR(key)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(expiration)
	ZEND_PARSE_PARAMETERS_END();

	mc = lmc_client_begin(client);
	if (mc == NULL) {
		RETURN_THROWS();
	}
	full = lmc_client_key(client, key);
	reason = mcm_touch(lmc_context(), mc, ZSTR_VAL(full), ZSTR_LEN(full), expiration);
	zend_string_release(full);
	lmc_client_end(client, reason);
	RETURN_BOOL(reason == MC_REASON_TOUCHED);
}

/* Libmemcache\Client::delete */
ZEND_METHOD(Libmemcache_Client, delete)
{
	LMC_CLIENT();
	zend_string *key, *full;
	zend_long time = 0;
	struct memcache *mc;
	int reason;

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_STR(key)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(time)
	ZEND_PARSE_PARAMETERS_END();

	if (time != 0) {
		zend_argument_value_error(2, "must be 0: servers refuse to hold a key that was deleted");
		RETURN_THROWS();
	}
	mc = lmc_client_begin(client);
	if (mc == NULL) {
		RETURN_THROWS();
	}
	full = lmc_client_key(client, key);
	reason = mcm_remove(lmc_context(), mc, ZSTR_VAL(full), ZSTR_LEN(full));
	zend_string_release(full);
	lmc_client_end(client, reason);
	RETURN_BOOL(reason == MC_REASON_DELETED);
}
