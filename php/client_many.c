/*
 Many values in one call, from and to all servers at once: getMulti, setMulti, deleteMulti. How it ended for
 each key is what getReasons tells, until the client's next call.
*/
#include "php_libmemcache.h"

/* php-memcached's number for a call that went well for some keys only. */
#define SOME_ERRORS 19

/* The items of a call, and their keys with the prefix. */
typedef struct {
	struct mc_item *items;
	zend_string **keys;   /* as the program has them */
	zend_string **full;
	size_t n;
} batch;

static void batch_begin(batch *many, uint32_t most)
{
	many->items = safe_emalloc(most, sizeof(*many->items), 1);
	many->keys = safe_emalloc(most, sizeof(*many->keys), 1);
	many->full = safe_emalloc(most, sizeof(*many->full), 1);
	many->n = 0;
}

/* Takes the key. */
static struct mc_item *batch_add(batch *many, const lmc_client *client, zend_string *key)
{
	struct mc_item *item = &many->items[many->n];

	memset(item, 0, sizeof(*item));
	many->keys[many->n] = key;
	many->full[many->n] = lmc_client_key(client, key);
	item->key = ZSTR_VAL(many->full[many->n]);
	item->key_len = ZSTR_LEN(many->full[many->n]);
	many->n++;
	return item;
}

/* Gives everything back but the keys and their reasons: those are the client's now, which makes an array of them
   when somebody asks. They are handed over last, because a value's __unserialize may use the client too. */
static void batch_end(batch *many, lmc_client *client)
{
	/* First of all: at memory_limit PHP jumps out of here, and then frees the client as it is. */
	int *reasons = safe_emalloc(many->n, sizeof(*reasons), 1);

	lmc_client_reasons_drop(client);
	client->keys = many->keys;
	client->reasons = reasons;
	client->num_keys = many->n;
	for (size_t i = 0; i < many->n; i++) {
		client->reasons[i] = many->items[i].reason;
		zend_string_release(many->full[i]);
	}
	efree(many->items);
	efree(many->full);
}

static bool batch_keys(batch *many, lmc_client *client, HashTable *keys)
{
	zval *key;

	batch_begin(many, zend_hash_num_elements(keys));
	ZEND_HASH_FOREACH_VAL(keys, key) {
		zend_string *text = zval_try_get_string(key);

		if (text == NULL) {
			batch_end(many, client);
			return false;
		}
		batch_add(many, client, text);
	} ZEND_HASH_FOREACH_END();
	return true;
}

/* Keeps how it ended: the first that nobody knows of, else the first failure, else that all went well. False: there
   is an exception. */
static bool batch_outcome(batch *many, lmc_client *client)
{
	int worst = MC_REASON_DONE;
	size_t which = 0;
	bool well;

	for (size_t i = 0; i < many->n; i++) {
		int reason = many->items[i].reason;

		if (reason < 0 && (worst >= 0 || (lmc_unknown(reason) && !lmc_unknown(worst)))) {
			worst = reason;
			which = i;
		}
	}
	if (worst < 0 && worst != mcm_reason(lmc_context(), client->pool->mc)) {
		/* The handle's sentence is that of the first failure, which is another one. */
		zend_string *sentence = strpprintf(0, "%s, for the key \"%s\" among others", mc_reason_name(worst),
			ZSTR_VAL(many->full[which]));

		well = lmc_client_refuse(client, worst, SOME_ERRORS, ZSTR_VAL(sentence));
		zend_string_release(sentence);
		return well;
	}
	well = lmc_client_end(client, worst);
	if (worst < 0 && well) {
		client->result = SOME_ERRORS;
	}
	return well;
}

