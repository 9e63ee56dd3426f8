/*
 Libmemcache\Client: the object, what it is made from, and how its last call ended.

 An object is a plan (servers and options) and a handle that the process keeps for such a plan. The handle
 is looked for at the first call, so that a client may be given its servers one by one.
*/
#include "php_libmemcache.h"

#include "ext/spl/spl_exceptions.h"
#include "zend_exceptions.h"

#include "libmemcache_arginfo.h"

zend_class_entry *lmc_client_class, *lmc_unavailable_class;

static zend_object_handlers handlers;

static zend_object *create(zend_class_entry *class)
{
	lmc_client *client = zend_object_alloc(sizeof(*client), class);

	memset(client, 0, XtOffsetOf(lmc_client, std));
	lmc_plan_init(&client->plan);
	zend_object_std_init(&client->std, class);
	object_properties_init(&client->std, class);
	client->std.handlers = &handlers;
	return &client->std;
}

static void leave(lmc_client *client)
{
	if (client->pool != NULL) {
		lmc_pool_leave(client->pool);
		client->pool = NULL;
	}
}

static void drop(zend_object *object)
{
	lmc_client *client = lmc_client_of(object);

	leave(client);
	lmc_client_reasons_drop(client);
	lmc_plan_free(&client->plan);
	if (client->prefix != NULL) {
		zend_string_release(client->prefix);
	}
	if (client->message != NULL) {
		zend_string_release(client->message);
	}
	zend_object_std_dtor(object);
}

void lmc_client_register(int module_number)
{
	zend_class_entry class;

	INIT_NS_CLASS_ENTRY(class, "Libmemcache", "Client", client_methods);
	lmc_client_class = zend_register_internal_class(&class);
	lmc_client_class->ce_flags |= ZEND_ACC_NO_DYNAMIC_PROPERTIES | ZEND_ACC_NOT_SERIALIZABLE;
	lmc_client_class->create_object = create;
	memcpy(&handlers, &std_object_handlers, sizeof(handlers));
	handlers.offset = XtOffsetOf(lmc_client, std);
	handlers.free_obj = drop;
	handlers.clone_obj = NULL;
	zend_declare_class_constant_long(lmc_client_class, ZEND_STRL("GET_PRESERVE_ORDER"), LMC_GET_PRESERVE_ORDER);
	zend_declare_class_constant_long(lmc_client_class, ZEND_STRL("GET_EXTENDED"), LMC_GET_EXTENDED);
	lmc_reason_constants(lmc_client_class);

	INIT_NS_CLASS_ENTRY(class, "Libmemcache", "Unavailable", NULL);
	lmc_unavailable_class = zend_register_internal_class_ex(&class, spl_ce_RuntimeException);
}

void lmc_client_reasons_drop(lmc_client *client)
{
	if (client->keys != NULL) {
		for (size_t i = 0; i < client->num_keys; i++) {
			zend_string_release(client->keys[i]);
		}
		efree(client->keys);
		efree(client->reasons);
		client->keys = NULL;
		client->reasons = NULL;
		client->num_keys = 0;
	}
}

/* Whether the client has its handle; else *why is what is wrong with the plan. */
static bool entered(lmc_client *client, zend_string **why)
{
	if (client->pool == NULL) {
		client->pool = lmc_pool_enter(&client->plan, why);
	}
	return client->pool != NULL;
}

struct memcache *lmc_client_begin(lmc_client *client)
{
	zend_string *why;

	lmc_client_reasons_drop(client);
	if (UNEXPECTED(!entered(client, &why))) {
		zend_value_error("%s", ZSTR_VAL(why));
		zend_string_release(why);
		return NULL;
	}
	return client->pool->mc;
}

static void set_message(lmc_client *client, const char *message)
{
	if (client->message != NULL) {
		zend_string_release(client->message);
		client->message = NULL;
	}
	if (message != NULL) {
		client->message = zend_string_init(message, strlen(message), 0);
	}
}

static bool unless_thrown(lmc_client *client)
{
	if (client->throws && lmc_unknown(client->reason)) {
		zend_throw_exception(lmc_unavailable_class, ZSTR_VAL(client->message), client->reason);
		return false;
	}
	return true;
}

