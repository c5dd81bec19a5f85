/* martlet.h - the C interface between Martlet and its filters.
 *
 * C11 and C++17; no other include than the three below; no symbol of the host is linked against.
 *
 * This revision defines two kinds of filter, each by the function table that a filter gives the
 * host and the one that the host gives a filter: the network filter
 * (`martlet.plugin.network_filter/1`, `martlet.host.network/1`) and the HTTP filter
 * (`martlet.plugin.http_filter/1`, `martlet.host.http/1`). Martlet's own network filters (echo,
 * direct response, connection limit) are such tables and use nothing else. The loader's entry
 * symbol comes with the plugin loader.
 *
 * Annotations. Each function carries one line:
 *   [worker]                 called on the worker thread that owns the connection or stream, and
 *                            only there
 *   [terminal]               ends the connection or answers the stream; what follows from it
 *                            happens when the outermost callback has returned
 *   [may-reenter]            may call the filter's other hooks before it returns
 *   borrowed(call)           pointer valid until the function returns
 *   borrowed(callback)       pointer valid until the host's callback into the filter returns, or
 *                            until the filter changes the same buffer
 *   borrowed(stream)         pointer valid until the filter's on_complete returns, also after the
 *                            header was set anew or removed
 *   copied                   the host copies what the pointer points to
 *   -> A | B                 the results that can come back
 *
 * Tables begin with their size and only ever grow at the end.
 */
#ifndef MARTLET_H
#define MARTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Names an object of a worker: {worker, generation, slot}. 0 is never a handle. Using one after
 * its object's end gives MARTLET_E_GONE. */
typedef uint64_t martlet_handle;

/* 0 or an error below 0. */
typedef int32_t martlet_status;
#define MARTLET_OK 0
#define MARTLET_E_GONE (-1)     /* the handle's object has ended */
#define MARTLET_E_ARGUMENT (-2) /* an argument is out of its range */
#define MARTLET_E_STATE (-3)    /* not possible in the object's present state */
#define MARTLET_E_NOT_FOUND (-4) /* no such header */

typedef struct martlet_bytes {
  const uint8_t *data; /* may be NULL when size is 0 */
  size_t size;
} martlet_bytes;

/* What a hook wants of the chain. */
typedef int32_t martlet_filter_status;
#define MARTLET_CONTINUE 0 /* on to the next filter */
#define MARTLET_STOP 1     /* stop here until told to go on, or the next bytes */
/* HTTP only. MARTLET_STOP, with the sender slowed down where more is held than the stream's buffer
 * limit; plain MARTLET_STOP is answered 413 (request) or 500 (response) there. */
#define MARTLET_STOP_SLOW 2
/* HTTP, from the headers hook only: as the two above, and the body and trailers hooks of this filter
 * are not called until it goes on. */
#define MARTLET_STOP_ALL 3
#define MARTLET_STOP_ALL_SLOW 4

/* How a connection is closed. */
typedef int32_t martlet_close_mode;
#define MARTLET_CLOSE_FLUSH 0 /* after what is queued has been written */
#define MARTLET_CLOSE_NOW 1   /* at once; what is queued is lost */
#define MARTLET_CLOSE_RESET 2 /* at once, with a TCP reset */

/* martlet.host.network/1: what a network filter may ask of the host. */
typedef struct martlet_host_network {
  uint32_t size;

  /* The unread bytes, in one piece. */
  /* [worker] out: borrowed(callback) -> MARTLET_OK | MARTLET_E_GONE */
  martlet_status (*read_buffer)(martlet_handle connection, martlet_bytes *out);

  /* Removes the first `count` unread bytes: the filters behind never see them. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT */
  martlet_status (*read_drain)(martlet_handle connection, size_t count);

  /* The bytes on their way out, the first piece of them; `total` counts all. Only inside
   * `on_write`. */
  /* [worker] out: borrowed(callback) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_STATE */
  martlet_status (*write_buffer)(martlet_handle connection, martlet_bytes *out, size_t *total);

  /* Removes the first `count` bytes on their way out. Only inside `on_write`. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_STATE | MARTLET_E_ARGUMENT */
  martlet_status (*write_drain)(martlet_handle connection, size_t count);

  /* Queues bytes for the peer, past the filters' on_write hooks; `end` closes the write side when
   * they are out. */
  /* [worker] bytes: copied -> MARTLET_OK | MARTLET_E_GONE */
  martlet_status (*write)(martlet_handle connection, martlet_bytes bytes, bool end);

  /* Closes the connection. on_close follows after the outermost callback. */
  /* [worker] [terminal] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT */
  martlet_status (*close)(martlet_handle connection, martlet_close_mode mode);

  /* Goes on behind a filter that returned MARTLET_STOP, when the outermost callback has
   * returned. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE */
  martlet_status (*continue_reading)(martlet_handle connection);

  /* Stops or resumes reading from the peer: back-pressure. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE */
  martlet_status (*disable_reading)(martlet_handle connection, bool disable);

  /* Calls on_timer after `milliseconds`; replaces a timer that is set; 0 takes it off. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE */
  martlet_status (*set_timer)(martlet_handle connection, void *filter, uint64_t milliseconds);
} martlet_host_network;

