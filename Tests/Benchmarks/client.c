// The benchmark's load client, for the rows that wrk cannot do or would itself be the limit of:
// one thread, edge-triggered epoll, a fixed number of connections that each send the next request
// when the answer to the last has come. Bodies leave by sendfile and arrive into nothing
// (MSG_TRUNC), so that a core is enough to keep a proxy on another core busy.
//
//     client http     PORT CONNECTIONS SECONDS METHOD PATH BODY-BYTES
//     client exchange PORT CONNECTIONS SECONDS UP DOWN          (see wire.h)
//     client idle     PORT CONNECTIONS PATH
//
// The first two print one line of JSON at the end. `idle` opens its connections a few
// at a time, has one request answered on each, prints "ready", holds them until its standard input
// closes and then prints how many are still open. Anything but a complete 2xx answer counts as an
// error, and its connection is opened anew.
#include "wire.h"

#include <fcntl.h>
#include <poll.h>
#include <time.h>

#define EVENTS 256
#define BATCH 4  // connections that `idle` has a request under way on at once
#define HEAD_BYTES 8192  // a larger answer head is an error

struct connection {
  int fd;
  size_t head_sent;    // of `request`
  uint64_t body_sent, body_left;
  size_t input_count;  // of `input`: the answer's head
  int in_body;
  uint64_t answer_left;
  uint64_t began;      // nanoseconds
  char input[HEAD_BYTES];
};

static int epoll_fd, pattern_fd, is_exchange;
static uint16_t port;
static char request[1024];
static size_t request_count;
static uint64_t request_body, answer_bytes;  // the latter for exchanges; HTTP answers say their own
static uint64_t deadline, completed, errors, failed_status, bytes_up, bytes_down;
static uint32_t *latencies;  // microseconds
static size_t latency_room;

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static int open_connection(void) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
  no_delay(fd);
  return fd;
}

static void begin(struct connection *c) {
  c->began = now();
  c->head_sent = c->body_sent = c->input_count = 0;
  c->body_left = request_body;
  c->in_body = is_exchange;
  c->answer_left = answer_bytes;
}

static void attach(struct connection *c) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
  c->fd = open_connection();
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  begin(c);
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0) die("epoll_ctl");
}

static int flush(struct connection *c) {
  while (c->head_sent < request_count) {
    int flags = MSG_NOSIGNAL | (c->body_left ? MSG_MORE : 0);
    ssize_t n = send(c->fd, request + c->head_sent, request_count - c->head_sent, flags);
    if (n < 0) return errno == EAGAIN ? 0 : -1;
    c->head_sent += (size_t)n;
    bytes_up += (uint64_t)n;
  }
  uint64_t before = c->body_left;
  int state = send_pattern(c->fd, pattern_fd, &c->body_sent, &c->body_left);
  bytes_up += before - c->body_left;
  return state;
}

/// Reads the answer's head when it is complete. 1: done; 0: more is needed; -1: unusable.
static int read_head(struct connection *c) {
  c->input[c->input_count] = 0;
  char *end = strstr(c->input, "\r\n\r\n");
  if (!end) return c->input_count < HEAD_BYTES - 1 ? 0 : -1;
  size_t head = (size_t)(end + 4 - c->input);
  char *length = strcasestr(c->input, "\r\ncontent-length:");
  if (strncmp(c->input, "HTTP/1.1 2", 10) != 0) failed_status++;
  if (!length || length > end) return -1;
  c->answer_left = strtoull(length + 17, NULL, 10);
  if (c->input_count - head > c->answer_left) return -1;
  c->answer_left -= c->input_count - head;
  c->in_body = 1;
  return 1;
}

/// Reads until the answer is complete (1), the socket is empty (0) or has failed (-1).
static int receive(struct connection *c) {
  for (;;) {
    if (c->in_body && c->answer_left == 0) return 1;
    ssize_t n;
    if (c->in_body) {
      n = recv(c->fd, c->input, c->answer_left < (1 << 30) ? c->answer_left : (1 << 30), MSG_TRUNC);
      if (n > 0) c->answer_left -= (uint64_t)n;
    } else {
      n = recv(c->fd, c->input + c->input_count, HEAD_BYTES - 1 - c->input_count, 0);
      if (n > 0) c->input_count += (size_t)n;
    }
    if (n < 0) return errno == EAGAIN ? 0 : -1;
    if (n == 0) return -1;
    bytes_down += (uint64_t)n;
    if (!c->in_body && read_head(c) < 0) return -1;
  }
}

