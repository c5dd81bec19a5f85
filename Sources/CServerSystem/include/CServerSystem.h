// The few calls of the control side that Swift cannot import: GNU extensions of the C library.
// The data plane's are in CMartletSystem.
#ifndef MARTLET_SERVER_SYSTEM_H
#define MARTLET_SERVER_SYSTEM_H

#include <stdint.h>

/// The calling thread's id as the kernel and `top` show it.
int64_t martlet_thread_id(void);

/// Processors the affinity mask lets this process run on; 0 where the kernel does not say.
int64_t martlet_affinity_count(void);

/// Bytes the allocator has handed out, and bytes it has from the kernel.
void martlet_allocator(uint64_t *in_use, uint64_t *obtained);

#endif