/* martlet.plugin.network_filter/1: what a network filter gives the host. Optional entries may be
 * NULL. */
typedef struct martlet_network_filter {
  uint32_t size;

  /* A filter for one connection; `config` is the filter's own configuration. NULL: the connection
   * is closed. */
  /* [worker] host: borrowed for the life of the process -> filter | NULL */
  void *(*create)(void *config, const martlet_host_network *host, martlet_handle connection);

  /* The connection stands. MARTLET_STOP keeps it from the filters behind. Optional. */
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP */
  martlet_filter_status (*on_new_connection)(void *filter);

  /* Bytes have come, or (`end`) the peer has sent its last. What is not drained is offered again
   * with what comes next. Optional. */
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP */
  martlet_filter_status (*on_data)(void *filter, bool end);

  /* Bytes are on their way out. MARTLET_STOP holds them until the next. Optional: a chain in
   * which no filter has it never stages what it writes. */
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP */
  martlet_filter_status (*on_write)(void *filter);

  /* The timer is due. Optional. */
  /* [worker] -> nothing */
  void (*on_timer)(void *filter);

  /* The connection has ended; its handle is already gone. Once, and never inside another hook of
   * the same filter. Optional. */
  /* [worker] -> nothing */
  void (*on_close)(void *filter);

  /* Frees the filter. Once, last. */
  /* [worker] -> nothing */
  void (*destroy)(void *filter);
} martlet_network_filter;

/* Which fields of a stream. */
typedef int32_t martlet_header_map;
#define MARTLET_REQUEST_HEADERS 0
#define MARTLET_REQUEST_TRAILERS 1
#define MARTLET_RESPONSE_HEADERS 2
#define MARTLET_RESPONSE_TRAILERS 3

/* Which message of a stream. */
typedef int32_t martlet_direction;
#define MARTLET_REQUEST 0
#define MARTLET_RESPONSE 1

typedef struct martlet_header {
  martlet_bytes name; /* in lower case */
  martlet_bytes value;
} martlet_header;

/* How a stream ended. */
typedef int32_t martlet_stream_result;
#define MARTLET_STREAM_COMPLETE 0    /* the response is whole */
#define MARTLET_STREAM_CLIENT_GONE 1 /* the client went before it was */
#define MARTLET_STREAM_RESET 2       /* it was broken off from this side */

/* martlet.host.http/1: what an HTTP filter may ask of the host. `stream` is the handle that the
 * filter's `create` was given: it names the stream and the filter's place in its chain.
 *
 * Headers. Names are in lower case. `:method`, `:path`, `:authority` and `:scheme` (request) and
 * `:status` (response) are read and set like fields, never removed; `host` is `:authority`. A
 * message's own framing (transfer-encoding, connection and other fields of one hop) belongs to the
 * codec: setting it is MARTLET_E_ARGUMENT. Once a message's head has passed the last filter, it
 * can be read and no longer changed: MARTLET_E_STATE.
 *
 * Bodies. A body hook sees all that has come and has not been passed on; what is left of it after
 * the hook is what goes on. When a filter has changed a body whose content-length has not passed on
 * yet, the host corrects that field. */