static void complete(struct connection *c) {
  if (completed == latency_room) {
    latency_room = latency_room ? latency_room * 2 : 1 << 16;
    latencies = realloc(latencies, latency_room * sizeof *latencies);
    if (!latencies) die("realloc");
  }
  latencies[completed++] = (uint32_t)((now() - c->began) / 1000);
  if (c->body_left) errors++;  // answered before the body was sent
}

static void work(struct connection *c) {
  for (;;) {
    int sent = flush(c);
    int state = sent < 0 ? -1 : receive(c);
    if (state == 0) return;
    if (state > 0) {
      complete(c);
      begin(c);
      continue;
    }
    errors++;
    close(c->fd);
    attach(c);
    return;
  }
}

static int ascending(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static void run(int connections, double seconds) {
  struct epoll_event events[EVENTS];
  struct connection *all = calloc((size_t)connections, sizeof *all);
  uint64_t started = now();
  deadline = started + (uint64_t)(seconds * 1e9);
  for (int i = 0; i < connections; i++) attach(&all[i]);
  while (now() < deadline) {
    int count = epoll_wait(epoll_fd, events, EVENTS, 50);
    for (int i = 0; i < count; i++) work(events[i].data.ptr);
  }
  double elapsed = (double)(now() - started) / 1e9;
  if (completed) qsort(latencies, completed, sizeof *latencies, ascending);
  uint32_t p50 = completed ? latencies[completed / 2] : 0;
  uint32_t p99 = completed ? latencies[completed - 1 - completed / 100] : 0;
  printf("{\"requests\": %llu, \"errors\": %llu, \"non2xx\": %llu, \"up\": %llu, \"down\": %llu, "
         "\"seconds\": %.6f, \"p50\": %u, \"p99\": %u}\n",
         (unsigned long long)completed, (unsigned long long)errors, (unsigned long long)failed_status,
         (unsigned long long)bytes_up, (unsigned long long)bytes_down, elapsed, p50, p99);
}

static void hold(int connections) {
  int *all = calloc((size_t)connections, sizeof *all);
  static struct connection batch[BATCH];
  for (int first = 0; first < connections; first += BATCH) {
    int count = connections - first < BATCH ? connections - first : BATCH;
    for (int i = 0; i < count; i++) {
      batch[i].fd = all[first + i] = open_connection();
      begin(&batch[i]);
      if (flush(&batch[i]) < 0) errors++;
    }
    for (int i = 0; i < count; i++) {
      if (receive(&batch[i]) != 1) errors++;
    }
  }
  printf("ready\n");
  fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) continue;
  int open = 0;
  struct linger reset = {.l_onoff = 1, .l_linger = 0};  // no 10,000 sockets in TIME_WAIT
  for (int i = 0; i < connections; i++) {
    open += recv(all[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
    setsockopt(all[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(all[i]);
  }
  printf("{\"open\": %d, \"errors\": %llu, \"non2xx\": %llu}\n", open, (unsigned long long)errors,
         (unsigned long long)failed_status);
}

static void prepare_http(const char *method, const char *path, uint64_t body) {
  char length[64] = "";
  if (body) snprintf(length, sizeof length, "Content-Length: %llu\r\n", (unsigned long long)body);
  request_count = (size_t)snprintf(
      request, sizeof request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\n", method, path, port, length);
  request_body = body;
}

static void prepare_exchange(uint64_t up, uint64_t down) {
  struct exchange exchange = {.up = up, .down = down};
  is_exchange = 1;
  answer_bytes = down;
  memcpy(request, &exchange, sizeof exchange);
  request_count = sizeof exchange;
  request_body = up;
  if (up > sizeof request - request_count) return;
  for (uint64_t i = 0; i < up; i++) request[request_count++] = (char)pattern_byte(i);
  request_body = 0;
}

int main(int count, char **arguments) {
  if (count < 5) return fprintf(stderr, "see the head of client.c\n"), 2;
  port = (uint16_t)atoi(arguments[2]);
  int connections = atoi(arguments[3]);
  signal(SIGPIPE, SIG_IGN);  // sendfile has no MSG_NOSIGNAL
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  pattern_fd = pattern_file();
  if (strcmp(arguments[1], "idle") == 0) {
    prepare_http("GET", arguments[4], 0);
    hold(connections);
  } else if (strcmp(arguments[1], "http") == 0 && count == 8) {
    prepare_http(arguments[5], arguments[6], strtoull(arguments[7], NULL, 10));
    run(connections, atof(arguments[4]));
  } else if (strcmp(arguments[1], "exchange") == 0 && count == 7) {
    prepare_exchange(strtoull(arguments[5], NULL, 10), strtoull(arguments[6], NULL, 10));
    run(connections, atof(arguments[4]));
  } else {
    return fprintf(stderr, "see the head of client.c\n"), 2;
  }
  return 0;
}
