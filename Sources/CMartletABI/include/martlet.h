/* martlet.h - the C interface between Martlet and its filters.
 *
 * C11 and C++17; no other include than the three below; no symbol of the host is linked against.
 *
 * This revision defines the network filter: the function table that a filter gives the host
 * (`martlet.plugin.network_filter/1`) and the one that the host gives a filter
 * (`martlet.host.network/1`). Martlet's own network filters (echo, direct response, connection
 * limit) are such tables and use nothing else. The HTTP tables and the loader's entry symbol come
 * with the plugin loader; their ids are reserved as `martlet.plugin.http_filter/1` and
 * `martlet.host.http/1`.
 *
 * Annotations. Each function carries one line:
 *   [worker]                 called on the worker thread that owns the connection, and only there
 *   [terminal]               ends the connection; teardown follows when the outermost callback
 *                            has returned
 *   [may-reenter]            may call the filter's other hooks before it returns
 *   borrowed(call)           pointer valid until the function returns
 *   borrowed(callback)       pointer valid until the host's callback into the filter returns, or
 *                            until the filter changes the same buffer
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

typedef struct martlet_bytes {
  const uint8_t *data; /* may be NULL when size is 0 */
  size_t size;
} martlet_bytes;

/* What a hook wants of the chain. */
typedef int32_t martlet_filter_status;
#define MARTLET_CONTINUE 0 /* on to the next filter */
#define MARTLET_STOP 1     /* stop here until `continue_reading` or the next bytes */

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

#ifdef __cplusplus
}
#endif
#endif
