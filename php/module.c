/*
 The module: its settings, and what a process keeps between requests.
*/
#include "php_libmemcache.h"

#include "ext/standard/info.h"

/* memcached takes more for a time since 1970, and such a lock would be gone at once. */
#define LONGEST_EXPIRE (60 * 60 * 24 * 30)

#ifdef ZTS
ZEND_TSRMLS_CACHE_DEFINE()
#endif

ZEND_DECLARE_MODULE_GLOBALS(libmemcache)

/* memcached keeps time in seconds, so a lock that expires after one may be gone at once. */
static ZEND_INI_MH(on_lock_expire)
{
	/* Read as it will be set: 10M has a unit. */
	zend_long seconds = zend_ini_parse_quantity_warn(new_value, entry->name);

	if (seconds < 2 || seconds > LONGEST_EXPIRE) {
		return FAILURE;
	}
	return OnUpdateLong(entry, new_value, mh_arg1, mh_arg2, mh_arg3, stage);
}

/* An open session is written and unlocked under the key that it was read from. */
static ZEND_INI_MH(on_prefix)
{
	if (stage == ZEND_INI_STAGE_RUNTIME && PS(session_status) == php_session_active) {
		php_error_docref(NULL, E_WARNING, "libmemcache.session_prefix cannot be changed while a session is open");
		return FAILURE;
	}
	return OnUpdateString(entry, new_value, mh_arg1, mh_arg2, mh_arg3, stage);
}

PHP_INI_BEGIN()
	STD_PHP_INI_ENTRY("libmemcache.max_pools", "64", PHP_INI_SYSTEM, OnUpdateLongGEZero, max_pools,
		zend_libmemcache_globals, libmemcache_globals)
	STD_PHP_INI_BOOLEAN("libmemcache.session_lock", "1", PHP_INI_ALL, OnUpdateBool, session_lock,
		zend_libmemcache_globals, libmemcache_globals)
	STD_PHP_INI_ENTRY("libmemcache.session_lock_wait", "10000", PHP_INI_ALL, OnUpdateLongGEZero, session_lock_wait,
		zend_libmemcache_globals, libmemcache_globals)
	STD_PHP_INI_ENTRY("libmemcache.session_lock_expire", "60", PHP_INI_ALL, on_lock_expire, session_lock_expire,
		zend_libmemcache_globals, libmemcache_globals)
	STD_PHP_INI_ENTRY("libmemcache.session_prefix", "memc.sess.key.", PHP_INI_ALL, on_prefix, session_prefix,
		zend_libmemcache_globals, libmemcache_globals)
PHP_INI_END()

static PHP_GINIT_FUNCTION(libmemcache)
{
#if defined(ZTS) && defined(COMPILE_DL_LIBMEMCACHE)
	ZEND_TSRMLS_CACHE_UPDATE();
#endif
	memset(libmemcache_globals, 0, sizeof(*libmemcache_globals));
	zend_hash_init(&libmemcache_globals->pools, 8, NULL, lmc_pool_drop, 1);
}

static PHP_GSHUTDOWN_FUNCTION(libmemcache)
{
	zend_hash_destroy(&libmemcache_globals->pools);
	mcMemFreeCtxt(libmemcache_globals->context);
}

static PHP_MINIT_FUNCTION(libmemcache)
{
	REGISTER_INI_ENTRIES();
	lmc_client_register(module_number);
	return php_session_register_module(&ps_mod_libmemcache);
}

static PHP_MSHUTDOWN_FUNCTION(libmemcache)
{
	UNREGISTER_INI_ENTRIES();
	return SUCCESS;
}

static PHP_RSHUTDOWN_FUNCTION(libmemcache)
{
	lmc_values_free();
	return SUCCESS;
}

/* After the objects are gone: a request that was cut short left its handles entered. */
static ZEND_MODULE_POST_ZEND_DEACTIVATE_D(libmemcache)
{
	lmc_pool *pool;

	ZEND_HASH_FOREACH_PTR(&LMC_G(pools), pool) {
		pool->users = 0;
	} ZEND_HASH_FOREACH_END();
	return SUCCESS;
}

static PHP_MINFO_FUNCTION(libmemcache)
{
	php_info_print_table_start();
	php_info_print_table_row(2, "libmemcache", "enabled");
	php_info_print_table_row(2, "Version", PHP_LIBMEMCACHE_VERSION);
	php_info_print_table_row(2, "Interface of the library", mc_version());
	php_info_print_table_row(2, "Session handler", "libmemcache");
	php_info_print_table_end();
	DISPLAY_INI_ENTRIES();
}

static const zend_module_dep libmemcache_deps[] = {
	ZEND_MOD_REQUIRED("session")
	ZEND_MOD_REQUIRED("spl")
	ZEND_MOD_END
};

zend_module_entry libmemcache_module_entry = {
	STANDARD_MODULE_HEADER_EX, NULL,
	libmemcache_deps,
	"libmemcache",
	NULL,
	PHP_MINIT(libmemcache),
	PHP_MSHUTDOWN(libmemcache),
	NULL,
	PHP_RSHUTDOWN(libmemcache),
	PHP_MINFO(libmemcache),
	PHP_LIBMEMCACHE_VERSION,
	PHP_MODULE_GLOBALS(libmemcache),
	PHP_GINIT(libmemcache),
	PHP_GSHUTDOWN(libmemcache),
	ZEND_MODULE_POST_ZEND_DEACTIVATE_N(libmemcache),
	STANDARD_MODULE_PROPERTIES_EX
};

#ifdef COMPILE_DL_LIBMEMCACHE
ZEND_GET_MODULE(libmemcache)
#endif
