/* A plugin that does not want to be opened, and says why. */
#define OPEN_RESULT MARTLET_E_NOT_FOUND
#define OPEN_SAYS "the licence file is not there"
#include "minimal.h"
