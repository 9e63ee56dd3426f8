/*
 The session handler: session.save_handler = libmemcache.

 What PHP asks of a handler is here; the lock is in session_lock.c, the data in session_data.c. Three rules
 hold for all of it:

 A session is read and written under its lock, and a request that does not get the lock has no session:
 session_start() is false. It never goes on without.

 That a server could not be asked is never taken for an answer. A session that cannot be read is an error,
 not a new and empty one: that would log a user out, and the next write would make it true.

 Every wait ends: libmemcache.session_lock_wait is how long one step tries.

 Keys and data are those of php-memcached, so what one wrote the other reads: the prefix and the id, and the
 session as PHP serialised it, with flags 0.
*/
#include "php_libmemcache.h"

#include <time.h>
#include <unistd.h>

#include "ext/random/php_random.h"
#include "zend_atomic.h"

/* What an id that another session has is worth: with a working source of randomness, nothing ever. */
#define TRIES_FOR_AN_ID 3

/* The first pause of a wait, and the longest. */
#define FIRST_PAUSE_US 2000
#define LONGEST_PAUSE_US 50000

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

lmc_patience lmc_patience_begin(void)
{
	return (lmc_patience){.end = now_ms() + LMC_G(session_lock_wait), .pause_us = FIRST_PAUSE_US};
}

bool lmc_patience_wait(lmc_patience *patience)
{
	uint64_t now = now_ms(), pause = patience->pause_us;
	uint32_t chance = 0;

	if (now >= patience->end || zend_atomic_bool_load(&EG(timed_out))) {
		return false;
	}
	/* Of those who wait for one lock no two ask at the same moment: half of a pause is by chance. */
	php_random_bytes_silent(&chance, sizeof(chance));
	pause = pause / 2 + chance % (pause / 2 + 1);
	pause = MIN(pause, (patience->end - now) * 1000);
	usleep(pause);
	patience->pause_us = MIN(patience->pause_us * 3 / 2, LONGEST_PAUSE_US);
	return true;
}

zend_string *lmc_session_key(zend_string *sid)
{
	const char *prefix = LMC_G(session_prefix);

	return zend_string_concat2(prefix, strlen(prefix), ZSTR_VAL(sid), ZSTR_LEN(sid));
}

bool lmc_session_is_a_copy(const lmc_session *session)
{
	return session->owner != getpid();
}

void lmc_session_warn(const lmc_session *session, const char *what, zend_string *sid, int reason)
{
	/* The sentence has the key in it, and with it the id; a log is no place for that. So the reason alone. */
	php_error_docref(NULL, E_WARNING, "%s (session %.6s..., %s)", what, ZSTR_VAL(sid), mc_reason_name(reason));
}

/* Lets go of what is known of a session, and of its lock. */
static void forget(lmc_session *session)
{
	lmc_lock_release(session);
	if (session->sid != NULL) {
		zend_string_release(session->sid);
		session->sid = NULL;
	}
	if (session->was != NULL) {
		zend_string_release(session->was);
		session->was = NULL;
	}
	session->cas = 0;
}

static PS_CLOSE_FUNC(libmemcache)
{
	lmc_session *session = PS_GET_MOD_DATA();

	if (session != NULL) {
		forget(session);
		if (session->unproven != NULL) {
			zend_string_release(session->unproven);
		}
		lmc_pool_leave(session->pool);
		efree(session);
		PS_SET_MOD_DATA(NULL);
	}
	return SUCCESS;
}

static PS_OPEN_FUNC(libmemcache)
{
	lmc_session *session;
	lmc_plan plan;
	lmc_pool *pool;
	zend_string *why;

	/* session_reset opens again what is open. */
	ps_close_libmemcache(mod_data);
	lmc_plan_init(&plan);
	lmc_plan_text(&plan, save_path, strlen(save_path));
	if (plan.file == NULL && zend_hash_num_elements(&plan.servers) == 0 && getenv("MEMCACHE_POOL") == NULL) {
		php_error_docref(NULL, E_WARNING, "session.save_path must be a pool file (\"/etc/memcache/pool.toml\") or "
			"servers (\"host:port,host:port?backups=pairs\")");
		lmc_plan_free(&plan);
		return FAILURE;
	}
	pool = lmc_pool_enter(&plan, &why);
	lmc_plan_free(&plan);
	if (pool == NULL) {
		php_error_docref(NULL, E_WARNING, "session.save_path: %s", ZSTR_VAL(why));
		zend_string_release(why);
		return FAILURE;
	}
	session = ecalloc(1, sizeof(*session));
	session->pool = pool;
	session->owner = getpid();
	PS_SET_MOD_DATA(session);
	return SUCCESS;
}

