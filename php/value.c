/*
 PHP's values as bytes and flags: those of php-memcached, so that each reads what the other wrote.

 The lowest four bits of the flags are the type: a string is its bytes, an integer its decimal digits, so
 that it can be counted; a float is the shortest text that is read as the same float; true is "1" and false
 empty; all else is serialize()d. Nothing is compressed here; what php-memcached compressed is read.
*/
#include "php_libmemcache.h"

#include "ext/standard/php_var.h"
#include "ext/json/php_json.h"

#ifdef LMC_HAVE_ZLIB
#include <zlib.h>
#endif

#define TYPE_MASK 0xf
enum { TYPE_STRING, TYPE_LONG, TYPE_DOUBLE, TYPE_BOOL, TYPE_SERIALIZED, TYPE_IGBINARY, TYPE_JSON, TYPE_MSGPACK };

#define COMPRESSED 0x10
#define COMPRESSED_ZLIB 0x20
#define COMPRESSED_FASTLZ 0x40

/* What is packed has its unpacked size in front of it, as the four bytes of a number. */
#define SIZE_BYTES 4
/* Neither packs any better than that. A size that claims more is not allocated for. */
#define BEST_RATIO 1100

static zend_string *of_double(double number)
{
	smart_str text = {0};

	if (zend_isnan(number)) {
		return zend_string_init(ZEND_STRL("NaN"), 0);
	}
	if (zend_isinf(number)) {
		return number > 0 ? zend_string_init(ZEND_STRL("Infinity"), 0) : zend_string_init(ZEND_STRL("-Infinity"), 0);
	}
	smart_str_append_double(&text, number, -1, false);
	smart_str_0(&text);
	return text.s;
}

static zend_string *serialized(zval *value)
{
	php_serialize_data_t data;
	smart_str text = {0};

	PHP_VAR_SERIALIZE_INIT(data);
	php_var_serialize(&text, value, &data);
	PHP_VAR_SERIALIZE_DESTROY(data);
	if (EG(exception) || text.s == NULL) {
		smart_str_free(&text);
		return NULL;
	}
	smart_str_0(&text);
	return text.s;
}

zend_string *lmc_encode(zval *value, uint32_t *flags)
{
	ZVAL_DEREF(value);
	switch (Z_TYPE_P(value)) {
	case IS_STRING:
		*flags = TYPE_STRING;
		return zend_string_copy(Z_STR_P(value));
	case IS_LONG:
		*flags = TYPE_LONG;
		return zend_long_to_str(Z_LVAL_P(value));
	case IS_DOUBLE:
		*flags = TYPE_DOUBLE;
		return of_double(Z_DVAL_P(value));
	case IS_TRUE:
		*flags = TYPE_BOOL;
		return ZSTR_CHAR('1');
	case IS_FALSE:
		*flags = TYPE_BOOL;
		return ZSTR_EMPTY_ALLOC();
	default:
		*flags = TYPE_SERIALIZED;
		return serialized(value);
	}
}

static bool unserialized(zval *value, const char *bytes, size_t length)
{
	const unsigned char *at = (const unsigned char *)bytes;
	php_unserialize_data_t data;
	bool read;

	ZVAL_NULL(value);
	PHP_VAR_UNSERIALIZE_INIT(data);
	read = php_var_unserialize(value, &at, at + length, &data);
	PHP_VAR_UNSERIALIZE_DESTROY(data);
	if (!read) {
		zval_ptr_dtor(value);
		ZVAL_NULL(value);
	} else if (Z_ISREF_P(value)) {
		/* What has a reference to itself; no function returns one. */
		zend_unwrap_reference(value);
	}
	return read;
}

/* php-memcached's other serialisers are extensions of their own. Where one is loaded its PHP function reads; so
   nothing of them is needed to build this. */
static bool by_function(zval *value, const char *function, const char *bytes, size_t length)
{
	zval name, argument;
	bool read;

	if (!zend_hash_str_exists(EG(function_table), function, strlen(function))) {
		return false;
	}
	ZVAL_STRING(&name, function);
	ZVAL_STRINGL(&argument, bytes, length);
	read = call_user_function(NULL, NULL, &name, value, 1, &argument) == SUCCESS && !EG(exception);
	zval_ptr_dtor(&argument);
	zval_ptr_dtor(&name);
	return read;
}

