/* An id with letters that an id may not have. */
#define PLUGIN_ID "com example/../minimal"
#include "minimal.h"
