// System calls that Swift cannot import, and the wrappers that keep two rules in one place:
// EINTR is retried here and nowhere else, and errors come back as a negative errno, so that no
// Swift code ever reads the thread's errno.
//
// What a request needs is a static inline: no object code of ours stands between Swift and libc.
// `_GNU_SOURCE` is not defined here, only in system.c: with it the C library's types would differ
// from those that Swift's own Glibc module was built with.
#ifndef MARTLET_SYSTEM_H
#define MARTLET_SYSTEM_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <malloc.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MARTLET_RETRY(call)                       \
  int64_t result;                                 \
  do {                                            \
    result = (int64_t)(call);                     \
  } while (result < 0 && errno == EINTR);         \
  return result < 0 ? -(int64_t)errno : result

static const uint32_t MARTLET_EPOLL_IN = EPOLLIN;
static const uint32_t MARTLET_EPOLL_OUT = EPOLLOUT;
static const uint32_t MARTLET_EPOLL_RDHUP = EPOLLRDHUP;
static const uint32_t MARTLET_EPOLL_HUP = EPOLLHUP;
static const uint32_t MARTLET_EPOLL_ERR = EPOLLERR;
static const uint32_t MARTLET_EPOLL_ET = EPOLLET;
static const uint32_t MARTLET_EPOLL_EXCLUSIVE = EPOLLEXCLUSIVE;

/// A readiness event, unpacked from the kernel's packed structure.
typedef struct {
  uint32_t events;
  uint64_t token;
} martlet_event;

