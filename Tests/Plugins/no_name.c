/* A filter without a name. */
#define FILTER_NAME NULL
#include "minimal.h"
