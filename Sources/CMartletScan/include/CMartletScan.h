// Looking at many bytes at once, for the parsers: in C, since the masks of Swift's SIMD types become
// calls and loops over single bytes (measured: 240 ns where this takes 3). The vectors are the
// compiler's own, so that the same lines serve SSE2 and NEON.
#ifndef MARTLET_SCAN_H
#define MARTLET_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t martlet_block __attribute__((vector_size(16)));

static inline uint64_t martlet_load8(const uint8_t *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

/// 0x80 in each byte of the word that no field value may hold: controls but HTAB, and DEL.
static inline uint64_t martlet_controls(uint64_t word) {
  const uint64_t ones = 0x0101010101010101, high = 0x80 * ones, low = 0x7f * ones;
  uint64_t tab = word ^ 0x09 * ones, del = word ^ 0x7f * ones;
  uint64_t visible = ((word & low) + 0x60 * ones) | word;
  uint64_t not_tab = ((tab & low) + low) | tab;
  uint64_t not_del = ((del & low) + low) | del;
  return ((~visible & not_tab) | ~not_del) & high;
}

/// Whether the bytes may stand in a field's value (RFC 9110 section 5.5): no control character but
/// HTAB; bytes above 0x7f pass (obs-text). Reads nothing beyond them.
static inline bool martlet_is_field_value(const uint8_t *bytes, size_t count) {
  if (count >= 16) {
    martlet_block bad = {0}, block;
    size_t index = 0;
    for (;;) {
      memcpy(&block, bytes + index, sizeof block);
      bad |= (martlet_block)((block < 0x20) & (block != 0x09)) | (martlet_block)(block == 0x7f);
      index += 16;
      if (index == count) break;
      // The last block lies over the end of the one before.
      if (index + 16 > count) index = count - 16;
    }
    uint64_t halves[2];
    memcpy(halves, &bad, sizeof halves);
    return (halves[0] | halves[1]) == 0;
  }
  if (count >= 8) {
    return (martlet_controls(martlet_load8(bytes)) | martlet_controls(martlet_load8(bytes + count - 8))) == 0;
  }
  for (size_t index = 0; index < count; index++) {
    uint8_t byte = bytes[index];
    if ((byte < 0x20 && byte != 0x09) || byte == 0x7f) return false;
  }
  return true;
}

#endif
