// Facts of the whole process: memory in use, and what belongs to the process rather than to a plugin.
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "plugin_tools.h"

uint64_t martlet_tools_heap(void) {
  const struct mallinfo2 all = mallinfo2();
  return uint64_t(all.uordblks) + uint64_t(all.hblkhd);
}

size_t martlet_tools_process_state(char *out, size_t capacity) {
  std::string text;
  for (int number = 1; number < NSIG; number++) {
    struct sigaction action;
    if (sigaction(number, nullptr, &action) != 0) continue;
    const void *handler = action.sa_flags & SA_SIGINFO ? (const void *)action.sa_sigaction
                                                       : (const void *)action.sa_handler;
    text += "signal " + std::to_string(number) + "=";
    text += std::to_string(reinterpret_cast<uintptr_t>(handler)) + "\n";
  }
  text += std::string("locale=") + setlocale(LC_ALL, nullptr) + "\n";
  char folder[4096];
  text += std::string("directory=") + (getcwd(folder, sizeof folder) ? folder : "?") + "\n";
  const mode_t mask = umask(022);
  umask(mask);
  text += "file mask=" + std::to_string(mask) + "\n";
  for (char **entry = environ; entry && *entry; entry++) text += std::string("environment ") + *entry + "\n";
  if (capacity > 0) memcpy(out, text.data(), std::min(capacity, text.size()));
  return text.size();
}
