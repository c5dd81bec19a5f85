// What the benchmark's origin (backend.c) and load client (client.c) have in common: the byte
// pattern that both send, kept in a memory file so that it leaves by sendfile without a copy,
// and the exchange protocol of the TCP rows.
//
// Exchange, over one TCP connection, repeated:
//
//     client -> origin   struct exchange (16 bytes), then `up` bytes of the pattern
//     origin -> client   `down` bytes of the pattern
//
// With EXCHANGE_CHECK set in `up` the origin looks at every byte and answers with the 8-byte
// FNV-1a hash of what arrived before the `down` bytes. The measured runs leave it out: there
// both ends discard (MSG_TRUNC) so that the proxy in the middle is the one that is busy.
#ifndef MARTLET_BENCH_WIRE_H
#define MARTLET_BENCH_WIRE_H

#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATTERN_BYTES (1u << 20)
#define EXCHANGE_CHECK (1ull << 63)

struct exchange {
  uint64_t up;
  uint64_t down;
};

static inline void die(const char *what) {
  perror(what);
  exit(1);
}

/// The pattern's byte at `i`: no period that divides a buffer size, so that a piece that is lost,
/// repeated or moved changes the content.
static inline uint8_t pattern_byte(uint64_t i) { return (uint8_t)((i * 131) + (i >> 8)); }

/// A memory file that holds the pattern once (1 MiB).
static inline int pattern_file(void) {
  int fd = memfd_create("pattern", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, PATTERN_BYTES) < 0) die("memfd");
  uint8_t *bytes = mmap(NULL, PATTERN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED) die("mmap");
  for (uint64_t i = 0; i < PATTERN_BYTES; i++) bytes[i] = pattern_byte(i);
  munmap(bytes, PATTERN_BYTES);
  return fd;
}

/// Sends up to `*left` bytes of the endless pattern, of which `*sent` have gone before.
/// Returns 1 when all is out, 0 when the socket is full, -1 on an error.
static inline int send_pattern(int fd, int pattern, uint64_t *sent, uint64_t *left) {
  while (*left > 0) {
    off_t offset = (off_t)(*sent % PATTERN_BYTES);
    uint64_t piece = PATTERN_BYTES - (uint64_t)offset;
    ssize_t n = sendfile(fd, pattern, &offset, piece < *left ? piece : *left);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN ? 0 : -1;
    *sent += (uint64_t)n;
    *left -= (uint64_t)n;
  }
  return 1;
}

static inline void no_delay(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

#endif
