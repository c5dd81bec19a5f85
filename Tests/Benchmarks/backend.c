// The benchmark's origin server: one thread, edge-triggered epoll, two listeners on kernel-chosen
// loopback ports, which it prints as "HTTP TCP". It is written to cost less than any proxy in
// front of it: one recv and one send a small request, large answers by sendfile from a memory
// file, request bodies discarded in the kernel (MSG_TRUNC).
//
//     GET  /small   70 bytes                 POST /post    reads the body, answers 70 bytes
//     GET  /1m      1 MiB of the pattern     POST /check   the same, answers "LENGTH HASH"
//     GET  /stats   "REQUESTS BODY-BYTES"    TCP           the exchange protocol of wire.h
//
// It trusts its peer: it is only ever behind a proxy under measurement. It ends when its standard
// input closes, so that it never outlives the benchmark.
#include "wire.h"

#define INPUT_BYTES 16384  // one head, or one piece of a chunked body
#define EVENTS 256

static const char SMALL_BODY[71] = "0123456789012345678901234567890123456789012345678901234567890123456789";

enum kind { LISTEN_HTTP, LISTEN_TCP, INPUT, HTTP, TCP };

/// What of a message is being read.
enum reading { HEAD, BODY, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILERS };

struct connection {
  int fd;
  enum kind kind;
  enum reading reading;
  int check;         // the body is hashed, not discarded
  int drained;       // the socket is known to be empty until the next edge
  char path[16];
  uint64_t body_left;  // of a body with a length, of an exchange's upload, or of a chunk
  uint64_t body_seen;
  uint64_t hash;
  uint64_t down;       // exchange: what to send after the upload
  size_t input_count;
  size_t head_sent, head_count;  // of `head`
  uint64_t file_sent, file_left;  // of the pattern, after `head`
  char head[512];
  char input[INPUT_BYTES];
};

static int epoll_fd, pattern_fd;
static uint64_t requests, body_bytes;

static void watch(struct connection *c, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0) die("epoll_ctl");
}

static struct connection *listen_on_loopback(enum kind kind, int *port) {
  struct connection *c = calloc(1, sizeof *c);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  c->kind = kind;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&address, size) < 0 || listen(c->fd, 4096) < 0)
    die("listen");
  getsockname(c->fd, (struct sockaddr *)&address, &size);
  *port = ntohs(address.sin_port);
  watch(c, EPOLLIN);
  return c;
}

static void accept_all(struct connection *listener) {
  int fd;
  while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    struct connection *c = calloc(1, sizeof *c);
    if (!c) die("calloc");
    c->fd = fd;
    c->kind = listener->kind == LISTEN_HTTP ? HTTP : TCP;
    no_delay(fd);
    watch(c, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
  }
}

static void consume(struct connection *c, size_t count) {
  memmove(c->input, c->input + count, c->input_count - count);
  c->input_count -= count;
}

static void take_body(struct connection *c, const char *bytes, size_t count) {
  if (c->check)
    for (size_t i = 0; i < count; i++) c->hash = (c->hash ^ (uint8_t)bytes[i]) * 0x100000001b3ull;
  c->body_seen += count;
  body_bytes += count;
}

/// Queues the answer to the request whose body has ended.
static void answer(struct connection *c) {
  char text[96];
  const char *body = SMALL_BODY;
  const char *status = "200 OK";
  uint64_t length = 70;
  requests++;
  if (strcmp(c->path, "/1m") == 0) {
    length = c->file_left = PATTERN_BYTES;
    c->file_sent = 0;
    body = "";
  } else if (strcmp(c->path, "/check") == 0 || strcmp(c->path, "/stats") == 0) {
    uint64_t a = c->check ? c->body_seen : requests, b = c->check ? c->hash : body_bytes;
    length = (uint64_t)snprintf(text, sizeof text, "%llu %llu", (unsigned long long)a, (unsigned long long)b);
    body = text;
  } else if (strcmp(c->path, "/small") != 0 && strcmp(c->path, "/post") != 0) {
    status = "404 Not Found";
  }
  c->head_sent = 0;
  c->head_count = (size_t)snprintf(
      c->head, sizeof c->head,
      "HTTP/1.1 %s\r\nServer: origin\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
      "Content-Type: text/plain\r\nContent-Length: %llu\r\n\r\n%s",
      status, (unsigned long long)length, body);
  c->reading = HEAD;
}

/// Reads the value of header `name` (lower case, with its colon) in the head, or returns NULL.
static const char *header(const char *head, const char *name) {
  size_t size = strlen(name);
  for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
    if (strncasecmp(line + 2, name, size) == 0) return line + 2 + size;
  return NULL;
}

