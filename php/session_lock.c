/*
 The lock of a session: a key beside its data, with a token in it that nobody else has.

 Taken with add, so that one gets it; in a pool with backups it is stored on two servers like any value, and
 found on the other when one of them dies. It expires, so a request that was killed blocks nobody for ever.
 Released by compare: with the token of a cas, and only where our own text was seen. The release stores a
 value that has expired already, because a delete cannot compare.

 An add whose answer did not come may have been stored. What is stored then tells: the text is our own or not.
*/
#include "php_libmemcache.h"

#include "ext/random/php_random.h"

/* So that a released lock is gone at once. */
#define GONE (-1)

static zend_string *lock_key(zend_string *sid)
{
	/* As php-memcached names its own, so that the two wait for each other. */
	const char *prefix = LMC_G(session_prefix);

	return strpprintf(0, "%slock.%s", prefix, ZSTR_VAL(sid));
}

static bool new_token(char token[33])
{
	unsigned char bytes[16];

	if (php_random_bytes_silent(bytes, sizeof(bytes)) == FAILURE) {
		return false;
	}
	for (size_t i = 0; i < sizeof(bytes); i++) {
		snprintf(token + 2 * i, 3, "%02x", bytes[i]);
	}
	return true;
}

/* What is stored under the lock's key. A reason; with MC_REASON_HIT, whether it is ours, and its token. */
static int look(lmc_session *session, zend_string *key, bool *ours, uint64_t *cas)
{
	char stored[sizeof(session->token)];
	size_t length = 0;
	uint32_t flags;
	int reason = mcm_fetch_into(lmc_context(), session->pool->mc, ZSTR_VAL(key), ZSTR_LEN(key), stored, sizeof(stored),
		&length, &flags, cas);

	*ours = reason == MC_REASON_HIT && length == strlen(session->token) && memcmp(stored, session->token, length) == 0;
	return reason;
}

static void held(lmc_session *session, zend_string *key, uint64_t cas)
{
	session->lock_key = key;
	session->lock_cas = cas;
}

/* Lets go of a lock that is or may be ours: only what has our own text in it is touched. */
static void release(lmc_session *session, zend_string *key, uint64_t cas, lmc_patience *patience)
{
	for (bool again = false;; again = true) {
		int reason = MC_REASON_HIT;
		bool ours = true;

		if (cas == 0) {
			reason = look(session, key, &ours, &cas);
			if (reason == MC_REASON_MISS || (reason == MC_REASON_HIT && !ours)) {
				return;
			}
		}
		if (reason == MC_REASON_HIT) {
			reason = mcm_cas(lmc_context(), session->pool->mc, ZSTR_VAL(key), ZSTR_LEN(key), "", 0, GONE, 0, cas);
			if (reason == MC_REASON_STORED || reason == MC_REASON_NOT_FOUND) {
				return;
			}
			/* Another value, or the same one on another server, or nobody knows: it has to be looked at. */
			cas = 0;
		}
		if (reason == MC_REASON_EXISTS && !again) {
			continue;
		}
		/* A server that hangs is passed by for reads at once, but for writes only when it is known to be down: until
		   then every look has the token of its backup, and every cas is told that something else is there. */
		if ((reason != MC_REASON_EXISTS && !lmc_unknown(reason)) || !lmc_patience_wait(patience)) {
			/* It expires. Others wait for it until then. */
			return;
		}
	}
}

void lmc_lock_release(lmc_session *session)
{
	lmc_patience patience = lmc_patience_begin();

	if (session->lock_key != NULL) {
		/* What a fork made a copy of stays its parent's. */
		if (!lmc_session_is_a_copy(session)) {
			release(session, session->lock_key, session->lock_cas, &patience);
		}
		zend_string_release(session->lock_key);
		session->lock_key = NULL;
		session->lock_cas = 0;
	}
}

bool lmc_lock_take(lmc_session *session, zend_string *sid)
{
	lmc_patience patience = lmc_patience_begin();
	zend_string *key = lock_key(sid);
	bool doubtful = false;
	int reason;

	if (!new_token(session->token)) {
		php_error_docref(NULL, E_WARNING, "There is no randomness to make a lock with");
		zend_string_release(key);
		return false;
	}
	do {
		bool ours;
		uint64_t cas;

		reason = mcm_store_add(lmc_context(), session->pool->mc, ZSTR_VAL(key), ZSTR_LEN(key), session->token,
			strlen(session->token), LMC_G(session_lock_expire), 0);
		if (reason == MC_REASON_STORED) {
			held(session, key, 0);
			return true;
		}
		if (reason != MC_REASON_NOT_STORED && !lmc_unknown(reason)) {
			break;
		}
		doubtful = doubtful || lmc_unknown(reason);
		/* After an answer that did not come the lock may be ours; a library or a server that asks twice
		   makes that of any refusal. */
		if (look(session, key, &ours, &cas) == MC_REASON_HIT && ours) {
			held(session, key, cas);
			return true;
		}
	} while (lmc_patience_wait(&patience));

	/* Two reasons, two warnings: who reads the log must know whether to look at servers or at scripts. */
	if (reason == MC_REASON_NOT_STORED) {
		lmc_session_warn(session, "Another request holds the session's lock, and libmemcache.session_lock_wait is over", sid,
			reason);
	} else {
		lmc_session_warn(session, "The session's lock could not be asked for", sid, reason);
	}
	if (doubtful) {
		/* An add of ours may have been stored after we last looked. */
		patience = (lmc_patience){0};
		release(session, key, 0, &patience);
	}
	zend_string_release(key);
	return false;
}

lmc_lock_state lmc_lock_look(lmc_session *session, lmc_patience *patience)
{
	bool ours;
	int reason;

	if (session->lock_key == NULL) {
		return LMC_LOCK_LOST;
	}
	do {
		reason = look(session, session->lock_key, &ours, &session->lock_cas);
	} while (lmc_unknown(reason) && lmc_patience_wait(patience));
	if (ours) {
		return LMC_LOCK_OURS;
	}
	session->lock_cas = 0;
	return reason == MC_REASON_HIT || reason == MC_REASON_MISS ? LMC_LOCK_LOST : LMC_LOCK_UNKNOWN;
}
