/*
 Handles, kept by the process.

 A handle has its connections, and what it knows of its servers; making one anew in each request would
 cost a connection to each server and forget that one of them is dead. So a process keeps them, by what
 they were made from, and all clients and sessions that name the same share one. That is safe because a
 PHP process does one thing at a time (with ZTS: a thread, and each thread has its own); and because the
 library notices a fork by itself.

 Kept handles are not without bound: a script that makes up its servers would leave a handle each. When
 there are libmemcache.max_pools of them, those go that nobody uses and nobody has asked for the longest.
*/
#include "php_libmemcache.h"

/* Which copies there are, and for how long, is agreed among all programs of a pool: where a file describes it, its
   operator decides that. */
static const char *const options_of_pool[] = {"backups", "read_backup", "window", "max_ttl"};
static const char *const options_of_program[] = {"timeout", "connect_timeout", "tcp_nodelay", "busy_poll"};

#define IS_ONE_OF(names, name, length) is_one_of(names, sizeof(names) / sizeof(*(names)), name, length)

static bool is_one_of(const char *const *names, size_t count, const char *name, size_t length)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0) {
			return true;
		}
	}
	return false;
}

bool lmc_plan_option_known(const char *name, size_t length)
{
	return IS_ONE_OF(options_of_pool, name, length) || IS_ONE_OF(options_of_program, name, length);
}

void lmc_plan_init(lmc_plan *plan)
{
	plan->file = NULL;
	zend_hash_init(&plan->servers, 0, NULL, ZVAL_PTR_DTOR, 0);
	zend_hash_init(&plan->options, 0, NULL, ZVAL_PTR_DTOR, 0);
}

void lmc_plan_free(lmc_plan *plan)
{
	if (plan->file != NULL) {
		zend_string_release(plan->file);
	}
	zend_hash_destroy(&plan->servers);
	zend_hash_destroy(&plan->options);
}

/* Calls for each part between separators, without the blanks around it. */
static void each_part(const char *text, const char *end, char separator, lmc_plan *plan,
	void (*call)(lmc_plan *, const char *, size_t))
{
	while (text < end) {
		const char *stop = memchr(text, separator, end - text);
		const char *next = stop == NULL ? end : stop + 1;
		const char *last = stop == NULL ? end : stop;

		while (text < last && *text == ' ') {
			text++;
		}
		while (last > text && last[-1] == ' ') {
			last--;
		}
		if (last > text) {
			call(plan, text, last - text);
		}
		text = next;
	}
}

static void add_server(lmc_plan *plan, const char *text, size_t length)
{
	zval server;

	ZVAL_STRINGL(&server, text, length);
	zend_hash_next_index_insert(&plan->servers, &server);
}

static void add_option(lmc_plan *plan, const char *text, size_t length)
{
	const char *equals = memchr(text, '=', length);
	size_t name = equals == NULL ? length : (size_t)(equals - text);
	zval value;

	if (equals == NULL) {
		ZVAL_EMPTY_STRING(&value);
	} else {
		ZVAL_STRINGL(&value, equals + 1, length - name - 1);
	}
	zend_hash_str_update(&plan->options, text, name, &value);
}

void lmc_plan_text(lmc_plan *plan, const char *text, size_t length)
{
	const char *question = memchr(text, '?', length);
	size_t head = question == NULL ? length : (size_t)(question - text);

	if (head > 5 && memcmp(text + head - 5, ".toml", 5) == 0 && memchr(text, ',', head) == NULL) {
		zend_string *written = zend_string_init(text, head, 0);
		char *whole = expand_filepath(ZSTR_VAL(written), NULL);

		/* Not by the directory of some later call, nor of another script: PHP-FPM goes to that of each. */
		plan->file = whole == NULL ? zend_string_copy(written) : zend_string_init(whole, strlen(whole), 0);
		zend_string_release(written);
		if (whole != NULL) {
			efree(whole);
		}
	} else {
		each_part(text, text + head, ',', plan, add_server);
	}
	if (question != NULL) {
		each_part(question + 1, text + length, '&', plan, add_option);
	}
}

/* The file of the pool that the environment names, as the library sees it; NULL: none, or the plan has one. */
static const char *file_of_operator(const lmc_plan *plan)
{
	const char *file = plan->file == NULL ? secure_getenv("MEMCACHE_POOL") : NULL;

	return file != NULL && *file != '\0' ? file : NULL;
}

/* What a handle is known by. No part of it can have a line's end or begin with another one's letter and space. */
static zend_string *name_of(lmc_plan *plan)
{
	smart_str name = {0};
	const char *operators = file_of_operator(plan);
	zend_string *option;
	zval *value;

	if (plan->file != NULL) {
		smart_str_appends(&name, "f ");
		smart_str_append(&name, plan->file);
	}
	if (operators != NULL) {
		char *whole = expand_filepath(operators, NULL);

		smart_str_appends(&name, "e ");
		smart_str_appends(&name, whole == NULL ? operators : whole);
		if (whole != NULL) {
			efree(whole);
		}
	}
	ZEND_HASH_FOREACH_VAL(&plan->servers, value) {
		smart_str_appends(&name, "\ns ");
		smart_str_append(&name, Z_STR_P(value));
	} ZEND_HASH_FOREACH_END();
	ZEND_HASH_FOREACH_STR_KEY_VAL(&plan->options, option, value) {
		smart_str_appends(&name, "\no ");
		smart_str_append(&name, option);
		smart_str_appendc(&name, '=');
		smart_str_append(&name, Z_STR_P(value));
	} ZEND_HASH_FOREACH_END();
	smart_str_0(&name);
	return name.s == NULL ? ZSTR_EMPTY_ALLOC() : name.s;
}

