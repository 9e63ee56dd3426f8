/*
 One value: get, getAndTouch.

 A value that is not there and one that cannot be asked for are both false, as PHP programs expect, and told
 apart by the reason; or, with the option "throw", by Libmemcache\Unavailable.
*/
#include "php_libmemcache.h"

#include <inttypes.h>

void lmc_extended(zval *into, zval *value, uint64_t cas, uint32_t flags)
{
	array_init_size(into, 3);
	add_assoc_zval(into, "value", value);
	/* As php-memcached: a token that is no PHP integer is a text. */
	if (cas > ZEND_LONG_MAX) {
		add_assoc_str(into, "cas", strpprintf(0, "%" PRIu64, cas));
	} else {
		add_assoc_long(into, "cas", (zend_long)cas);
	}
	/* The upper half is the program's own in php-memcached; the lower one is the value's type. */
	add_assoc_long(into, "flags", flags >> 16);
}

/* A value that was found: reads it, frees it, and hands it out. */
static void hand_out(lmc_client *client, zval *return_value, void *bytes, size_t length, uint32_t flags, uint64_t cas,
	bool extended)
{
	bool read = lmc_decode(return_value, bytes, length, flags);

	lmc_value_free(bytes);
	if (UNEXPECTED(!read)) {
		zval_ptr_dtor(return_value);
		ZVAL_FALSE(return_value);
		lmc_client_refuse(client, MC_REASON_BAD_VALUE, -1001, "the value was written by something this extension cannot read");
	} else if (extended) {
		zval value;

		ZVAL_COPY_VALUE(&value, return_value);
		lmc_extended(return_value, &value, cas, flags);
	}
}

/* Asks the program for a value that is not there: cache_cb($client, $key, &$value[, &$expiration]). True to store it. */
static void ask_program(lmc_client *client, zval *self, zend_string *key, zend_fcall_info *call, zend_fcall_info_cache *cache,
	zval *return_value, bool extended)
{
	zval arguments[4], answer;
	bool store = false;

	ZVAL_COPY(&arguments[0], self);
	ZVAL_STR_COPY(&arguments[1], key);
	ZVAL_NEW_EMPTY_REF(&arguments[2]);
	ZVAL_NULL(Z_REFVAL(arguments[2]));
	ZVAL_NEW_EMPTY_REF(&arguments[3]);
	ZVAL_LONG(Z_REFVAL(arguments[3]), 0);
	ZVAL_UNDEF(&answer);
	call->retval = &answer;
	call->params = arguments;
	call->param_count = 4;
	if (zend_call_function(call, cache) == SUCCESS && !EG(exception)) {
		store = zend_is_true(&answer);
	}
	if (store) {
		zend_long expiration = zval_get_long(Z_REFVAL(arguments[3]));
		zend_string *full = lmc_client_key(client, key), *bytes;
		struct memcache *mc;
		uint32_t flags;

		bytes = lmc_encode(Z_REFVAL(arguments[2]), &flags);
		mc = bytes == NULL ? NULL : lmc_client_begin(client);
		if (mc != NULL) {
			/* What the program made is its answer, whether it could be kept or not; the reason tells. */
			if (lmc_client_end(client, mcm_store(lmc_context(), mc, ZSTR_VAL(full), ZSTR_LEN(full),
					ZSTR_VAL(bytes), ZSTR_LEN(bytes), expiration, flags))) {
				ZVAL_COPY(return_value, Z_REFVAL(arguments[2]));
				if (extended) {
					zval value;

					ZVAL_COPY_VALUE(&value, return_value);
					lmc_extended(return_value, &value, 0, 0);
				}
			}
		}
		if (bytes != NULL) {
			zend_string_release(bytes);
		}
		zend_string_release(full);
	}
	zval_ptr_dtor(&answer);
	for (int i = 0; i < 4; i++) {
		zval_ptr_dtor(&arguments[i]);
	}
}

/* Libmemcache\Client::get */
ZEND_METHOD(Libmemcache_Client, get)
{
	LMC_CLIENT();
	zend_string *key, *full;
	zend_fcall_info call = empty_fcall_info;
	zend_fcall_info_cache cache = empty_fcall_info_cache;
	zend_long get_flags = 0;
	struct memcache *mc;
	void *bytes;
	size_t length;
	uint32_t flags;
	uint64_t cas = 0;
	bool extended;
	int reason;

	ZEND_PARSE_PARAMETERS_START(1, 3)
		Z_PARAM_STR(key)
		Z_PARAM_OPTIONAL
		Z_PARAM_FUNC_OR_NULL(call, cache)
		Z_PARAM_LONG(get_flags)
	ZEND_PARSE_PARAMETERS_END();

	mc = lmc_client_begin(client);
	if (mc == NULL) {
		RETURN_THROWS();
	}
	extended = get_flags & LMC_GET_EXTENDED;
	full = lmc_client_key(client, key);
	reason = mcm_fetch(lmc_context(), mc, ZSTR_VAL(full), ZSTR_LEN(full), &bytes, &length, &flags,
		extended ? &cas : NULL);
	zend_string_release(full);
	RETVAL_FALSE;
	if (!lmc_client_end(client, reason)) {
		RETURN_THROWS();
	}
	if (reason == MC_REASON_HIT) {
		hand_out(client, return_value, bytes, length, flags, cas, extended);
	} else if (reason == MC_REASON_MISS && ZEND_FCI_INITIALIZED(call)) {
		ask_program(client, ZEND_THIS, key, &call, &cache, return_value, extended);
	}
}

/* Libmemcache\Client::getAndTouch */
ZEND_METHOD(Libmemcache_Client, getAndTouch)
{
	LMC_CLIENT();
	zend_string *key, *full;
	zend_long expiration = 0, get_flags = 0;
	struct memcache *mc;
	void *bytes;
	size_t length;
	uint32_t flags;
	int reason;

	ZEND_PARSE_PARAMETERS_START(1, 3)
		Z_PARAM_STR(key)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(expiration)
		Z_PARAM_LONG(get_flags)
	ZEND_PARSE_PARAMETERS_END();

	if (get_flags & LMC_GET_EXTENDED) {
		zend_argument_value_error(3, "cannot have GET_EXTENDED: there is no token to be had with a touch");
		RETURN_THROWS();
	}
	mc = lmc_client_begin(client);
	if (mc == NULL) {
		RETURN_THROWS();
	}
	full = lmc_client_key(client, key);
	reason = mcm_gat(lmc_context(), mc, ZSTR_VAL(full), ZSTR_LEN(full), expiration, &bytes, &length, &flags);
	zend_string_release(full);
	RETVAL_FALSE;
	if (!lmc_client_end(client, reason)) {
		RETURN_THROWS();
	}
	if (reason == MC_REASON_HIT) {
		hand_out(client, return_value, bytes, length, flags, 0, false);
	}
}
