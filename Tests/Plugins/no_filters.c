/* A plugin that can do nothing. */
#define NO_FILTERS
#include "minimal.h"
