/* A plugin whose filter calls itself what the proxy has itself. */
#define PLUGIN_ID "com.example.router"
#define FILTER_NAME "envoy.filters.http.router"
#include "minimal.h"