/* Libmemcache\Client::getMulti */
ZEND_METHOD(Libmemcache_Client, getMulti)
{
	LMC_CLIENT();
	HashTable *keys;
	zend_long get_flags = 0;
	struct memcache *mc;
	batch many;
	size_t failed = 0, unread = 0;

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_ARRAY_HT(keys)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(get_flags)
	ZEND_PARSE_PARAMETERS_END();

	if (!batch_keys(&many, client, keys)) {
		RETURN_THROWS();
	}
	mc = lmc_client_begin(client);
	if (mc == NULL) {
		batch_end(&many, client);
		RETURN_THROWS();
	}
	if (get_flags & LMC_GET_EXTENDED) {
		mcm_fetch_many(lmc_context(), mc, many.items, many.n);
	} else {
		mcm_fetch_values(lmc_context(), mc, many.items, many.n);
	}
	if (!batch_outcome(&many, client)) {
		for (size_t i = 0; i < many.n; i++) {
			lmc_value_free(many.items[i].value);
		}
		batch_end(&many, client);
		RETURN_THROWS();
	}
	array_init_size(return_value, many.n);
	for (size_t i = 0; i < many.n; i++) {
		struct mc_item *item = &many.items[i];
		zval value;

		if (item->reason == MC_REASON_HIT) {
			bool read = lmc_decode(&value, item->value, item->bytes, item->flags);

			lmc_value_free(item->value);
			if (UNEXPECTED(!read)) {
				zval_ptr_dtor(&value);
				unread++;
				if (get_flags & LMC_GET_PRESERVE_ORDER) {
					ZVAL_NULL(&value);
					zend_symtable_update(Z_ARRVAL_P(return_value), many.keys[i], &value);
				}
				continue;
			}
			if (get_flags & LMC_GET_EXTENDED) {
				zval whole;

				lmc_extended(&whole, &value, item->cas, item->flags);
				ZVAL_COPY_VALUE(&value, &whole);
			}
			zend_symtable_update(Z_ARRVAL_P(return_value), many.keys[i], &value);
		} else {
			failed += item->reason < 0;
			if (get_flags & LMC_GET_PRESERVE_ORDER) {
				ZVAL_NULL(&value);
				zend_symtable_update(Z_ARRVAL_P(return_value), many.keys[i], &value);
			}
		}
	}
	if (unread > 0) {
		lmc_client_refuse(client, MC_REASON_BAD_VALUE, -1001, "values were written by something this extension cannot read");
	}
	/* Some of them is an answer, none at all is not. */
	if (failed == many.n && many.n > 0) {
		zval_ptr_dtor(return_value);
		RETVAL_FALSE;
	}
	batch_end(&many, client);
}

/* Libmemcache\Client::setMulti */
ZEND_METHOD(Libmemcache_Client, setMulti)
{
	LMC_CLIENT();
	HashTable *values;
	zend_string *key, **bytes;
	zend_ulong number;
	zend_long expiration = 0;
	zval *value;
	struct memcache *mc = NULL;
	batch many;
	size_t stored = 0;

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_ARRAY_HT(values)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(expiration)
	ZEND_PARSE_PARAMETERS_END();

	batch_begin(&many, zend_hash_num_elements(values));
	bytes = safe_emalloc(zend_hash_num_elements(values), sizeof(*bytes), 1);
	ZEND_HASH_FOREACH_KEY_VAL(values, number, key, value) {
		uint32_t flags;
		zend_string *text = lmc_encode(value, &flags);
		struct mc_item *item;

		if (text == NULL) {
			break;
		}
		bytes[many.n] = text;
		item = batch_add(&many, client, key == NULL ? zend_long_to_str((zend_long)number) : zend_string_copy(key));
		item->value = ZSTR_VAL(text);
		item->bytes = ZSTR_LEN(text);
		item->flags = flags;
		item->expire = expiration;
	} ZEND_HASH_FOREACH_END();
	if (!EG(exception)) {
		mc = lmc_client_begin(client);
	}
	if (mc != NULL) {
		stored = mcm_store_many(lmc_context(), mc, many.items, many.n);
		batch_outcome(&many, client);
	}
	RETVAL_BOOL(mc != NULL && stored == many.n);
	for (size_t i = 0; i < many.n; i++) {
		zend_string_release(bytes[i]);
	}
	efree(bytes);
	batch_end(&many, client);
}

/* Libmemcache\Client::deleteMulti */
ZEND_METHOD(Libmemcache_Client, deleteMulti)
{
	LMC_CLIENT();
	HashTable *keys;
	zend_long time = 0;
	struct memcache *mc;
	batch many;

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_ARRAY_HT(keys)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(time)
	ZEND_PARSE_PARAMETERS_END();

	if (time != 0) {
		zend_argument_value_error(2, "must be 0: servers refuse to hold a key that was deleted");
		RETURN_THROWS();
	}
	if (!batch_keys(&many, client, keys)) {
		RETURN_THROWS();
	}
	mc = lmc_client_begin(client);
	if (mc == NULL) {
		batch_end(&many, client);
		RETURN_THROWS();
	}
	mcm_remove_many(lmc_context(), mc, many.items, many.n);
	if (batch_outcome(&many, client)) {
		array_init_size(return_value, many.n);
		for (size_t i = 0; i < many.n; i++) {
			zval told;

			/* As php-memcached: true, or its number for what went wrong. */
			if (many.items[i].reason == MC_REASON_DELETED) {
				ZVAL_TRUE(&told);
			} else {
				ZVAL_LONG(&told, lmc_result(many.items[i].reason));
			}
			zend_symtable_update(Z_ARRVAL_P(return_value), many.keys[i], &told);
		}
	}
	batch_end(&many, client);
}
