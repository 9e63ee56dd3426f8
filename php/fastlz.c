/*
 Unpacks what FastLZ packed, its levels 1 and 2: php-memcached packs every value of more than 2,000 bytes
 that way unless told otherwise. Written from the format, which is: tokens that begin with a byte.

   below 32   so many bytes and one more follow as they are
   else       upper three bits: length - 2; 7: further length follows (level 2: bytes until one is not 255).
              Lower five bits and a byte: how far back, less one. Level 2: all ones, and two more bytes follow
              that are added

 The first byte's upper three bits are the level, less one. The bytes come from a server, so none of them
 is believed.
*/
#include "php_libmemcache.h"

size_t lmc_fastlz_unpack(const unsigned char *packed, size_t length, unsigned char *room, size_t size)
{
	const unsigned char *at = packed, *end = packed + length;
	size_t filled = 0;
	unsigned token;
	bool second;

	if (length == 0 || (packed[0] >> 5) > 1) {
		return 0;
	}
	second = packed[0] >> 5 == 1;
	token = *at++ & 31;
	for (;;) {
		if (token < 32) {
			size_t plain = token + 1;

			if (plain > (size_t)(end - at) || plain > size - filled) {
				return 0;
			}
			memcpy(room + filled, at, plain);
			at += plain;
			filled += plain;
		} else {
			size_t copied = (token >> 5) + 2, back = (token & 31) << 8;
			unsigned more;

			if (token >> 5 == 7) {
				do {
					if (at == end) {
						return 0;
					}
					more = *at++;
					copied += more;
				} while (second && more == 255);
			}
			if (at == end) {
				return 0;
			}
			more = *at++;
			back += more;
			if (second && back == (31 << 8) + 255) {
				if (end - at < 2) {
					return 0;
				}
				back = (31 << 8) + 255 + ((size_t)at[0] << 8) + at[1];
				at += 2;
			}
			back++;
			if (back > filled || copied > size - filled) {
				return 0;
			}
			/* One by one: what is copied may be what was just written. */
			for (; copied > 0; copied--, filled++) {
				room[filled] = room[filled - back];
			}
		}
		if (at == end) {
			return filled;
		}
		token = *at++;
	}
}
