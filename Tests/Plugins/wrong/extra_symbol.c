/* A1: exports a function beside its entry. */
#include "wrong.h"

MARTLET_EXPORT int wrong_helper(void);
int wrong_helper(void) { return 1; }

WRONG_PLUGIN(usual_open, usual_create, usual_destroy, .on_complete = NULL)