static inline int32_t martlet_epoll_create(void) {
  int fd = epoll_create1(EPOLL_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

static inline int32_t martlet_epoll_add(int32_t epoll, int32_t fd, uint32_t events, uint64_t token) {
  struct epoll_event event = {.events = events, .data = {.u64 = token}};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static inline int32_t martlet_epoll_delete(int32_t epoll, int32_t fd) {
  return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) < 0 ? -errno : 0;
}

/// Not retried on EINTR: the loop looks at its clock and comes back. `timeout` is in
/// milliseconds, -1 for ever. `events` holds kernel events; read them with martlet_event_at.
static inline int32_t martlet_epoll_wait(int32_t epoll, struct epoll_event *events, int32_t max,
                                         int32_t timeout) {
  int count = epoll_wait(epoll, events, max, timeout);
  return count < 0 ? -errno : count;
}

static inline martlet_event martlet_event_at(const struct epoll_event *events, int32_t index) {
  martlet_event event = {events[index].events, events[index].data.u64};
  return event;
}

static inline int32_t martlet_eventfd(void) {
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

static inline int64_t martlet_read(int32_t fd, void *buffer, size_t count) {
  MARTLET_RETRY(read(fd, buffer, count));
}

static inline int64_t martlet_recv(int32_t fd, void *buffer, size_t count) {
  MARTLET_RETRY(recv(fd, buffer, count, 0));
}

/// MSG_NOSIGNAL: a peer that has gone is EPIPE, never SIGPIPE, whatever the embedder's signals.
static inline int64_t martlet_send(int32_t fd, const void *buffer, size_t count) {
  MARTLET_RETRY(send(fd, buffer, count, MSG_NOSIGNAL));
}

static inline int64_t martlet_sendv(int32_t fd, struct iovec *vectors, size_t count) {
  struct msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_iov = vectors;
  message.msg_iovlen = count;
  MARTLET_RETRY(sendmsg(fd, &message, MSG_NOSIGNAL));
}

static inline int64_t martlet_write(int32_t fd, const void *buffer, size_t count) {
  MARTLET_RETRY(write(fd, buffer, count));
}

/// A non-blocking connection, its peer's address in `address`.
int64_t martlet_accept(int32_t fd, struct sockaddr_storage *address, socklen_t *length);

static inline int64_t martlet_connect(int32_t fd, const struct sockaddr_storage *address,
                                      socklen_t length) {
  MARTLET_RETRY(connect(fd, (const struct sockaddr *)address, length));
}

static inline int64_t martlet_bind(int32_t fd, const struct sockaddr_storage *address,
                                   socklen_t length) {
  MARTLET_RETRY(bind(fd, (const struct sockaddr *)address, length));
}

static inline int64_t martlet_listen(int32_t fd, int32_t backlog) {
  MARTLET_RETRY(listen(fd, backlog));
}

/// A non-blocking stream socket.
static inline int64_t martlet_stream_socket(int32_t family) {
  MARTLET_RETRY(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

static inline int64_t martlet_shutdown_write(int32_t fd) { MARTLET_RETRY(shutdown(fd, SHUT_WR)); }

/// Never retried: on Linux the descriptor is gone even after EINTR.
static inline void martlet_close(int32_t fd) { (void)close(fd); }

static inline int64_t martlet_duplicate(int32_t fd) { MARTLET_RETRY(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

static inline int32_t martlet_set_option(int32_t fd, int32_t level, int32_t name, const void *value,
                                         socklen_t length) {
  return setsockopt(fd, level, name, value, length) < 0 ? -errno : 0;
}

static inline int32_t martlet_set_option_int(int32_t fd, int32_t level, int32_t name, int value) {
  return martlet_set_option(fd, level, name, &value, sizeof value);
}

/// SO_ERROR, or the negative errno of asking.
static inline int32_t martlet_socket_error(int32_t fd) {
  int error = 0;
  socklen_t length = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? -errno : error;
}

/* The smoothed round trip of a TCP connection in microseconds, or -errno. */
static inline int64_t martlet_round_trip(int32_t fd) {
  struct tcp_info info;
  socklen_t length = sizeof info;
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0 ? -errno : (int64_t)info.tcpi_rtt;
}

static inline int32_t martlet_local_address(int32_t fd, struct sockaddr_storage *address,
                                            socklen_t *length) {
  return getsockname(fd, (struct sockaddr *)address, length) < 0 ? -errno : 0;
}

/// Where a redirected connection was going (netfilter's SO_ORIGINAL_DST, both families: 80).
static inline int32_t martlet_original_destination(int32_t fd, int32_t is_ipv6,
                                                   struct sockaddr_storage *address,
                                                   socklen_t *length) {
  return getsockopt(fd, is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, 80, address, length) < 0 ? -errno : 0;
}

/// Nanoseconds of CLOCK_MONOTONIC.
static inline uint64_t martlet_monotonic_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/// A file that is appended to, made where it is missing.
static inline int64_t martlet_open_log(const char *path) {
  MARTLET_RETRY(open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644));
}

/// Nanoseconds since 1970.
static inline int64_t martlet_wall_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/// Seconds since 1970.
static inline int64_t martlet_wall_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now.tv_sec;
}

static inline int64_t martlet_random(void *buffer, size_t count) {
  MARTLET_RETRY(getrandom(buffer, count, 0));
}

/// A SO_LINGER of zero: the next close sends RST, which tells the peer that what it has may not
/// be whole.
static inline int32_t martlet_reset_on_close(int32_t fd) {
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  return martlet_set_option(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/// A pointer of the calling thread's own; NULL until it is set. For C functions that filters call with
/// a handle and nothing else: one load, since the variable lies in the program itself.
extern _Thread_local void *martlet_thread_pointer_value __attribute__((tls_model("initial-exec")));
static inline void martlet_set_thread_pointer(void *pointer) { martlet_thread_pointer_value = pointer; }
static inline void *martlet_thread_pointer(void) { return martlet_thread_pointer_value; }

/// Bytes that a block of malloc's has room for; 0 for NULL.
static inline size_t martlet_malloc_size(void *memory) { return malloc_usable_size(memory); }

/// A file in memory alone (memfd_create), close-on-exec.
static inline int32_t martlet_memory_file(const char *name) {
  return (int32_t)syscall(SYS_memfd_create, name, 1u /* MFD_CLOEXEC */);
}

/// Names the calling thread for top and gdb; 15 bytes at most are kept.
void martlet_name_thread(const char *name);

#endif
