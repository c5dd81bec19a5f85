/* A library of one's own: who may come in, and why not. Nothing here knows of Martlet. */
#include <stdio.h>
#include <string.h>

int verdict(const char *agent, char *reason, size_t capacity) {
  if (strstr(agent, "curl")) return 0;
  snprintf(reason, capacity, "%s is not welcome", agent[0] ? agent : "nobody");
  return 1;
}
