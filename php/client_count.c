/*
 Counters: increment, decrement. What is counted is what set stores for an integer.

 With an initial value a counter that is not there is made. That is an add, and whoever lost against another
 process's add counts what that one made. Nothing is counted again after an answer that is not known.
*/
#include "php_libmemcache.h"

typedef int (*count_call)(const struct memcache_ctxt *, struct memcache *, const char *, size_t, u_int64_t, u_int64_t *);

/* How often a counter may come and go between an add and a count, before that is the answer. */
#define ROUNDS 8

static int count_or_make(struct memcache *mc, zend_string *key, count_call call, uint64_t offset, zend_long initial,
	zend_long expiry, uint64_t *number)
{
	zend_string *text = zend_long_to_str(initial);
	int reason = MC_REASON_NOT_FOUND;

	for (int round = 0; round < ROUNDS; round++) {
		reason = call(lmc_context(), mc, ZSTR_VAL(key), ZSTR_LEN(key), offset, number);
		if (reason != MC_REASON_NOT_FOUND) {
			break;
		}
		/* 1: the flags of an integer; see value.c. */
		reason = mcm_store_add(lmc_context(), mc, ZSTR_VAL(key), ZSTR_LEN(key), ZSTR_VAL(text), ZSTR_LEN(text), expiry, 1);
		if (reason == MC_REASON_STORED) {
			*number = initial;
			reason = MC_REASON_NUMBER;
			break;
		}
		if (reason != MC_REASON_NOT_STORED) {
			break;
		}
	}
	zend_string_release(text);
	return reason;
}

static void count(INTERNAL_FUNCTION_PARAMETERS, count_call up, count_call down)
{
	LMC_CLIENT();
	zend_string *key, *full;
	zend_long offset = 1, initial = 0, expiry = 0;
	struct memcache *mc;
	uint64_t number = 0, delta;
	count_call call;
	int reason;

	ZEND_PARSE_PARAMETERS_START(1, 4)
		Z_PARAM_STR(key)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(offset)
		Z_PARAM_LONG(initial)
		Z_PARAM_LONG(expiry)
	ZEND_PARSE_PARAMETERS_END();

	if (initial < 0) {
		zend_argument_value_error(3, "must be 0 or more: servers count no negative numbers");
		RETURN_THROWS();
	}
	/* A negative offset is the other way; the smallest integer has no positive one. */
	call = offset < 0 ? down : up;
	delta = offset < 0 ? -(uint64_t)offset : (uint64_t)offset;
	mc = lmc_client_begin(client);
	if (mc == NULL) {
		RETURN_THROWS();
	}
	full = lmc_client_key(client, key);
	reason = ZEND_NUM_ARGS() > 2
		? count_or_make(mc, full, call, delta, initial, expiry, &number)
		: call(lmc_context(), mc, ZSTR_VAL(full), ZSTR_LEN(full), delta, &number);
	zend_string_release(full);
	lmc_client_end(client, reason);
	if (reason != MC_REASON_NUMBER) {
		RETURN_FALSE;
	}
	RETURN_LONG((zend_long)number);
}

/* Libmemcache\Client::increment */
ZEND_METHOD(Libmemcache_Client, increment)
{
	count(INTERNAL_FUNCTION_PARAM_PASSTHRU, mcm_incr64, mcm_decr64);
}

/* Libmemcache\Client::decrement */
ZEND_METHOD(Libmemcache_Client, decrement)
{
	count(INTERNAL_FUNCTION_PARAM_PASSTHRU, mcm_decr64, mcm_incr64);
}
