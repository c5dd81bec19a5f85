// What the resolver needs of c-ares: the library's own header, and its results as numbers, which
// are macros in some releases and an enumeration in others.
#include <ares.h>
#include <stdint.h>

static const int32_t MARTLET_ARES_SUCCESS = ARES_SUCCESS;
static const int32_t MARTLET_ARES_ENODATA = ARES_ENODATA;
static const int32_t MARTLET_ARES_ENOTFOUND = ARES_ENOTFOUND;
static const int32_t MARTLET_ARES_ETIMEOUT = ARES_ETIMEOUT;
static const int32_t MARTLET_ARES_EDESTRUCTION = ARES_EDESTRUCTION;
