/* A descriptor whose size is 0. */
#define PLUGIN_SIZE 0
#include "minimal.h"
