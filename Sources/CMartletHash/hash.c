/* The hash itself, compiled into this file: see include/martlet_hash.h. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "martlet_hash.h"

uint64_t martlet_xxhash64(const void *bytes, size_t length, uint64_t seed) {
  return XXH64(bytes, length, seed);
}
