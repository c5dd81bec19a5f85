/* A descriptor without `open`. */
#define NO_OPEN
#include "minimal.h"
