// What an upstream connection tells the request that it serves. The router's request derives from
// this; the connection knows nothing else of it.

/// Why a request's upstream connection ended before the response did.
enum UpstreamFailure: Equatable {
  /// A circuit breaker is open.
  case overflow
  /// Nobody answered at the address (errno).
  case connect(Int32)
  case connectTimeout
  /// The connection closed under the request.
  case terminated
  /// Reset by the peer (errno), or the like.
  case reset(Int32)
  /// The response is not HTTP.
  case protocolError(HTTP1Error)
}

class UpstreamHandler: TimerTarget {
  /// Where the response's head and trailers are parsed into.
  let response = MessageHead()
  let responseTrailers = MessageHead()

  // Its place in the queue of a pool; the pool's affair.
  final var waitsIn: HTTP1Pool?
  final var waitsFor: EndpointRuntime?
  final var nextWaiting: Unmanaged<UpstreamHandler>?
  final var previousWaiting: Unmanaged<UpstreamHandler>?

  /// The connection stands: the request may be written.
  func upstreamReady(_ connection: HTTP1ClientConnection) {}
  /// `response` holds an interim response (1xx, not 101), valid for the call.
  func upstreamInformational() {}
  /// `response` holds the head; `end`: nothing follows.
  func upstreamHead(end: Bool) {}
  /// Owns the slice.
  func upstreamData(_ slice: Slice) { slice.release() }
  /// The response is whole. The connection is not this request's any more.
  func upstreamEnd() {}
  /// Nor is it now.
  func upstreamFailed(_ failure: UpstreamFailure) {}
  /// Everything queued for the upstream has been written.
  func upstreamDrained() {}
}
