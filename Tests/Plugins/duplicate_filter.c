/* Another plugin whose filter has the name of minimal.c's. */
#define PLUGIN_ID "com.example.other"
#include "minimal.h"
