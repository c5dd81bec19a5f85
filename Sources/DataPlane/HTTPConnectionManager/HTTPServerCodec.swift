// What a stream asks of the codec that it came in by. HTTP/1 has one stream at a time and is its
// connection's terminal filter; HTTP/2 will have many.

class HTTPServerCodec: TerminalFilter {
  /// Writes the head in `stream.response`. `end`: nothing follows.
  func encodeHead(_ stream: HTTPStream, end: Bool) {}
  /// Writes an interim response (1xx) in `stream.response`.
  func encodeInformational(_ stream: HTTPStream) {}
  /// Owns the slice.
  func encodeData(_ stream: HTTPStream, _ slice: Slice) { slice.release() }
  /// The response is whole. The stream is given back before this returns.
  func encodeEnd(_ stream: HTTPStream, trailers: MessageHead?) {}
  /// The response cannot be completed: the client must be able to see that it is not whole.
  func reset(_ stream: HTTPStream) {}
  /// The request's receiver cannot keep up, or can again.
  func pauseRequest(_ stream: HTTPStream) {}
  func continueRequest(_ stream: HTTPStream) {}
  /// A deadline of the stream's may have moved forward.
  func deadlineChanged(_ stream: HTTPStream) {}
}
