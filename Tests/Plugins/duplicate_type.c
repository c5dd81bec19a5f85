/* Another plugin whose filter has another name and answers to the type of minimal.c's. */
#define PLUGIN_ID "com.example.another"
#define FILTER_NAME "com.example.another"
#include "minimal.h"
