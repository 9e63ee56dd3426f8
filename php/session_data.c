/*
 The data of a session.

 Under a lock a write is a compare as well: it replaces what this request read, or nothing. So a request whose
 lock expired while it worked, and whose session another one has changed since, cannot write over that: the
 write is refused with a warning, also when the two cross on their way to the server.

 An answer that did not come, or that something else is there, is followed by two looks: at the data, and then at
 the lock. While the lock still has our token in it nobody else can have written: so what is stored is either
 what was to be written, or what it was before, and then it is written again, with the token of now. (Another
 server that answers for a dead one has other tokens for the same data. While one hangs and is not yet known to be
 down, reads have the tokens of its backup and writes would still ask it: then nothing helps but to wait.)
*/
#include "php_libmemcache.h"

#include <time.h>

/* memcached takes an expiry time of more than 30 days for one since 1970. */
#define LONGEST_RELATIVE (60 * 60 * 24 * 30)

static time_t expiry(zend_long lifetime)
{
	return lifetime > LONGEST_RELATIVE ? time(NULL) + lifetime : lifetime;
}

/* A reason; with MC_REASON_HIT the data, to be released, and its token. */
static int fetch(lmc_session *session, zend_string *key, zend_string **data, uint64_t *cas, lmc_patience *patience)
{
	void *bytes;
	size_t length;
	uint32_t flags;
	int reason;

	do {
		reason = mcm_fetch(lmc_context(), session->pool->mc, ZSTR_VAL(key), ZSTR_LEN(key), &bytes, &length, &flags, cas);
	} while (lmc_unknown(reason) && lmc_patience_wait(patience));
	*data = NULL;
	if (reason == MC_REASON_HIT) {
		*data = zend_string_init(bytes, length, 0);
		lmc_value_free(bytes);
	}
	return reason;
}

/* What is stored now, to compare the next write with. Takes the data. */
static void remember(lmc_session *session, zend_string *data, uint64_t cas)
{
	if (session->was != NULL) {
		zend_string_release(session->was);
	}
	session->was = data;
	session->cas = cas;
}

bool lmc_data_read(lmc_session *session, zend_string *sid, zend_string **data)
{
	lmc_patience patience = lmc_patience_begin();
	zend_string *key = lmc_session_key(sid), *stored;
	uint64_t cas = 0;
	int reason = fetch(session, key, &stored, &cas, &patience);

	zend_string_release(key);
	if (reason != MC_REASON_HIT && reason != MC_REASON_MISS) {
		lmc_session_warn(session, "The session cannot be read now", sid, reason);
		return false;
	}
	remember(session, stored, cas);
	*data = stored == NULL ? ZSTR_EMPTY_ALLOC() : zend_string_copy(stored);
	return true;
}

/* Whoever comes last wins: without locks there is nothing else to go by. */
static int write_blindly(lmc_session *session, zend_string *key, zend_string *data, zend_long lifetime)
{
	lmc_patience patience = lmc_patience_begin();
	int reason;

	do {
		reason = mcm_store(lmc_context(), session->pool->mc, ZSTR_VAL(key), ZSTR_LEN(key), ZSTR_VAL(data), ZSTR_LEN(data),
			expiry(lifetime), 0);
	} while (lmc_unknown(reason) && lmc_patience_wait(&patience));
	return reason;
}

static bool same(const zend_string *one, const zend_string *other)
{
	return one == NULL ? other == NULL : other != NULL && zend_string_equals(one, other);
}

/* One attempt to write over what was read: with cas 0 its token is not known, and nothing is tried. */
static int attempt(lmc_session *session, zend_string *key, zend_string *data, zend_long lifetime, bool there, uint64_t cas)
{
	struct memcache *mc = session->pool->mc;

	if (!there) {
		return mcm_store_add(lmc_context(), mc, ZSTR_VAL(key), ZSTR_LEN(key), ZSTR_VAL(data), ZSTR_LEN(data),
			expiry(lifetime), 0);
	}
	if (cas == 0) {
		return MC_REASON_EXISTS;
	}
	return mcm_cas(lmc_context(), mc, ZSTR_VAL(key), ZSTR_LEN(key), ZSTR_VAL(data), ZSTR_LEN(data), expiry(lifetime), 0, cas);
}

