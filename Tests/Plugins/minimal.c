/* The smallest plugin that loads. */
#include "minimal.h"
