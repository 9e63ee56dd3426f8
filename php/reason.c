/*
 How a call ended: the library's reasons, and the numbers and words that php-memcached has for the same.
*/
#include "php_libmemcache.h"

/* php-memcached's numbers, which are libmemcached's. */
static const struct {
	const char *name;
	int result;
	const char *text;
} results[] = {
	{"SUCCESS", 0, "SUCCESS"},
	{"FAILURE", 1, "FAILURE"},
	{"SERVER_ERROR", 10, "SERVER ERROR"},
	{"DATA_EXISTS", 12, "CONNECTION DATA EXISTS"},
	{"NOTSTORED", 14, "NOT STORED"},
	{"NOTFOUND", 16, "NOT FOUND"},
	{"MEMORY_ALLOCATION_FAILURE", 17, "MEMORY ALLOCATION FAILURE"},
	{"SOME_ERRORS", 19, "SOME ERRORS WERE REPORTED"},
	{"NO_SERVERS", 20, "NO SERVERS DEFINED"},
	{"TIMEOUT", 31, "A TIMEOUT OCCURRED"},
	{"BAD_KEY_PROVIDED", 33, "A BAD KEY WAS PROVIDED/CHARACTERS OUT OF RANGE"},
	{"INVALID_ARGUMENTS", 38, "INVALID ARGUMENT"},
	{"SERVER_TEMPORARILY_DISABLED", 47, "SERVER HAS FAILED AND IS DISABLED UNTIL TIMED RETRY"},
	{"PAYLOAD_FAILURE", -1001, "PAYLOAD FAILURE"},
};

const lmc_reason_row lmc_reasons[] = {
	{"DONE", MC_REASON_DONE, 0},
	{"HIT", MC_REASON_HIT, 0},
	{"STORED", MC_REASON_STORED, 0},
	{"DELETED", MC_REASON_DELETED, 0},
	{"TOUCHED", MC_REASON_TOUCHED, 0},
	{"NUMBER", MC_REASON_NUMBER, 0},
	{"MISS", MC_REASON_MISS, 16},
	{"NOT_STORED", MC_REASON_NOT_STORED, 14},
	{"EXISTS", MC_REASON_EXISTS, 12},
	{"NOT_FOUND", MC_REASON_NOT_FOUND, 16},
	{"UNAVAILABLE", MC_REASON_UNAVAILABLE, 47},
	{"TIMEOUT", MC_REASON_TIMEOUT, 31},
	{"REFUSED", MC_REASON_REFUSED, 10},
	{"BAD_KEY", MC_REASON_BAD_KEY, 33},
	{"BAD_VALUE", MC_REASON_BAD_VALUE, 38},
	{"NO_MEMORY", MC_REASON_NO_MEMORY, 17},
	{"NO_SERVERS", MC_REASON_NO_SERVERS, 20},
	{"BAD_FILE", MC_REASON_BAD_FILE, 20},
	{"BAD_OPTION", MC_REASON_BAD_OPTION, 38},
	{"INTERNAL", MC_REASON_INTERNAL, 1},
	{NULL, 0, 0},
};

int lmc_result(int reason)
{
	for (const lmc_reason_row *row = lmc_reasons; row->name != NULL; row++) {
		if (row->reason == reason) {
			return row->result;
		}
	}
	return 1;
}

const char *lmc_result_text(int result)
{
	for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++) {
		if (results[i].result == result) {
			return results[i].text;
		}
	}
	return "FAILURE";
}

bool lmc_unknown(int reason)
{
	switch (reason) {
	case MC_REASON_UNAVAILABLE:
	case MC_REASON_TIMEOUT:
	case MC_REASON_NO_SERVERS:
	case MC_REASON_BAD_FILE:
	case MC_REASON_INTERNAL:
		return true;
	default:
		return false;
	}
}

void lmc_reason_constants(zend_class_entry *class)
{
	char name[64];

	for (const lmc_reason_row *row = lmc_reasons; row->name != NULL; row++) {
		int length = snprintf(name, sizeof(name), "REASON_%s", row->name);

		zend_declare_class_constant_long(class, name, length, row->reason);
	}
	for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++) {
		int length = snprintf(name, sizeof(name), "RES_%s", results[i].name);

		zend_declare_class_constant_long(class, name, length, results[i].result);
	}
}