/* Writes over what was read. MC_REASON_EXISTS: something else is there, or the lock is not ours any more. */
static int write_compared(lmc_session *session, zend_string *key, zend_string *data, zend_long lifetime,
	lmc_patience *patience)
{
	uint64_t cas = session->cas;
	bool there = session->was != NULL;

	for (bool again = false;; again = true) {
		zend_string *stored;
		bool written, unchanged;
		lmc_lock_state lock;
		int reason = attempt(session, key, data, lifetime, there, cas);

		if (reason != MC_REASON_EXISTS && reason != MC_REASON_NOT_FOUND && reason != MC_REASON_NOT_STORED
			&& !lmc_unknown(reason)) {
			return reason;
		}
		/* Other tokens are looked at once without a pause. At the end of the second look the data were still as they
		   had been read, so that something else is there is not what is wrong. */
		if ((again || lmc_unknown(reason)) && !lmc_patience_wait(patience)) {
			return lmc_unknown(reason) ? reason : MC_REASON_UNAVAILABLE;
		}
		reason = fetch(session, key, &stored, &cas, patience);
		if (reason != MC_REASON_HIT && reason != MC_REASON_MISS) {
			return reason;
		}
		there = stored != NULL;
		written = same(stored, data);
		/* What expired or was evicted under our lock is written anew: its user is here. */
		unchanged = stored == NULL || same(stored, session->was);
		if (stored != NULL) {
			zend_string_release(stored);
		}
		lock = lmc_lock_look(session, patience);
		if (lock != LMC_LOCK_OURS) {
			return lock == LMC_LOCK_LOST ? MC_REASON_EXISTS : MC_REASON_UNAVAILABLE;
		}
		if (written) {
			return MC_REASON_STORED;
		}
		if (!unchanged) {
			return MC_REASON_EXISTS;
		}
	}
}

bool lmc_data_write(lmc_session *session, zend_string *sid, zend_string *data, zend_long lifetime)
{
	lmc_patience patience = lmc_patience_begin();
	lmc_lock_state lock;
	zend_string *key;
	int reason;

	if (lmc_session_is_a_copy(session)) {
		php_error_docref(NULL, E_WARNING, "The session was not written: the process that opened it is another one, "
			"of which this is a fork");
		return false;
	}
	if (session->sid == NULL || !zend_string_equals(session->sid, sid)) {
		php_error_docref(NULL, E_WARNING, "The session was not written: it is not the one that was read");
		return false;
	}
	if (session->lock_key == NULL) {
		/* libmemcache.session_lock is off. */
		key = lmc_session_key(sid);
		reason = write_blindly(session, key, data, lifetime);
	} else {
		lock = lmc_lock_look(session, &patience);
		if (lock == LMC_LOCK_LOST) {
			lmc_session_warn(session, "The session was not written: its lock expired while the script ran "
				"(libmemcache.session_lock_expire)", sid, mcm_reason(lmc_context(), session->pool->mc));
			return false;
		}
		if (lock == LMC_LOCK_UNKNOWN) {
			lmc_session_warn(session, "The session was not written: it could not be told whether its lock is still held", sid,
				mcm_reason(lmc_context(), session->pool->mc));
			return false;
		}
		key = lmc_session_key(sid);
		reason = write_compared(session, key, data, lifetime, &patience);
	}
	zend_string_release(key);
	if (reason == MC_REASON_STORED) {
		/* A handler of the program's own, around this one, may write more than once. */
		remember(session, zend_string_copy(data), 0);
		return true;
	}
	if (reason == MC_REASON_EXISTS) {
		php_error_docref(NULL, E_WARNING, "The session was not written: another request changed it since it was read");
	} else if (lmc_unknown(reason)) {
		lmc_session_warn(session, "It is not known whether the session was written", sid, reason);
	} else {
		lmc_session_warn(session, "The session was not written", sid, reason);
	}
	return false;
}

bool lmc_data_touch(lmc_session *session, zend_string *sid, zend_string *data, zend_long lifetime)
{
	lmc_patience patience = lmc_patience_begin();
	zend_string *key;
	int reason;

	/* Nothing changed, so nothing is lost: its parent prolongs it. */
	if (lmc_session_is_a_copy(session)) {
		return true;
	}
	key = lmc_session_key(sid);
	do {
		reason = mcm_touch(lmc_context(), session->pool->mc, ZSTR_VAL(key), ZSTR_LEN(key), expiry(lifetime));
	} while (lmc_unknown(reason) && lmc_patience_wait(&patience));
	zend_string_release(key);
	if (reason == MC_REASON_TOUCHED) {
		return true;
	}
	if (reason == MC_REASON_NOT_FOUND) {
		/* It expired while the script ran, or was never written because it is empty. */
		return lmc_data_write(session, sid, data, lifetime);
	}
	lmc_session_warn(session, "The session's expiry time was not changed", sid, reason);
	return false;
}

bool lmc_data_remove(lmc_session *session, zend_string *sid)
{
	lmc_patience patience = lmc_patience_begin();
	zend_string *key = lmc_session_key(sid);
	int reason;

	do {
		reason = mcm_remove(lmc_context(), session->pool->mc, ZSTR_VAL(key), ZSTR_LEN(key));
	} while (lmc_unknown(reason) && lmc_patience_wait(&patience));
	zend_string_release(key);
	if (reason == MC_REASON_DELETED || reason == MC_REASON_NOT_FOUND) {
		return true;
	}
	lmc_session_warn(session, "The session was not deleted", sid, reason);
	return false;
}
