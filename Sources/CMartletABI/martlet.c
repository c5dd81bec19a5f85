/* A translation unit for the header: SwiftPM wants one, and it proves that the header stands
 * alone in C. */
#include "martlet.h"