/* The servers and options of a plan. False: *why is what is wrong. */
static bool furnish(struct memcache *mc, lmc_plan *plan, zend_string **why)
{
	struct memcache_ctxt *context = lmc_context();
	/* Then what a plan says of servers and copies is ignored. */
	bool of_operator = file_of_operator(plan) != NULL;
	zend_string *option;
	zval *value;

	ZEND_HASH_FOREACH_VAL(&plan->servers, value) {
		/* A list without it would place every key elsewhere, so it cannot just be left out. */
		if (mcm_server_add5(context, mc, Z_STRVAL_P(value), Z_STRLEN_P(value)) != 0) {
			*why = strpprintf(0, "server \"%s\" cannot be used: its host is unknown, or it is no "
				"host:port, [v6]:port or unix:/path", Z_STRVAL_P(value));
			return false;
		}
	} ZEND_HASH_FOREACH_END();
	/* connect_timeout may be no longer than timeout: that one first, whatever their order. */
	value = zend_hash_str_find(&plan->options, ZEND_STRL("timeout"));
	if (value != NULL && mcm_option_set(context, mc, "timeout", Z_STRVAL_P(value)) != MC_REASON_DONE) {
		goto refused;
	}
	ZEND_HASH_FOREACH_STR_KEY_VAL(&plan->options, option, value) {
		if (of_operator && option != NULL && IS_ONE_OF(options_of_pool, ZSTR_VAL(option), ZSTR_LEN(option))) {
			continue;
		}
		if (option == NULL || mcm_option_set(context, mc, ZSTR_VAL(option), Z_STRVAL_P(value)) != MC_REASON_DONE) {
			goto refused;
		}
	} ZEND_HASH_FOREACH_END();
	return true;
refused:
	*why = zend_string_init(mcm_reason_text(context, mc), strlen(mcm_reason_text(context, mc)), 0);
	return false;
}

static struct memcache *make(lmc_plan *plan, zend_string **why)
{
	struct memcache_ctxt *context = lmc_context();
	struct memcache *mc;
	char error[2048];

	if (plan->file != NULL) {
		mc = mcm_open(context, ZSTR_VAL(plan->file), error, sizeof(error));
		if (mc == NULL) {
			*why = zend_string_init(error, strlen(error), 0);
			return NULL;
		}
	} else {
		mc = mcm_new(context);
		if (mc == NULL) {
			*why = zend_string_init(ZEND_STRL("there is no memory for the handle"), 0);
			return NULL;
		}
	}
	if (!furnish(mc, plan, why)) {
		mcm_free(context, mc);
		return NULL;
	}
	return mc;
}

/* Frees the handle that was asked for the longest ago, of those that nobody uses. */
static void make_room(void)
{
	lmc_pool *pool, *oldest = NULL;

	if (zend_hash_num_elements(&LMC_G(pools)) < (uint32_t)LMC_G(max_pools)) {
		return;
	}
	ZEND_HASH_FOREACH_PTR(&LMC_G(pools), pool) {
		if (pool->users == 0 && (oldest == NULL || pool->used < oldest->used)) {
			oldest = pool;
		}
	} ZEND_HASH_FOREACH_END();
	if (oldest != NULL) {
		zend_hash_del(&LMC_G(pools), oldest->name);
	}
}

lmc_pool *lmc_pool_enter(lmc_plan *plan, zend_string **why)
{
	zend_string *name = name_of(plan);
	lmc_pool *pool = zend_hash_find_ptr(&LMC_G(pools), name);

	if (pool == NULL) {
		struct memcache *mc = make(plan, why);

		if (mc == NULL) {
			zend_string_release(name);
			return NULL;
		}
		make_room();
		pool = pecalloc(1, sizeof(*pool), 1);
		pool->mc = mc;
		pool->name = zend_string_dup(name, 1);
		/* A permanent string, because the table outlives the request. */
		GC_MAKE_PERSISTENT_LOCAL(pool->name);
		zend_hash_add_new_ptr(&LMC_G(pools), pool->name, pool);
	}
	zend_string_release(name);
	pool->users++;
	pool->used = ++LMC_G(turn);
	return pool;
}

void lmc_pool_leave(lmc_pool *pool)
{
	if (pool->users > 0) {
		pool->users--;
	}
}

void lmc_pool_drop(zval *value)
{
	lmc_pool *pool = Z_PTR_P(value);

	mcm_free(lmc_context(), pool->mc);
	zend_string_release(pool->name);
	pefree(pool, 1);
}
