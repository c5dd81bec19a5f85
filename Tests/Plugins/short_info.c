/* A filter whose info has no size. */
#define INFO_SIZE 0
#include "minimal.h"
