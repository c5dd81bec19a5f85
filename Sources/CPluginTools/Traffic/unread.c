// What the other end of a loopback connection has not read yet, by sock_diag(7): a message comes in the same
// pieces every time only when each is sent after the last has been read, however busy the machine is.
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "plugin_tools.h"

// Bytes in the receive queue of the socket at the other end. Negative: the kernel does not say.
static int64_t unread(int netlink, const struct sockaddr_in *near, const struct sockaddr_in *far) {
  struct {
    struct nlmsghdr header;
    struct inet_diag_req_v2 body;
  } request = {
      .header = {.nlmsg_len = sizeof request,
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST},
      .body = {.sdiag_family = AF_INET,
               .sdiag_protocol = IPPROTO_TCP,
               .idiag_states = ~0u,
               // Seen from the other end.
               .id = {.idiag_sport = far->sin_port,
                      .idiag_dport = near->sin_port,
                      .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
  };
  request.body.id.idiag_src[0] = far->sin_addr.s_addr;
  request.body.id.idiag_dst[0] = near->sin_addr.s_addr;
  if (send(netlink, &request, sizeof request, 0) != (ssize_t)sizeof request) return -1;
  union {
    struct nlmsghdr header;
    char bytes[1024];
  } answer;
  ssize_t size = recv(netlink, &answer, sizeof answer, 0);
  if (size < (ssize_t)(NLMSG_HDRLEN + sizeof(struct inet_diag_msg))) return -1;
  if (answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY) return -1;
  struct inet_diag_msg message;
  memcpy(&message, answer.bytes + NLMSG_HDRLEN, sizeof message);
  return message.idiag_rqueue;
}

bool martlet_tools_wait_until_read(int descriptor, uint32_t milliseconds) {
  struct sockaddr_in near = {0}, far = {0};
  socklen_t near_size = sizeof near, far_size = sizeof far;
  if (getsockname(descriptor, (struct sockaddr *)&near, &near_size) != 0) return false;
  if (getpeername(descriptor, (struct sockaddr *)&far, &far_size) != 0) return false;
  if (near.sin_family != AF_INET) return false;
  int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (netlink < 0) return false;
  const struct timespec pause = {.tv_nsec = 30000};
  int64_t left = unread(netlink, &near, &far);
  for (uint32_t tries = 10 * milliseconds; left > 0 && tries > 0; tries--) {
    nanosleep(&pause, NULL);
    left = unread(netlink, &near, &far);
  }
  close(netlink);
  return left == 0;
}
