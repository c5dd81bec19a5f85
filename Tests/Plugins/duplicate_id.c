/* The plugin of minimal.c once more, in another version. */
#define PLUGIN_VERSION "2.0.0"
#include "minimal.h"