/// Takes one step through the input. 1: moved on; 0: more input is needed; -1: not HTTP.
static int http_step(struct connection *c) {
  c->input[c->input_count] = 0;
  char *end = strstr(c->input, c->reading == HEAD ? "\r\n\r\n" : "\r\n");
  size_t count = c->input_count < c->body_left ? c->input_count : c->body_left;
  switch (c->reading) {
  case HEAD:
    if (!end) return 0;
    *end = 0;
    if (sscanf(c->input, "%*7s %15s", c->path) != 1) return -1;
    const char *length = header(c->input, "content-length:");
    const char *coding = header(c->input, "transfer-encoding:");
    c->body_left = length ? strtoull(length, NULL, 10) : 0;
    c->body_seen = 0;
    c->hash = 0xcbf29ce484222325ull;
    c->check = strcmp(c->path, "/check") == 0;
    c->reading = coding ? CHUNK_SIZE : BODY;
    consume(c, (size_t)(end + 4 - c->input));
    break;
  case BODY:
    take_body(c, c->input, count);
    consume(c, count);
    if ((c->body_left -= count) > 0) return 0;
    answer(c);
    break;
  case CHUNK_SIZE:
    if (!end) return 0;
    c->body_left = strtoull(c->input, NULL, 16);
    c->reading = c->body_left ? CHUNK : TRAILERS;
    consume(c, (size_t)(end + 2 - c->input));
    break;
  case CHUNK:
    take_body(c, c->input, count);
    consume(c, count);
    if ((c->body_left -= count) > 0) return 0;
    c->reading = CHUNK_END;
    break;
  case CHUNK_END:
  case TRAILERS:
    if (!end) return 0;
    int last = c->reading == TRAILERS && end == c->input;
    if (c->reading == CHUNK_END) c->reading = CHUNK_SIZE;
    consume(c, (size_t)(end + 2 - c->input));
    if (last) answer(c);
    break;
  }
  return 1;
}

/// The same for the exchange protocol.
static int tcp_step(struct connection *c) {
  struct exchange exchange;
  size_t count = c->input_count < c->body_left ? c->input_count : c->body_left;
  if (c->reading == HEAD) {
    if (c->input_count < sizeof exchange) return 0;
    memcpy(&exchange, c->input, sizeof exchange);
    consume(c, sizeof exchange);
    c->check = (exchange.up & EXCHANGE_CHECK) != 0;
    c->hash = 0xcbf29ce484222325ull;
    c->body_left = exchange.up & ~EXCHANGE_CHECK;
    c->down = exchange.down;
    c->reading = BODY;
    return 1;
  }
  take_body(c, c->input, count);
  consume(c, count);
  if ((c->body_left -= count) > 0) return 0;
  requests++;
  c->reading = HEAD;
  c->head_sent = c->head_count = 0;
  if (c->check) {
    memcpy(c->head, &c->hash, 8);
    c->head_count = 8;
  }
  c->file_sent = 0;
  c->file_left = c->down;
  if (c->down <= sizeof c->head - 8) {  // small: one send, as a real service would
    for (uint64_t i = 0; i < c->down; i++) c->head[c->head_count++] = (char)pattern_byte(i);
    c->file_left = 0;
  }
  return 1;
}

/// 1: all that was queued is out; 0: the socket is full; -1: it failed.
static int flush(struct connection *c) {
  while (c->head_sent < c->head_count) {
    int more = c->file_left ? MSG_MORE : 0;
    ssize_t n = send(c->fd, c->head + c->head_sent, c->head_count - c->head_sent, more | MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN ? 0 : -1;
    c->head_sent += (size_t)n;
  }
  return send_pattern(c->fd, pattern_fd, &c->file_sent, &c->file_left);
}

/// Reads once. 1: something came; 0: nothing there; -1: the peer has left.
static int fill(struct connection *c, int leaving) {
  int discard = c->reading == BODY && c->body_left > 0 && c->input_count == 0 && !c->check;
  if (c->drained) return 0;
  size_t room = discard ? c->body_left : INPUT_BYTES - 1 - c->input_count;
  if (room == 0) return -1;
  if (discard && room > (1 << 30)) room = 1 << 30;
  ssize_t n = recv(c->fd, c->input + (discard ? 0 : c->input_count), room, discard ? MSG_TRUNC : 0);
  if (n < 0) return errno == EAGAIN ? 0 : -1;
  if (n == 0) return -1;
  c->drained = (size_t)n < room && !leaving;
  if (discard) {
    c->body_left -= (uint64_t)n;
    take_body(c, NULL, (size_t)n);
  } else {
    c->input_count += (size_t)n;
  }
  return 1;
}

/// Works on one connection until it would block. 0: keep it; -1: close it.
static int serve(struct connection *c, int leaving) {
  c->drained = 0;
  for (;;) {
    int state = flush(c);
    if (state <= 0) return state;
    state = c->kind == HTTP ? http_step(c) : tcp_step(c);
    if (state < 0) return -1;
    if (state > 0) continue;
    state = fill(c, leaving);
    if (state <= 0) return state;
  }
}

int main(void) {
  struct connection input = {.fd = 0, .kind = INPUT};
  struct epoll_event events[EVENTS];
  int http_port, tcp_port;
  signal(SIGPIPE, SIG_IGN);  // sendfile has no MSG_NOSIGNAL
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  pattern_fd = pattern_file();
  listen_on_loopback(LISTEN_HTTP, &http_port);
  listen_on_loopback(LISTEN_TCP, &tcp_port);
  watch(&input, EPOLLIN);
  printf("%d %d\n", http_port, tcp_port);
  fflush(stdout);
  for (;;) {
    int count = epoll_wait(epoll_fd, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      struct connection *c = events[i].data.ptr;
      char byte;
      if (c->kind == INPUT) {
        if (read(0, &byte, 1) <= 0) return 0;
      } else if (c->kind == LISTEN_HTTP || c->kind == LISTEN_TCP) {
        accept_all(c);
      } else if (serve(c, (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) < 0) {
        close(c->fd);
        free(c);
      }
    }
  }
}
