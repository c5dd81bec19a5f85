/* A filter whose table is too short to be one. */
#define FILTER_SIZE 16
#include "minimal.h"
