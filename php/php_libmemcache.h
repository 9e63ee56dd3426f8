/*
 What the files of the extension share. The way in is module.c; a Client's methods are in client*.c, the
 session handler in session*.c; both get their handles from pool.c.
*/
#ifndef PHP_LIBMEMCACHE_H
#define PHP_LIBMEMCACHE_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <sys/time.h>
#include <sys/types.h>

#include "php.h"
#include "ext/session/php_session.h"
#include "zend_smart_str.h"

#include <memcache.h>

#define PHP_LIBMEMCACHE_VERSION "0.1.0"

extern zend_module_entry libmemcache_module_entry;
#define phpext_libmemcache_ptr &libmemcache_module_entry

/* --- pool.c: handles that a process keeps between its requests --- */

/* One handle, by what it was made from. Never NULL in a client that has been used. */
typedef struct {
	zend_string *name;     /* what it was made from; persistent */
	struct memcache *mc;
	uint32_t users;        /* clients and open sessions of this request */
	uint64_t used;         /* when it was last asked for, in turns */
} lmc_pool;

/* What a handle is made from. */
typedef struct {
	zend_string *file;     /* a pool file; NULL: the servers */
	HashTable servers;     /* zend_string host:port, in their order */
	HashTable options;     /* name => zend_string, as mc_option_set takes it */
} lmc_plan;

void lmc_plan_init(lmc_plan *plan);
void lmc_plan_free(lmc_plan *plan);
/* A pool file, or server,server...?option=value&option=value. Adds to the plan. */
void lmc_plan_text(lmc_plan *plan, const char *text, size_t length);
/* Whether mc_option_set knows the name. */
bool lmc_plan_option_known(const char *name, size_t length);

/* The handle for a plan. NULL: *why is a message, to be released. Give it back with lmc_pool_leave. */
lmc_pool *lmc_pool_enter(lmc_plan *plan, zend_string **why);
void lmc_pool_leave(lmc_pool *pool);
/* Of the process: all handles are freed. */
void lmc_pool_drop(zval *value);

/* --- memory.c --- */

/* The context of every call: errors are told by reasons, so its handler says nothing. */
struct memcache_ctxt *lmc_context(void);
/* Frees a value that the library handed out. NULL is fine. */
void lmc_value_free(void *value);
/* Frees all that were not: at the end of a request that was cut short. */
void lmc_values_free(void);

/* --- reason.c --- */

typedef struct {
	const char *name;      /* HIT for MC_REASON_HIT */
	int reason;
	int result;            /* php-memcached's number for it */
} lmc_reason_row;

extern const lmc_reason_row lmc_reasons[];
/* php-memcached's number, and its words. */
int lmc_result(int reason);
const char *lmc_result_text(int result);
/* Whether nothing may be concluded about the key. */
bool lmc_unknown(int reason);
void lmc_reason_constants(zend_class_entry *class);

/* --- value.c: PHP's values and the bytes and flags that php-memcached gives them --- */

/* The bytes of a value and their flags; NULL after an exception. To be released. */
zend_string *lmc_encode(zval *value, uint32_t *flags);
/* False: what is stored cannot be read here. Never leaves an exception but that of an __unserialize. */
bool lmc_decode(zval *value, const char *bytes, size_t length, uint32_t flags);

/* fastlz.c. How many bytes were unpacked; 0: not what fastlz makes. */
size_t lmc_fastlz_unpack(const unsigned char *packed, size_t length, unsigned char *room, size_t size);

/* --- client.c --- */

typedef struct {
	lmc_plan plan;
	lmc_pool *pool;        /* NULL until the first call, and after the plan changed */
	zend_string *prefix;   /* in front of every key; NULL: none */
	bool throws;           /* Unavailable in place of false */
	int reason;            /* of the last call */
	int result;            /* as php-memcached would tell it */
	zend_string *message;  /* the same for a person; NULL: the reason's name says all */
	zend_string **keys;    /* of the last call with many; NULL: it was none */
	int *reasons;          /* theirs */
	size_t num_keys;
	zend_object std;
} lmc_client;