typedef struct martlet_host_http {
  uint32_t size;

  /* How many fields the map has, without the pseudo-headers. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT | MARTLET_E_STATE */
  martlet_status (*header_count)(martlet_handle stream, martlet_header_map map, size_t *out);

  /* The field at `index`, in the order of the message, without the pseudo-headers. */
  /* [worker] out: borrowed(stream) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_STATE | MARTLET_E_NOT_FOUND */
  martlet_status (*header_at)(martlet_handle stream, martlet_header_map map, size_t index,
                              martlet_header *out);

  /* The `nth` (from 0) field of this name. */
  /* [worker] name: borrowed(call) out: borrowed(stream) -> MARTLET_OK | MARTLET_E_GONE |
   * MARTLET_E_ARGUMENT | MARTLET_E_STATE | MARTLET_E_NOT_FOUND */
  martlet_status (*header_get)(martlet_handle stream, martlet_header_map map, martlet_bytes name,
                               size_t nth, martlet_bytes *out);

  /* One field of this name with this value, in place of all there are. */
  /* [worker] name: copied value: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_STATE */
  martlet_status (*header_set)(martlet_handle stream, martlet_header_map map, martlet_bytes name,
                               martlet_bytes value);

  /* One field more. */
  /* [worker] name: copied value: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_STATE */
  martlet_status (*header_add)(martlet_handle stream, martlet_header_map map, martlet_bytes name,
                               martlet_bytes value);

  /* Removes all fields of this name. */
  /* [worker] name: borrowed(call) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_STATE | MARTLET_E_NOT_FOUND */
  martlet_status (*header_remove)(martlet_handle stream, martlet_header_map map,
                                  martlet_bytes name);

  /* Bytes that this filter has before it. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT */
  martlet_status (*body_size)(martlet_handle stream, martlet_direction direction, size_t *out);

  /* Their `index`-th piece, from 0. */
  /* [worker] out: borrowed(callback) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_NOT_FOUND */
  martlet_status (*body_piece)(martlet_handle stream, martlet_direction direction, size_t index,
                               martlet_bytes *out);

  /* Removes the first `count` of them. Only in this filter's hooks of that direction. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT | MARTLET_E_STATE */
  martlet_status (*body_drain)(martlet_handle stream, martlet_direction direction, size_t count);

  /* Adds bytes behind them; in a headers hook with `end`, gives the message a body. Only in this
   * filter's hooks of that direction. */
  /* [worker] bytes: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT | MARTLET_E_STATE */
  martlet_status (*body_append)(martlet_handle stream, martlet_direction direction,
                                martlet_bytes bytes);

  /* Goes on behind this filter, when the outermost callback has returned. Nothing where it has not
   * stopped. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT */
  martlet_status (*continue_message)(martlet_handle stream, martlet_direction direction);

  /* Answers in the proxy's name. The response passes the response hooks of all filters, unless one
   * of them has seen a response already; a response whose head is on its way to the client is broken
   * off instead. `status` is in 200..<600. `details` says in one word why, for access logs
   * (`%RESPONSE_CODE_DETAILS%`); empty: the filter's name. */
  /* [worker] [terminal] headers: copied body: copied details: copied -> MARTLET_OK | MARTLET_E_GONE |
   * MARTLET_E_ARGUMENT | MARTLET_E_STATE */
  martlet_status (*reply)(martlet_handle stream, int32_t status, const martlet_header *headers,
                          size_t header_count, martlet_bytes body, martlet_bytes details);

  /* Breaks the stream off. */
  /* [worker] [terminal] -> MARTLET_OK | MARTLET_E_GONE */
  martlet_status (*reset)(martlet_handle stream);

  /* Calls on_timer after `milliseconds`; replaces a timer that is set; 0 takes it off. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE */
  martlet_status (*set_timer)(martlet_handle stream, uint64_t milliseconds);
} martlet_host_http;

/* martlet.plugin.http_filter/1: what an HTTP filter gives the host. Optional entries may be NULL.
 * Request hooks are called from the first filter of the chain to the last, response hooks from the
 * last to the first. */
typedef struct martlet_http_filter {
  uint32_t size;

  /* A filter for one request and its response; `config` is the filter's own configuration. NULL:
   * the request is answered 500. No act on the stream (reply, reset, continue) is possible yet. */
  /* [worker] host: borrowed for the life of the process -> filter | NULL */
  void *(*create)(void *config, const martlet_host_http *host, martlet_handle stream);

  /* The request's head has come; `end`: nothing follows. Optional. */
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP | MARTLET_STOP_SLOW | MARTLET_STOP_ALL |
   * MARTLET_STOP_ALL_SLOW */
  martlet_filter_status (*on_request_headers)(void *filter, bool end);

  /* More of its body has come, or (`end`) its end. MARTLET_CONTINUE passes on all that is held,
   * the head with it. Optional. */
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP | MARTLET_STOP_SLOW */
  martlet_filter_status (*on_request_body)(void *filter, bool end);

  /* Its trailers have come: the end of the message. Optional. */
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP */
  martlet_filter_status (*on_request_trailers)(void *filter);

  /* The same for the response, whoever made it. Interim responses (1xx) pass by. */
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP | MARTLET_STOP_SLOW | MARTLET_STOP_ALL |
   * MARTLET_STOP_ALL_SLOW */
  martlet_filter_status (*on_response_headers)(void *filter, bool end);
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP | MARTLET_STOP_SLOW */
  martlet_filter_status (*on_response_body)(void *filter, bool end);
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP */
  martlet_filter_status (*on_response_trailers)(void *filter);

  /* The timer is due. Optional. */
  /* [worker] -> nothing */
  void (*on_timer)(void *filter);

  /* The stream has ended; headers can still be read, nothing else can be done. Once, and never
   * inside another hook of the same stream. Optional. */
  /* [worker] -> nothing */
  void (*on_complete)(void *filter, martlet_stream_result result);

  /* Frees the filter. Once, last. */
  /* [worker] -> nothing */
  void (*destroy)(void *filter);
} martlet_http_filter;

#ifdef __cplusplus
}
#endif
#endif