bool lmc_client_refuse(lmc_client *client, int reason, int result, const char *message)
{
	client->reason = reason;
	client->result = result;
	set_message(client, message);
	return unless_thrown(client);
}

bool lmc_client_end(lmc_client *client, int reason)
{
	client->reason = reason;
	client->result = lmc_result(reason);
	/* The sentence is the handle's and gone with its next call. What went well needs none. */
	set_message(client, reason < 0 ? mcm_reason_text(lmc_context(), client->pool->mc) : NULL);
	return unless_thrown(client);
}

zend_string *lmc_client_key(const lmc_client *client, zend_string *key)
{
	if (client->prefix == NULL) {
		return zend_string_copy(key);
	}
	return zend_string_concat2(ZSTR_VAL(client->prefix), ZSTR_LEN(client->prefix), ZSTR_VAL(key), ZSTR_LEN(key));
}

/* One of the client's own options, or one that the library has. False: there is an exception. */
static bool choose(lmc_client *client, zend_string *name, zval *value)
{
	zend_string *text;
	zval kept;

	ZVAL_DEREF(value);
	if (zend_string_equals_literal(name, "throw")) {
		client->throws = zend_is_true(value);
		return true;
	}
	if (!zend_string_equals_literal(name, "prefix") && !lmc_plan_option_known(ZSTR_VAL(name), ZSTR_LEN(name))) {
		zend_value_error("there is no option \"%s\"; there are prefix, throw, backups, read_backup, window, max_ttl, "
			"timeout, connect_timeout, tcp_nodelay and busy_poll", ZSTR_VAL(name));
		return false;
	}
	/* A switch is written as one in a pool file. */
	text = Z_TYPE_P(value) == IS_TRUE || Z_TYPE_P(value) == IS_FALSE
		? zend_string_init(Z_TYPE_P(value) == IS_TRUE ? "on" : "off", Z_TYPE_P(value) == IS_TRUE ? 2 : 3, 0)
		: zval_try_get_string(value);
	if (text == NULL) {
		return false;
	}
	if (zend_string_equals_literal(name, "prefix")) {
		if (client->prefix != NULL) {
			zend_string_release(client->prefix);
		}
		client->prefix = ZSTR_LEN(text) == 0 ? NULL : zend_string_copy(text);
		zend_string_release(text);
		return true;
	}
	ZVAL_STR(&kept, text);
	zend_hash_update(&client->plan.options, name, &kept);
	return true;
}

/* False: there is an exception. */
static bool choose_all(lmc_client *client, HashTable *options)
{
	zend_string *name;
	zval *value;

	ZEND_HASH_FOREACH_STR_KEY_VAL(options, name, value) {
		if (name == NULL) {
			zend_value_error("an option has a number for its name");
			return false;
		}
		if (!choose(client, name, value)) {
			return false;
		}
	} ZEND_HASH_FOREACH_END();
	return true;
}

/* Libmemcache\Client::__construct */
ZEND_METHOD(Libmemcache_Client, __construct)
{
	LMC_CLIENT();
	zend_string *text = NULL, *why;
	HashTable *servers = NULL, *options = NULL;
	zval *server;

	ZEND_PARSE_PARAMETERS_START(0, 2)
		Z_PARAM_OPTIONAL
		Z_PARAM_ARRAY_HT_OR_STR(servers, text)
		Z_PARAM_ARRAY_HT(options)
	ZEND_PARSE_PARAMETERS_END();

	leave(client);
	lmc_plan_free(&client->plan);
	lmc_plan_init(&client->plan);
	if (text != NULL) {
		if (strlen(ZSTR_VAL(text)) != ZSTR_LEN(text)) {
			zend_argument_value_error(1, "must not have a NUL in it");
			RETURN_THROWS();
		}
		lmc_plan_text(&client->plan, ZSTR_VAL(text), ZSTR_LEN(text));
	} else if (servers != NULL) {
		ZEND_HASH_FOREACH_VAL(servers, server) {
			ZVAL_DEREF(server);
			if (Z_TYPE_P(server) != IS_STRING) {
				zend_argument_value_error(1, "must be a list of texts such as \"host:port\"");
				RETURN_THROWS();
			}
			Z_TRY_ADDREF_P(server);
			zend_hash_next_index_insert(&client->plan.servers, server);
		} ZEND_HASH_FOREACH_END();
	}
	if (options != NULL && !choose_all(client, options)) {
		RETURN_THROWS();
	}
	/* What is wrong with it is said here and not at some later call; no server is asked. */
	if (!entered(client, &why)) {
		zend_value_error("%s", ZSTR_VAL(why));
		zend_string_release(why);
		RETURN_THROWS();
	}
}

