// What the files of this target know of each other.
#ifndef MARTLET_BLAME_INTERNAL_H
#define MARTLET_BLAME_INTERNAL_H

#include "CMartletBlame.h"

/// The tally whose count it is, and which one.
martlet_tally *martlet_tally_of(const uint64_t *call, uint32_t *hook);

/// `connection 7, GET "example.com" "/path"`, or nothing. Safe in a signal handler, and where the
/// memory is not there any more. `is_crash`: the process is ending, so that memory is read directly
/// where the kernel does not read it for us.
size_t martlet_describe(const martlet_subject *subject, char *out, size_t capacity, bool is_crash);

#endif
