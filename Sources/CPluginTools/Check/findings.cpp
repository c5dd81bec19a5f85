// What is found is written at once, a line each, so that it stands when the process ends the moment after.
// Signals that a plugin's mistakes raise become the last finding: which hook it was in, and whose rule it
// was.
#include <execinfo.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <set>

#include "engine.h"

namespace tools {

Options options;
thread_local Frame frame = {nullptr, nullptr};
thread_local int insideHost = 0;
std::atomic<const char *> place{nullptr};
std::atomic<bool> isClosed{false};

static void put(const char *text, size_t size) {
  while (size > 0) {
    const ssize_t done = write(options.report, text, size);
    if (done <= 0) return;
    text += done;
    size -= size_t(done);
  }
}

pid_t thread() {
  static thread_local pid_t own = pid_t(syscall(SYS_gettid));
  return own;
}

std::string here() {
  std::string result = frame.hook ? std::string("in ") + frame.hook : "outside of any hook";
  if (const char *what = exchange(); *what) result += std::string(" (") + what + ")";
  return result;
}

void violated(const char *requirement, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  static std::mutex lock;
  static std::set<std::string> known;
  std::lock_guard<std::mutex> guard(lock);
  // A few of a kind say enough.
  static std::set<std::string> many;
  if (known.size() > 200) return;
  std::string line = std::string("V ") + requirement + " " + text;
  for (char &letter : line) {
    if (letter == '\n' || letter == '\r') letter = ' ';
  }
  if (!known.insert(line).second) return;
  line += "\n";
  put(line.data(), line.size());
}

void ended(const char *requirement, const char *text) {
  char line[1024];
  const int size = snprintf(line, sizeof line, "C %s %s\n", requirement, text);
  put(line, size < int(sizeof line) ? size_t(size) : sizeof line - 1);
  _exit(3);
}

// ---- Signals

static const char *nameOf(int number) {
  switch (number) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGILL: return "SIGILL";
    case SIGTRAP: return "SIGTRAP";
    case SIGFPE: return "SIGFPE";
    case SIGABRT: return "SIGABRT";
    default: return "a signal";
  }
}

static bool isWrite(const void *context) {
#if defined(__x86_64__)
  return static_cast<const ucontext_t *>(context)->uc_mcontext.gregs[REG_ERR] & 2;
#else
  (void)context;
  return false;
#endif
}

static void onSignal(int number, siginfo_t *info, void *context) {
  // A second one would be this handler's own.
  signal(number, SIG_DFL);
  char text[900], what[400];
  const char *requirement = "A21";
  const char *during = exchange();
  const char *where = frame.hook ? frame.hook : place.load();
  what[0] = 0;
  if (number == SIGSEGV || number == SIGBUS) {
    const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
    if (!explainFault(address, isWrite(context), &requirement, what, sizeof what)) {
      snprintf(what, sizeof what, "%s at the address %#lx", nameOf(number), (unsigned long)address);
      if (!where) requirement = "HOST";
    }
  } else {
    requirement = where ? "A5" : "HOST";
    snprintf(what, sizeof what, "ended the process by %s%s", nameOf(number),
             number == SIGABRT ? ": an exception or panic that nothing caught, a failed assertion or a "
                                 "heap that was written over"
             : number == SIGILL || number == SIGTRAP ? ": a trap, such as a failed precondition or overflow"
                                                     : "");
  }
  snprintf(text, sizeof text, "%s: %s%s%s%s", where ? where : "outside of any hook", what,
           *during ? " (" : "", during, *during ? ")" : "");
  ended(requirement, text);
}

void prepareThread() {
  static thread_local bool isDone = false;
  if (isDone) return;
  isDone = true;
  // The host's threads have a stack for signals, and so has every thread under a sanitizer.
  stack_t present;
  if (sigaltstack(nullptr, &present) != 0 || !(present.ss_flags & SS_DISABLE)) return;
  static thread_local char stack[1 << 15];
  stack_t alternate = {};
  alternate.ss_sp = stack;
  alternate.ss_size = sizeof stack;
  sigaltstack(&alternate, nullptr);
}

void takeSignals() {
  prepareThread();
  struct sigaction action = {};
  action.sa_sigaction = onSignal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (int number : {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT}) sigaction(number, &action, nullptr);
}

}  // namespace tools

void martlet_tools_place(const char *text) { tools::place = text; }

void martlet_tools_say(const char *line) {
  const std::string whole = std::string(line) + "\n";
  tools::put(whole.data(), whole.size());
}