/* A change of the plan, tried at once. Falls back to the plan as it was and throws when it cannot be. */
static bool planned(lmc_client *client)
{
	zend_string *why;

	leave(client);
	if (entered(client, &why)) {
		client->reason = MC_REASON_DONE;
		client->result = 0;
		set_message(client, NULL);
		return true;
	}
	client->reason = MC_REASON_BAD_OPTION;
	client->result = lmc_result(MC_REASON_BAD_OPTION);
	set_message(client, ZSTR_VAL(why));
	zend_string_release(why);
	return false;
}

static bool add_server(lmc_client *client, zend_string *host, zend_long port, zend_long weight)
{
	HashTable *servers = &client->plan.servers;
	uint32_t before = zend_hash_num_elements(servers);
	bool bare_v6 = memchr(ZSTR_VAL(host), ':', ZSTR_LEN(host)) != NULL && ZSTR_VAL(host)[0] != '['
		&& strncmp(ZSTR_VAL(host), "unix:", 5) != 0;
	zend_string *text = ZSTR_VAL(host)[0] == '/' || strncmp(ZSTR_VAL(host), "unix:", 5) == 0
		? zend_string_copy(host)
		: strpprintf(0, bare_v6 ? "[%s]:" ZEND_LONG_FMT : "%s:" ZEND_LONG_FMT, ZSTR_VAL(host), port);
	zval server;

	ZVAL_STR(&server, text);
	/* The old interface's way of a weight, and the library's: so many times in the list. */
	for (zend_long i = 0; i < MAX(weight, 1); i++) {
		Z_TRY_ADDREF(server);
		zend_hash_next_index_insert(servers, &server);
	}
	zval_ptr_dtor(&server);
	if (planned(client)) {
		return true;
	}
	while (zend_hash_num_elements(servers) > before) {
		zend_hash_index_del(servers, zend_hash_num_elements(servers) - 1);
	}
	servers->nNextFreeElement = before;
	return false;
}

/* Libmemcache\Client::addServer */
ZEND_METHOD(Libmemcache_Client, addServer)
{
	LMC_CLIENT();
	zend_string *host;
	zend_long port = 11211, weight = 0;

	ZEND_PARSE_PARAMETERS_START(1, 3)
		Z_PARAM_PATH_STR(host)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(port)
		Z_PARAM_LONG(weight)
	ZEND_PARSE_PARAMETERS_END();

	if (weight < 0 || weight > 1000) {
		zend_argument_value_error(3, "must be between 0 and 1000");
		RETURN_THROWS();
	}
	RETURN_BOOL(add_server(client, host, port, weight));
}

/* Libmemcache\Client::addServers */
ZEND_METHOD(Libmemcache_Client, addServers)
{
	LMC_CLIENT();
	HashTable *servers;
	zval *server;
	bool all = true;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_ARRAY_HT(servers)
	ZEND_PARSE_PARAMETERS_END();

	ZEND_HASH_FOREACH_VAL(servers, server) {
		zval *host, *port, *weight;

		ZVAL_DEREF(server);
		host = Z_TYPE_P(server) == IS_ARRAY ? zend_hash_index_find_deref(Z_ARRVAL_P(server), 0) : NULL;
		if (host == NULL || Z_TYPE_P(host) != IS_STRING) {
			zend_argument_value_error(1, "must be a list of arrays of host, port and weight");
			RETURN_THROWS();
		}
		port = zend_hash_index_find_deref(Z_ARRVAL_P(server), 1);
		weight = zend_hash_index_find_deref(Z_ARRVAL_P(server), 2);
		all = add_server(client, Z_STR_P(host), port == NULL ? 11211 : zval_get_long(port),
			weight == NULL ? 0 : MIN(zval_get_long(weight), 1000)) && all;
	} ZEND_HASH_FOREACH_END();
	RETURN_BOOL(all);
}