static bool number(double *value, const char *bytes, size_t length)
{
	const char *end;

	if (length == 3 && memcmp(bytes, "NaN", 3) == 0) {
		*value = ZEND_NAN;
	} else if (length == 8 && memcmp(bytes, "Infinity", 8) == 0) {
		*value = ZEND_INFINITY;
	} else if (length == 9 && memcmp(bytes, "-Infinity", 9) == 0) {
		*value = -ZEND_INFINITY;
	} else {
		*value = zend_strtod(bytes, &end);
		return end != bytes;
	}
	return true;
}

static bool text(zval *value, const char *bytes, size_t length)
{
#ifdef HASH_FALLIBLE
	/* A PHP that tells of memory_limit by NULL, and ends the process where an allocation that cannot be told so goes
	   on past it. The script is ended when it is back in PHP's hands. */
	zend_string *copy = zend_string_finit_fast(bytes, length, true);

	if (copy == NULL) {
		return false;
	}
	ZVAL_STR(value, copy);
#else
	ZVAL_STRINGL_FAST(value, bytes, length);
#endif
	return true;
}

/* The bytes end in a NUL that is not counted. */
static bool plain(zval *value, const char *bytes, size_t length, uint32_t flags)
{
	double of_float;

	switch (flags & TYPE_MASK) {
	case TYPE_STRING:
		return text(value, bytes, length);
	case TYPE_LONG:
		ZVAL_LONG(value, ZEND_STRTOL(bytes, NULL, 10));
		return true;
	case TYPE_DOUBLE:
		if (!number(&of_float, bytes, length)) {
			return false;
		}
		ZVAL_DOUBLE(value, of_float);
		return true;
	case TYPE_BOOL:
		ZVAL_BOOL(value, length > 0 && bytes[0] == '1');
		return true;
	case TYPE_SERIALIZED:
		return unserialized(value, bytes, length);
	case TYPE_JSON:
		/* memcached.serializer = json, which reads objects as objects. */
		return php_json_decode_ex(value, bytes, length, 0, PHP_JSON_PARSER_DEFAULT_DEPTH) == SUCCESS;
	case TYPE_IGBINARY:
		return by_function(value, "igbinary_unserialize", bytes, length);
	case TYPE_MSGPACK:
		return by_function(value, "msgpack_unpack", bytes, length);
	default:
		return false;
	}
}

static bool unpack(zend_string *room, const char *packed, size_t length, uint32_t flags)
{
	if (flags & COMPRESSED_FASTLZ) {
		return lmc_fastlz_unpack((const unsigned char *)packed, length, (unsigned char *)ZSTR_VAL(room),
			ZSTR_LEN(room)) == ZSTR_LEN(room);
	}
#ifdef LMC_HAVE_ZLIB
	if (flags & COMPRESSED_ZLIB) {
		uLongf size = ZSTR_LEN(room);

		return uncompress((Bytef *)ZSTR_VAL(room), &size, (const Bytef *)packed, length) == Z_OK
			&& size == ZSTR_LEN(room);
	}
#endif
	return false;
}

bool lmc_decode(zval *value, const char *bytes, size_t length, uint32_t flags)
{
	zend_string *room;
	uint32_t size;
	bool read;

	ZVAL_NULL(value);
	if (!(flags & COMPRESSED)) {
		return plain(value, bytes, length, flags);
	}
	if (length < SIZE_BYTES) {
		return false;
	}
	memcpy(&size, bytes, SIZE_BYTES);
	length -= SIZE_BYTES;
	if (size == 0 || size / BEST_RATIO > length) {
		return false;
	}
	room = zend_string_alloc(size, 0);
	ZSTR_VAL(room)[size] = '\0';
	read = unpack(room, bytes + SIZE_BYTES, length, flags);
	if (read && (flags & TYPE_MASK) == TYPE_STRING) {
		ZVAL_STR(value, room);
		return true;
	}
	read = read && plain(value, ZSTR_VAL(room), size, flags);
	zend_string_release(room);
	return read;
}
