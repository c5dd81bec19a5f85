// The last lines of a process that dies by a signal: which plugin was being called, on whose behalf.
// Everything here is done in a signal handler: no allocation, no lock, no stdio, no locale.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "internal.h"

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
enum { signal_count = sizeof fatal_signals / sizeof *fatal_signals };
static struct sigaction previous[signal_count];

static int32_t log_descriptor = -1;
static martlet_crash *shared;
// The thread that reports; 0: none yet.
static int32_t reporting;
static int32_t is_done;

// Where the code of plugins lies. Only ever grows; an entry counts when its `end` is set.
enum { library_count = 256 };
static struct {
  uintptr_t start, end;
  const martlet_tally *owner;
} libraries[library_count];
static uint32_t library_next;

// ---- Text

typedef struct {
  char *data;
  size_t capacity, size;
} text;

static void add_bytes(text *out, const char *bytes, size_t size) {
  for (size_t i = 0; i < size && out->size + 1 < out->capacity; i++) out->data[out->size++] = bytes[i];
  if (out->capacity) out->data[out->size] = 0;
}

static void add(text *out, const char *words) { add_bytes(out, words, strlen(words)); }

static void add_number(text *out, uint64_t number, unsigned base) {
  char digits[24];
  size_t at = sizeof digits;
  do {
    digits[--at] = "0123456789abcdef"[number % base];
    number /= base;
  } while (number);
  add_bytes(out, digits + at, sizeof digits - at);
}

// How many characters stand for a byte.
static size_t escaped_size(uint8_t byte) {
  if (byte == '"' || byte == '\\') return 2;
  return byte >= 0x20 && byte < 0x7f ? 1 : 4;
}

size_t martlet_escape(char *out, size_t capacity, const uint8_t *bytes, size_t size) {
  static const char digits[] = "0123456789abcdef";
  if (capacity < 4) {
    if (capacity) *out = 0;
    return 0;
  }
  size_t whole = 0, filled = 0;
  for (size_t i = 0; i < size && whole < capacity; i++) whole += escaped_size(bytes[i]);
  bool is_cut = whole >= capacity;
  for (size_t i = 0; i < size; i++) {
    uint8_t byte = bytes[i];
    size_t needs = escaped_size(byte);
    // Room for `...` and the NUL.
    if (is_cut && filled + needs + 4 > capacity) {
      memcpy(out + filled, "...", 3);
      filled += 3;
      break;
    }
    if (needs == 1) {
      out[filled++] = (char)byte;
      continue;
    }
    out[filled++] = '\\';
    if (needs == 2) {
      out[filled++] = (char)byte;
      continue;
    }
    out[filled++] = 'x';
    out[filled++] = digits[byte >> 4];
    out[filled++] = digits[byte & 15];
  }
  out[filled] = 0;
  return filled;
}

// ---- Memory that may not be there

// The kernel copies: a pointer that leads nowhere is an error and no second fault.
static bool read_memory(void *to, const void *from, size_t size, bool is_crash) {
  struct iovec here = {to, size}, there = {(void *)(uintptr_t)from, size};
  if (!from) return false;
  long done = syscall(SYS_process_vm_readv, (long)getpid(), &here, 1ul, &there, 1ul, 0ul);
  if (done == (long)size) return true;
  // Forbidden by a sandbox. What has been written until now has been written.
  if (is_crash && done < 0 && (errno == EPERM || errno == ENOSYS)) {
    memcpy(to, from, size);
    return true;
  }
  return false;
}

static void add_quoted(text *out, const uint8_t *from, uint64_t size, size_t most, bool is_crash) {
  uint8_t bytes[512];
  char escaped[1024];
  size_t count = size < most ? (size_t)size : most;
  if (!read_memory(bytes, from, count, is_crash)) return;
  martlet_escape(escaped, sizeof escaped, bytes, count);
  add(out, " \"");
  add(out, escaped);
  add(out, count < size ? "...\"" : "\"");
}