static inline lmc_client *lmc_client_of(zend_object *object)
{
	return (lmc_client *)((char *)object - XtOffsetOf(lmc_client, std));
}

extern zend_class_entry *lmc_client_class, *lmc_unavailable_class;

/* The handle of a client, made when it is not yet. NULL: the client has its reason, or there is an exception. */
struct memcache *lmc_client_begin(lmc_client *client);
/* Keeps how a call ended. False: there is an exception now. */
bool lmc_client_end(lmc_client *client, int reason);
/* The same for what the extension itself found out. */
bool lmc_client_refuse(lmc_client *client, int reason, int result, const char *message);
/* The key with the client's prefix. To be released. */
zend_string *lmc_client_key(const lmc_client *client, zend_string *key);
void lmc_client_reasons_drop(lmc_client *client);

#define LMC_CLIENT() lmc_client *client = lmc_client_of(Z_OBJ_P(ZEND_THIS))

/* How a value is told with GET_EXTENDED. Takes the value. */
void lmc_extended(zval *into, zval *value, uint64_t cas, uint32_t flags);
#define LMC_GET_PRESERVE_ORDER 1
#define LMC_GET_EXTENDED 2

void lmc_client_register(int module_number);

/* --- session.c --- */

/* An open session. */
typedef struct {
	lmc_pool *pool;
	pid_t owner;             /* the process that opened or read it */
	zend_string *sid;        /* of what was read; NULL: nothing yet */
	zend_string *was;        /* the data as it was read or last written; NULL: there was none */
	uint64_t cas;            /* its token */
	zend_string *unproven;   /* a sid of which strict mode could not be told whether it exists */
	zend_string *lock_key;   /* NULL: no lock is held */
	uint64_t lock_cas;       /* its token, when it was seen to be ours; 0: look first */
	char token[33];          /* what makes it ours */
} lmc_session;

extern const ps_module ps_mod_libmemcache;

/* A time until which to try, in milliseconds of the monotonic clock, and how long to wait until then. */
typedef struct {
	uint64_t end;
	uint64_t pause_us;
} lmc_patience;

lmc_patience lmc_patience_begin(void);
/* Waits a little, more each time. False: time is up, or the script's. */
bool lmc_patience_wait(lmc_patience *patience);

zend_string *lmc_session_key(zend_string *sid);
/* Whether a fork made it: session and lock are the other process's, which goes on with them. */
bool lmc_session_is_a_copy(const lmc_session *session);
/* A warning with a reason in it. */
void lmc_session_warn(const lmc_session *session, const char *what, zend_string *sid, int reason);

/* session_lock.c */
bool lmc_lock_take(lmc_session *session, zend_string *sid);
typedef enum { LMC_LOCK_OURS, LMC_LOCK_LOST, LMC_LOCK_UNKNOWN } lmc_lock_state;
lmc_lock_state lmc_lock_look(lmc_session *session, lmc_patience *patience);
void lmc_lock_release(lmc_session *session);

/* session_data.c */
bool lmc_data_read(lmc_session *session, zend_string *sid, zend_string **data);
bool lmc_data_write(lmc_session *session, zend_string *sid, zend_string *data, zend_long lifetime);
bool lmc_data_touch(lmc_session *session, zend_string *sid, zend_string *data, zend_long lifetime);
bool lmc_data_remove(lmc_session *session, zend_string *sid);

/* --- module.c --- */

ZEND_BEGIN_MODULE_GLOBALS(libmemcache)
	HashTable pools;             /* name => lmc_pool */
	uint64_t turn;
	struct memcache_ctxt *context;
	struct lmc_head *values;     /* those handed out by the library and not freed yet */
	zend_long max_pools;
	bool session_lock;
	zend_long session_lock_wait;
	zend_long session_lock_expire;
	char *session_prefix;
ZEND_END_MODULE_GLOBALS(libmemcache)

ZEND_EXTERN_MODULE_GLOBALS(libmemcache)
#define LMC_G(v) ZEND_MODULE_GLOBALS_ACCESSOR(libmemcache, v)

#if defined(ZTS) && defined(COMPILE_DL_LIBMEMCACHE)
ZEND_TSRMLS_CACHE_EXTERN()
#endif

#endif
