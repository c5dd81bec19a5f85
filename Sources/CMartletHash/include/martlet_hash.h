/* The hash that Envoy balances load by: 64-bit xxHash, from Debian's libxxhash-dev (its header alone,
 * nothing is linked). */
#ifndef MARTLET_HASH_H
#define MARTLET_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t martlet_xxhash64(const void *bytes, size_t length, uint64_t seed);

#endif
