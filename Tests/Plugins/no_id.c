/* A descriptor without an id. */
#define PLUGIN_ID NULL
#include "minimal.h"
