/* A filter without `create`. */
#define NO_CREATE
#include "minimal.h"
