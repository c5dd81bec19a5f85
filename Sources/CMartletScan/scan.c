// The functions are static inline; see the header.
#include "CMartletScan.h"
