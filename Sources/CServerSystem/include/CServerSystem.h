// The few calls of the control side that Swift cannot import: GNU extensions of the C library.
// The data plane's are in CMartletSystem.
#ifndef MARTLET_SERVER_SYSTEM_H
#define MARTLET_SERVER_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

/// The calling thread's id as the kernel and `top` show it.
int64_t martlet_thread_id(void);

/// Processors the affinity mask lets this process run on; 0 where the kernel does not say.
int64_t martlet_affinity_count(void);

/// Bytes the allocator has handed out, and bytes it has from the kernel.
void martlet_allocator(uint64_t *in_use, uint64_t *obtained);

// ---- A supervisor and its child

/// Two ends of a connection that keeps messages apart. 0, or a negative errno.
int64_t martlet_pair(int32_t *parent, int32_t *child);
/// How long a message may be waited for.
void martlet_receive_timeout(int32_t fd, int64_t milliseconds);
/// A message, and with it a descriptor (-1: none). A negative errno on failure.
int64_t martlet_send_message(int32_t fd, const void *bytes, size_t size, int32_t passed);
/// Its length; 0: the other end is gone. `passed` is -1 where no descriptor came with it.
int64_t martlet_receive_message(int32_t fd, void *bytes, size_t size, int32_t *passed);

/// Blocks TERM, INT, HUP, USR1 and CHLD, and gives a descriptor that they are read from.
int32_t martlet_supervisor_signals(void);
/// The next one; 0: none.
int32_t martlet_next_signal(int32_t fd);
/// Bit 0: the first can be read; bit 1: the second (-1: none); bit 2: the second's other end is gone.
int32_t martlet_wait_readable(int32_t first, int32_t second, int64_t milliseconds);
/// This program again, with both descriptors open. Its process id, or a negative errno.
int64_t martlet_start_child(char *const *arguments, char *const *environment, int32_t first, int32_t second);
/// How the child has ended; 0: it has not. `code` is -1 and `signal` set where it died by one.
int64_t martlet_reap(int64_t child, int32_t *code, int32_t *signal, int32_t *dumped);

/// Memory that a child can map by the descriptor.
int32_t martlet_shared_memory(size_t size, void **memory);
void *martlet_map_shared(int32_t fd, size_t size);
/// A file in memory alone with these bytes.
int32_t martlet_text_file(const void *bytes, size_t size);
void martlet_close_on_exec(int32_t fd);

#endif
