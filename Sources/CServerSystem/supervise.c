// What a supervisor and its child need of the system: see the header.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "CServerSystem.h"

int64_t martlet_pair(int32_t *parent, int32_t *child) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return -errno;
  *parent = ends[0];
  *child = ends[1];
  return 0;
}

void martlet_receive_timeout(int32_t fd, int64_t milliseconds) {
  struct timeval time = {milliseconds / 1000, milliseconds % 1000 * 1000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

int64_t martlet_send_message(int32_t fd, const void *bytes, size_t size, int32_t passed) {
  struct iovec vector = {(void *)(uintptr_t)bytes, size};
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr header;
  } control;
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  if (passed >= 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &passed, sizeof passed);
  }
  ssize_t sent;
  do {
    sent = sendmsg(fd, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent;
}

int64_t martlet_receive_message(int32_t fd, void *bytes, size_t size, int32_t *passed) {
  struct iovec vector = {bytes, size};
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr header;
  } control;
  struct msghdr message = {.msg_iov = &vector,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  *passed = -1;
  ssize_t got;
  do {
    got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return -errno;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN(sizeof(int))) {
    memcpy(passed, CMSG_DATA(header), sizeof *passed);
  }
  return got;
}

static void fill(sigset_t *set) {
  const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};
  sigemptyset(set);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaddset(set, signals[i]);
}

int32_t martlet_supervisor_signals(void) {
  sigset_t set;
  fill(&set);
  signal(SIGPIPE, SIG_IGN);
  sigprocmask(SIG_BLOCK, &set, NULL);
  int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

int32_t martlet_next_signal(int32_t fd) {
  struct signalfd_siginfo info;
  return read(fd, &info, sizeof info) == sizeof info ? (int32_t)info.ssi_signo : 0;
}

int32_t martlet_wait_readable(int32_t first, int32_t second, int64_t milliseconds) {
  struct pollfd waited[2] = {{first, POLLIN, 0}, {second, POLLIN, 0}};
  int count = poll(waited, second >= 0 ? 2 : 1, milliseconds > 1 << 30 ? 1 << 30 : (int)milliseconds);
  if (count <= 0) return 0;
  int32_t result = waited[0].revents ? 1 : 0;
  if (second >= 0 && waited[1].revents & POLLIN) result |= 2;
  // Its other end is gone, and nothing is left to be read.
  if (second >= 0 && !(waited[1].revents & POLLIN) && waited[1].revents) result |= 4;
  return result;
}

int64_t martlet_start_child(char *const *arguments, char *const *environment, int32_t first, int32_t second) {
  pid_t parent = getpid();
  pid_t child = fork();
  if (child != 0) return child < 0 ? -errno : child;
  // A group of its own: a terminal's Ctrl-C goes to the supervisor, which passes it on once.
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(1);
  fcntl(first, F_SETFD, 0);
  fcntl(second, F_SETFD, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  execve("/proc/self/exe", arguments, environment);
  _exit(127);
}

int64_t martlet_reap(int64_t child, int32_t *code, int32_t *signal_number, int32_t *dumped) {
  int status = 0;
  pid_t ended = waitpid((pid_t)child, &status, WNOHANG);
  if (ended <= 0) return ended < 0 ? -errno : 0;
  *code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  *signal_number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  *dumped = WIFSIGNALED(status) && WCOREDUMP(status);
  return ended;
}

int32_t martlet_shared_memory(size_t size, void **memory) {
  int fd = memfd_create("martlet-crash", MFD_CLOEXEC);
  if (fd < 0) return -errno;
  if (ftruncate(fd, (off_t)size) != 0) return -errno;
  *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return *memory == MAP_FAILED ? -errno : fd;
}

void *martlet_map_shared(int32_t fd, size_t size) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

int32_t martlet_text_file(const void *bytes, size_t size) {
  int fd = memfd_create("martlet-plugin", MFD_CLOEXEC);
  if (fd < 0) return -errno;
  size_t done = 0;
  while (done < size) {
    ssize_t count = write(fd, (const char *)bytes + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      close(fd);
      return -EIO;
    }
    done += (size_t)count;
  }
  return fd;
}

void martlet_close_on_exec(int32_t fd) { fcntl(fd, F_SETFD, FD_CLOEXEC); }