size_t martlet_describe(const martlet_subject *subject, char *data, size_t capacity, bool is_crash) {
  text out = {data, capacity, 0};
  martlet_subject copy;
  if (capacity) *data = 0;
  if (!subject || !read_memory(&copy, subject, sizeof copy, is_crash)) return 0;
  add(&out, "connection ");
  add_number(&out, copy.connection, 10);
  if (!copy.method_size) return out.size;
  uint8_t method[32];
  char escaped[136];
  size_t count = copy.method_size < sizeof method ? (size_t)copy.method_size : sizeof method;
  if (!read_memory(method, copy.method, count, is_crash)) return out.size;
  martlet_escape(escaped, sizeof escaped, method, count);
  add(&out, ", ");
  add(&out, escaped);
  if (count < copy.method_size) add(&out, "...");
  if (copy.authority_size) add_quoted(&out, copy.authority, copy.authority_size, 128, is_crash);
  add_quoted(&out, copy.path, copy.path_size, 512, is_crash);
  return out.size;
}

// ---- The report

static const char *signal_name(int number) {
  switch (number) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGILL: return "SIGILL";
    case SIGFPE: return "SIGFPE";
    case SIGABRT: return "SIGABRT";
    default: return "SIGTRAP";
  }
}

static void write_all(const text *out) {
  int32_t descriptors[2] = {STDERR_FILENO, __atomic_load_n(&log_descriptor, __ATOMIC_RELAXED)};
  for (int i = 0; i < 2; i++) {
    size_t done = 0;
    while (descriptors[i] >= 0 && done < out->size) {
      ssize_t count = write(descriptors[i], out->data + done, out->size - done);
      if (count > 0) {
        done += (size_t)count;
      } else if (errno != EINTR) {
        break;
      }
    }
  }
}

