// The one thing of this module that is not an inline: a pointer per thread, for C functions that
// are called by filters with a handle and nothing else.
#include "CMartletSystem.h"

static _Thread_local void *thread_pointer;

void martlet_set_thread_pointer(void *pointer) { thread_pointer = pointer; }
void *martlet_thread_pointer(void) { return thread_pointer; }