/* Libmemcache\Client::setOption */
ZEND_METHOD(Libmemcache_Client, setOption)
{
	LMC_CLIENT();
	zend_string *name;
	zval *value, *old, before;

	ZEND_PARSE_PARAMETERS_START(2, 2)
		Z_PARAM_STR(name)
		Z_PARAM_ZVAL(value)
	ZEND_PARSE_PARAMETERS_END();

	old = zend_hash_find(&client->plan.options, name);
	ZVAL_UNDEF(&before);
	if (old != NULL) {
		ZVAL_COPY(&before, old);
	}
	if (choose(client, name, value) && !planned(client)) {
		if (Z_ISUNDEF(before)) {
			zend_hash_del(&client->plan.options, name);
		} else {
			Z_TRY_ADDREF(before);
			zend_hash_update(&client->plan.options, name, &before);
		}
		RETVAL_FALSE;
	} else {
		RETVAL_BOOL(!EG(exception));
	}
	zval_ptr_dtor(&before);
}

/* Libmemcache\Client::getOption */
ZEND_METHOD(Libmemcache_Client, getOption)
{
	LMC_CLIENT();
	zend_string *name;
	struct memcache *mc;
	char value[64];

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_STR(name)
	ZEND_PARSE_PARAMETERS_END();

	if (zend_string_equals_literal(name, "throw")) {
		RETURN_BOOL(client->throws);
	}
	if (zend_string_equals_literal(name, "prefix")) {
		if (client->prefix == NULL) {
			RETURN_EMPTY_STRING();
		}
		RETURN_STR_COPY(client->prefix);
	}
	mc = lmc_client_begin(client);
	if (mc == NULL) {
		RETURN_THROWS();
	}
	if (mcm_option_get(lmc_context(), mc, ZSTR_VAL(name), value, sizeof(value)) < 0) {
		RETURN_FALSE;
	}
	RETURN_STRING(value);
}

/* Libmemcache\Client::getReason */
ZEND_METHOD(Libmemcache_Client, getReason)
{
	LMC_CLIENT();
	ZEND_PARSE_PARAMETERS_NONE();
	RETURN_LONG(client->reason);
}

/* Libmemcache\Client::getReasonName */
ZEND_METHOD(Libmemcache_Client, getReasonName)
{
	LMC_CLIENT();
	ZEND_PARSE_PARAMETERS_NONE();
	RETURN_STRING(mc_reason_name(client->reason));
}

/* Libmemcache\Client::getReasonMessage */
ZEND_METHOD(Libmemcache_Client, getReasonMessage)
{
	LMC_CLIENT();
	ZEND_PARSE_PARAMETERS_NONE();
	if (client->message == NULL) {
		RETURN_STRING(mc_reason_name(client->reason));
	}
	RETURN_STR_COPY(client->message);
}

/* Libmemcache\Client::getReasons */
ZEND_METHOD(Libmemcache_Client, getReasons)
{
	LMC_CLIENT();
	ZEND_PARSE_PARAMETERS_NONE();
	if (client->keys == NULL) {
		RETURN_EMPTY_ARRAY();
	}
	array_init_size(return_value, client->num_keys);
	for (size_t i = 0; i < client->num_keys; i++) {
		zval reason;

		ZVAL_LONG(&reason, client->reasons[i]);
		zend_symtable_update(Z_ARRVAL_P(return_value), client->keys[i], &reason);
	}
}

/* Libmemcache\Client::isUnknown */
ZEND_METHOD(Libmemcache_Client, isUnknown)
{
	LMC_CLIENT();
	ZEND_PARSE_PARAMETERS_NONE();
	RETURN_BOOL(lmc_unknown(client->reason));
}

/* Libmemcache\Client::getResultCode */
ZEND_METHOD(Libmemcache_Client, getResultCode)
{
	LMC_CLIENT();
	ZEND_PARSE_PARAMETERS_NONE();
	RETURN_LONG(client->result);
}

/* Libmemcache\Client::getResultMessage */
ZEND_METHOD(Libmemcache_Client, getResultMessage)
{
	LMC_CLIENT();
	ZEND_PARSE_PARAMETERS_NONE();
	RETURN_STRING(lmc_result_text(client->result));
}
