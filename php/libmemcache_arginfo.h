/* What PHP is told of the methods: interface.php, for the engine. */

#define TEXT(name) ZEND_ARG_TYPE_INFO(0, name, IS_STRING, 0)
#define LIST(name) ZEND_ARG_TYPE_INFO(0, name, IS_ARRAY, 0)
#define ANY(name) ZEND_ARG_TYPE_INFO(0, name, IS_MIXED, 0)
#define NUMBER(name, preset) ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, name, IS_LONG, 0, preset)

ZEND_BEGIN_ARG_INFO_EX(arginfo_construct, 0, 0, 0)
	ZEND_ARG_TYPE_MASK(0, pool, MAY_BE_STRING|MAY_BE_ARRAY, "[]")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, options, IS_ARRAY, 0, "[]")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_add_server, 0, 1, _IS_BOOL, 0)
	TEXT(host)
	NUMBER(port, "11211")
	NUMBER(weight, "0")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_add_servers, 0, 1, _IS_BOOL, 0)
	LIST(servers)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_to_array, 0, 0, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_MASK_EX(arginfo_to_array_or_false, 0, 0, MAY_BE_ARRAY|MAY_BE_FALSE)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_set_option, 0, 2, _IS_BOOL, 0)
	TEXT(name)
	ANY(value)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_get_option, 0, 1, IS_MIXED, 0)
	TEXT(name)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_get, 0, 1, IS_MIXED, 0)
	TEXT(key)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, cache_cb, IS_CALLABLE, 1, "null")
	NUMBER(get_flags, "0")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_MASK_EX(arginfo_get_multi, 0, 1, MAY_BE_ARRAY|MAY_BE_FALSE)
	LIST(keys)
	NUMBER(get_flags, "0")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_get_and_touch, 0, 1, IS_MIXED, 0)
	TEXT(key)
	NUMBER(expiration, "0")
	NUMBER(get_flags, "0")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_set, 0, 2, _IS_BOOL, 0)
	TEXT(key)
	ANY(value)
	NUMBER(expiration, "0")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_set_multi, 0, 1, _IS_BOOL, 0)
	LIST(items)
	NUMBER(expiration, "0")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_append, 0, 2, _IS_BOOL, 0)
	TEXT(key)
	TEXT(value)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cas, 0, 3, _IS_BOOL, 0)
	ZEND_ARG_TYPE_MASK(0, cas_token, MAY_BE_STRING|MAY_BE_LONG|MAY_BE_DOUBLE, NULL)
	TEXT(key)
	ANY(value)
	NUMBER(expiration, "0")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_touch, 0, 1, _IS_BOOL, 0)
	TEXT(key)
	NUMBER(expiration, "0")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_delete, 0, 1, _IS_BOOL, 0)
	TEXT(key)
	NUMBER(time, "0")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_delete_multi, 0, 1, IS_ARRAY, 0)
	LIST(keys)
	NUMBER(time, "0")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_MASK_EX(arginfo_count, 0, 1, MAY_BE_LONG|MAY_BE_FALSE)
	TEXT(key)
	NUMBER(offset, "1")
	NUMBER(initial_value, "0")
	NUMBER(expiry, "0")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_flush, 0, 0, _IS_BOOL, 0)
	NUMBER(delay, "0")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_MASK_EX(arginfo_where, 0, 1, MAY_BE_ARRAY|MAY_BE_FALSE)
	TEXT(key)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_to_int, 0, 0, IS_LONG, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_to_text, 0, 0, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_to_bool, 0, 0, _IS_BOOL, 0)
ZEND_END_ARG_INFO()

/* The methods: their PHP name and what they take. */
#define LMC_METHODS(M) \
	M(__construct, arginfo_construct) \
	M(addServer, arginfo_add_server) \
	M(addServers, arginfo_add_servers) \
	M(getServerList, arginfo_to_array) \
	M(setOption, arginfo_set_option) \
	M(getOption, arginfo_get_option) \
	M(get, arginfo_get) \
	M(getMulti, arginfo_get_multi) \
	M(getAndTouch, arginfo_get_and_touch) \
	M(set, arginfo_set) \
	M(setMulti, arginfo_set_multi) \
	M(add, arginfo_set) \
	M(replace, arginfo_set) \
	M(append, arginfo_append) \
	M(prepend, arginfo_append) \
	M(cas, arginfo_cas) \
	M(touch, arginfo_touch) \
	M(delete, arginfo_delete) \
	M(deleteMulti, arginfo_delete_multi) \
	M(increment, arginfo_count) \
	M(decrement, arginfo_count) \
	M(flush, arginfo_flush) \
	M(getStats, arginfo_to_array_or_false) \
	M(getVersion, arginfo_to_array_or_false) \
	M(where, arginfo_where) \
	M(getReason, arginfo_to_int) \
	M(getReasonName, arginfo_to_text) \
	M(getReasonMessage, arginfo_to_text) \
	M(getReasons, arginfo_to_array) \
	M(isUnknown, arginfo_to_bool) \
	M(getResultCode, arginfo_to_int) \
	M(getResultMessage, arginfo_to_text)

#define DECLARED(name, takes) ZEND_METHOD(Libmemcache_Client, name);
LMC_METHODS(DECLARED)
#define LISTED(name, takes) ZEND_ME(Libmemcache_Client, name, takes, ZEND_ACC_PUBLIC)
static const zend_function_entry client_methods[] = {
	LMC_METHODS(LISTED)
	ZEND_FE_END
};
