/* A descriptor without a version. */
#define PLUGIN_VERSION NULL
#include "minimal.h"
