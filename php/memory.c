/*
 The memory of the library's handles, which live as long as the process, and of the values it hands out,
 which live until they are copied into PHP's own memory. That copy may be the allocation that goes past
 memory_limit, and then PHP jumps out of the request without coming back here. So every value is in a list
 until it is freed, and the end of the request frees those that are left.
*/
#include "php_libmemcache.h"

/* In front of every piece of memory. Not in the list: link is NULL. */
struct lmc_head {
	struct lmc_head *next, **link;
};

/* malloc's alignment, which what comes behind the head needs too. */
_Static_assert(sizeof(struct lmc_head) % (2 * sizeof(void *)) == 0, "memory would not be aligned");

static void *take(size_t size)
{
	struct lmc_head *head = size > SIZE_MAX - sizeof(*head) ? NULL : malloc(sizeof(*head) + size);

	if (head == NULL) {
		return NULL;
	}
	head->link = NULL;
	return head + 1;
}

static void *take_value(size_t size)
{
	void *memory = take(size);

	if (memory != NULL) {
		struct lmc_head *head = (struct lmc_head *)memory - 1;

		head->next = LMC_G(values);
		head->link = &LMC_G(values);
		if (head->next != NULL) {
			head->next->link = &head->next;
		}
		LMC_G(values) = head;
	}
	return memory;
}

void lmc_value_free(void *value)
{
	struct lmc_head *head = (struct lmc_head *)value - 1;

	if (value == NULL) {
		return;
	}
	if (head->link != NULL) {
		*head->link = head->next;
		if (head->next != NULL) {
			head->next->link = head->link;
		}
	}
	free(head);
}

/* Only what take gave is grown. */
static void *grow(void *memory, size_t size)
{
	struct lmc_head *head;

	if (memory == NULL) {
		return take(size);
	}
	head = size > SIZE_MAX - sizeof(*head) ? NULL : realloc((struct lmc_head *)memory - 1, sizeof(*head) + size);
	return head == NULL ? NULL : head + 1;
}

void lmc_values_free(void)
{
	while (LMC_G(values) != NULL) {
		lmc_value_free(LMC_G(values) + 1);
	}
}

/* Who asks a reason is told it; nothing is to be written to standard error besides. */
static int32_t say_nothing(const void *context, void *error)
{
	return 0;
}

struct memcache_ctxt *lmc_context(void)
{
	if (LMC_G(context) == NULL) {
		LMC_G(context) = mcMemNewCtxt(lmc_value_free, take, take_value, grow);
		if (LMC_G(context) == NULL) {
			zend_error_noreturn(E_ERROR, "libmemcache: there is no memory");
		}
		mcErrSetupCtxt(LMC_G(context), say_nothing);
	}
	return LMC_G(context);
}
