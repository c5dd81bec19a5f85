/* A plugin that cannot work with any host. */
#define ENTRY_RESULT NULL
#include "minimal.h"