static uintptr_t place_of(void *context) {
#if defined(__x86_64__)
  return (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
  return (uintptr_t)((ucontext_t *)context)->uc_mcontext.pc;
#else
  (void)context;
  return 0;
#endif
}

static const martlet_tally *library_at(uintptr_t place) {
  for (uint32_t i = 0; i < library_count; i++) {
    uintptr_t end = __atomic_load_n(&libraries[i].end, __ATOMIC_ACQUIRE);
    if (place >= libraries[i].start && place < end) return libraries[i].owner;
  }
  return NULL;
}

static void set(char *to, size_t capacity, const char *words) {
  text out = {to, capacity, 0};
  add(&out, words);
}

// `hook` NULL: a thread of the plugin's own.
static void add_blame(text *out, const martlet_tally *tally, const char *hook, int number) {
  add(out, "[fatal] plugin ");
  add(out, tally->plugin);
  add(out, " ");
  add(out, tally->version);
  add(out, ", sha256 ");
  add(out, tally->hash);
  if (hook && *tally->filter) {
    add(out, ", filter ");
    char name[256];
    martlet_escape(name, sizeof name, (const uint8_t *)tally->filter, strlen(tally->filter));
    add(out, name);
  }
  add(out, hook ? ", function " : ", a thread of its own");
  if (hook) add(out, hook);
  add(out, "\n");
  if (!shared) return;
  shared->signal = number;
  set(shared->plugin, sizeof shared->plugin, tally->plugin);
  set(shared->version, sizeof shared->version, tally->version);
  set(shared->hash, sizeof shared->hash, tally->hash);
  set(shared->filter, sizeof shared->filter, hook ? tally->filter : "");
  set(shared->hook, sizeof shared->hook, hook ? hook : "thread");
  __atomic_store_n(&shared->is_blamed, 1, __ATOMIC_RELEASE);
}

static void report(int number, const siginfo_t *info, void *context) {
  static char lines[8192];
  text out = {lines, sizeof lines, 0};
  const martlet_slot *slot = &martlet_own_slot;
  uint32_t hook = 0;
  const martlet_tally *tally = slot->call ? martlet_tally_of(slot->call, &hook) : NULL;
  if (tally && !tally->plugin) tally = NULL;
  const martlet_tally *owner = tally ? NULL : library_at(place_of(context));
  add(&out, "[fatal] signal ");
  add_number(&out, (uint64_t)number, 10);
  add(&out, " (");
  add(&out, signal_name(number));
  if (info->si_code > 0 && number != SIGABRT && number != SIGTRAP) {
    add(&out, ", address 0x");
    add_number(&out, (uintptr_t)info->si_addr, 16);
  }
  add(&out, ") on thread ");
  add(&out, slot->serial ? slot->name : "");
  add(&out, slot->serial ? " (" : "(");
  add_number(&out, (uint64_t)syscall(SYS_gettid), 10);
  add(&out, tally || owner ? ")\n" : "); no plugin was being called\n");
  if (tally) add_blame(&out, tally, martlet_hook_name(hook), number);
  if (owner) add_blame(&out, owner, NULL, number);
  write_all(&out);
  if (!tally || !slot->subject) return;
  // Apart: what is read for it may be what the plugin has destroyed.
  static char subject[1024];
  if (martlet_describe(slot->subject, subject, sizeof subject, true) == 0) return;
  out.size = 0;
  add(&out, "[fatal] ");
  add(&out, subject);
  add(&out, "\n");
  write_all(&out);
  if (shared) set(shared->subject, sizeof shared->subject, subject);
}

static void handle(int number, siginfo_t *info, void *context) {
  int error = errno, index = 0;
  int32_t self = (int32_t)syscall(SYS_gettid), nobody = 0;
  while (index < signal_count - 1 && fatal_signals[index] != number) index++;
  if (__atomic_compare_exchange_n(&reporting, &nobody, self, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    report(number, info, context);
    __atomic_store_n(&is_done, 1, __ATOMIC_RELEASE);
  } else if (nobody != self) {
    // Another thread reports: its lines come first, and the process ends by its signal.
    for (int round = 0; round < 200 && !__atomic_load_n(&is_done, __ATOMIC_ACQUIRE); round++) {
      struct timespec time = {0, 10000000};
      nanosleep(&time, NULL);
    }
  }
  // What it would have done without us: the core dump, or another handler's backtrace. A fault comes
  // again when this returns; what was sent, or lies behind the instruction, is sent again.
  sigaction(number, &previous[index], NULL);
  if (info->si_code <= 0 || number == SIGABRT || number == SIGTRAP) {
    syscall(SYS_tgkill, (long)getpid(), (long)self, (long)number);
  }
  errno = error;
}

// Whether handlers that were there before run after ours. Those of sanitizers do. Swift's backtrace is
// asked for by its variable: by default it would stand behind the report, take seconds, and a terminal
// would see it instead of the process's end.
static bool chains(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return true;
#endif
#endif
  return getenv("SWIFT_BACKTRACE") != NULL;
}

void martlet_crash_yield(int number) {
  if (!__atomic_load_n(&reporting, __ATOMIC_ACQUIRE)) return;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  raise(number);
}

void martlet_crash_install(void) {
  static int32_t is_installed;
  if (__atomic_exchange_n(&is_installed, 1, __ATOMIC_ACQ_REL)) return;
  for (int i = 0; i < signal_count; i++) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    sigaction(fatal_signals[i], &action, &previous[i]);
    if (chains()) continue;
    memset(&previous[i], 0, sizeof previous[i]);
    previous[i].sa_handler = SIG_DFL;
  }
}

void martlet_crash_log(int32_t descriptor) {
  __atomic_store_n(&log_descriptor, descriptor, __ATOMIC_RELAXED);
}

void martlet_crash_share(martlet_crash *page) { shared = page; }

// ---- Libraries

void martlet_crash_library(const void *start, const void *end, const martlet_tally *owner) {
  uint32_t index = __atomic_fetch_add(&library_next, 1, __ATOMIC_RELAXED);
  if (index >= library_count) return;
  libraries[index].start = (uintptr_t)start;
  libraries[index].owner = owner;
  __atomic_store_n(&libraries[index].end, (uintptr_t)end, __ATOMIC_RELEASE);
}

struct search {
  uintptr_t base, end;
};

static int visit(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  struct search *search = context;
  if (info->dlpi_addr != search->base) return 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type != PT_LOAD) continue;
    uintptr_t end = info->dlpi_addr + header->p_vaddr + header->p_memsz;
    if (end > search->end) search->end = end;
  }
  return 1;
}

void martlet_crash_library_of(void *library, const martlet_tally *owner) {
  struct link_map *map = NULL;
  if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0 || !map) return;
  struct search search = {map->l_addr, 0};
  dl_iterate_phdr(visit, &search);
  if (search.end) martlet_crash_library((const void *)search.base, (const void *)search.end, owner);
}
