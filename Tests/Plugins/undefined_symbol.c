/* A plugin that needs a function which nobody has. */
#include <stdint.h>
int a_function_that_nobody_has(void);
static int needed(void) { return a_function_that_nobody_has(); }
#define OPEN_RESULT needed()
#include "minimal.h"