/* Whether an id can be one of ours at all; what a browser sends can be anything. */
static bool id_may_be(zend_string *sid)
{
	return php_session_valid_key(ZSTR_VAL(sid)) == SUCCESS
		&& strlen("lock.") + strlen(LMC_G(session_prefix)) + ZSTR_LEN(sid) <= MAX_KEY_LEN;
}

static PS_READ_FUNC(libmemcache)
{
	lmc_session *session = PS_GET_MOD_DATA();
	bool unproven;

	if (session == NULL) {
		return FAILURE;
	}
	if (!id_may_be(key)) {
		php_error_docref(NULL, E_WARNING, "The session's id is too long or has characters that none of ours has");
		return FAILURE;
	}
	forget(session);
	session->owner = getpid();
	session->sid = zend_string_copy(key);
	if (LMC_G(session_lock) && !lmc_lock_take(session, key)) {
		return FAILURE;
	}
	if (!lmc_data_read(session, key, val)) {
		forget(session);
		return FAILURE;
	}
	/* Strict mode could not be told whether there is such a session. Now it is known that there is none,
	   and an id that we did not make must not become one. */
	unproven = session->unproven != NULL && zend_string_equals(session->unproven, key);
	if (unproven && session->was == NULL) {
		php_error_docref(NULL, E_WARNING, "There is no such session, and it could not be told in time to make another id");
		zend_string_release(*val);
		*val = NULL;
		forget(session);
		return FAILURE;
	}
	return SUCCESS;
}

static PS_WRITE_FUNC(libmemcache)
{
	lmc_session *session = PS_GET_MOD_DATA();

	return session != NULL && lmc_data_write(session, key, val, maxlifetime) ? SUCCESS : FAILURE;
}

static PS_UPDATE_TIMESTAMP_FUNC(libmemcache)
{
	lmc_session *session = PS_GET_MOD_DATA();

	return session != NULL && lmc_data_touch(session, key, val, maxlifetime) ? SUCCESS : FAILURE;
}

static PS_DESTROY_FUNC(libmemcache)
{
	lmc_session *session = PS_GET_MOD_DATA();
	bool ours;

	if (session == NULL) {
		return FAILURE;
	}
	if (lmc_session_is_a_copy(session)) {
		php_error_docref(NULL, E_WARNING, "The session was not deleted: the process that opened it is another one, "
			"of which this is a fork");
		return FAILURE;
	}
	/* A session goes under its lock as well: else whoever holds that would write it back. */
	ours = session->lock_key != NULL && session->sid != NULL && zend_string_equals(session->sid, key);
	if (LMC_G(session_lock)) {
		lmc_patience patience = lmc_patience_begin();

		ours = ours && lmc_lock_look(session, &patience) == LMC_LOCK_OURS;
		if (!ours) {
			forget(session);
			if (!lmc_lock_take(session, key)) {
				return FAILURE;
			}
		}
	}
	if (!lmc_data_remove(session, key)) {
		return FAILURE;
	}
	forget(session);
	return SUCCESS;
}

/* Sessions expire in the servers by themselves. */
static PS_GC_FUNC(libmemcache)
{
	*nrdels = 0;
	return 0;
}

/* Whether there is a session: the reason, after as many questions as it takes to have an answer. */
static int look_up(lmc_session *session, zend_string *sid)
{
	lmc_patience patience = lmc_patience_begin();
	zend_string *key = lmc_session_key(sid);
	int reason;

	do {
		reason = mcm_fetch(lmc_context(), session->pool->mc, ZSTR_VAL(key), ZSTR_LEN(key), NULL, NULL, NULL, NULL);
	} while (lmc_unknown(reason) && lmc_patience_wait(&patience));
	zend_string_release(key);
	return reason;
}

static PS_CREATE_SID_FUNC(libmemcache)
{
	lmc_session *session = PS_GET_MOD_DATA();

	for (int i = 0; i < TRIES_FOR_AN_ID; i++) {
		zend_string *sid = php_session_create_id(mod_data);

		/* When no server can be asked, the read that follows cannot either, and says so. */
		if (sid == NULL || session == NULL || look_up(session, sid) != MC_REASON_HIT) {
			return sid;
		}
		zend_string_release(sid);
	}
	return NULL;
}

static PS_VALIDATE_SID_FUNC(libmemcache)
{
	lmc_session *session = PS_GET_MOD_DATA();
	int reason;

	if (!id_may_be(key)) {
		return FAILURE;
	}
	reason = look_up(session, key);
	if (lmc_unknown(reason)) {
		/* "There is none" would give the user another session, a new one. "There is one" leads to a read,
		   which fails if it cannot be asked, and knows of this if it can. */
		if (session->unproven != NULL) {
			zend_string_release(session->unproven);
		}
		session->unproven = zend_string_copy(key);
		return SUCCESS;
	}
	return reason == MC_REASON_HIT ? SUCCESS : FAILURE;
}

const ps_module ps_mod_libmemcache = {PS_MOD_UPDATE_TIMESTAMP(libmemcache)};
