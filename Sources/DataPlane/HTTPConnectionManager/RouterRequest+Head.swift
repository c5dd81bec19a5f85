// What the router writes into the head of a request on its way upstream (the route's rewrites, what
// the upstream may know of timeouts and attempts), and into that of its answer.

extension RouterRequest {
  private var context: WorkerContext { stream.manager.context }

  // MARK: Rewrites

  func rewrite(_ action: RouteActionRuntime, _ route: RouteRuntime) {
    let request = stream.request
    let tellsOrigin = !stream.manager.suppressEnvoyHeaders
    if let host = action.hostRewriter {
      if let format = host.format {
        let made = evaluate(format)
        if made.count > 0, HTTP1Characters.isValidAuthority(made) { host.set(request, made, tellsOrigin) }
      } else {
        host.rewrite(request, tellsOrigin: tellsOrigin, context.scratch)
      }
    }
    // CONNECT has no path.
    if let rewriter = action.pathRewriter, request.method != .connect {
      let old = request.path
      if let made = rewrite(old, by: rewriter, route) {
        request.path = made
        if tellsOrigin {
          request.headers.set(.xEnvoyOriginalPath, "x-envoy-original-path", value: old)
        }
      }
    }
    writeExpectedTimeout(elapsed: 0)
  }

  /// What the upstream may take for its answer, `elapsed` nanoseconds after the end of the request.
  private func writeExpectedTimeout(elapsed: UInt64) {
    // With hedging an attempt is not given up when its own time is over.
    var expected = perTryTimeout > 0 && !hedgesOnPerTryTimeout ? perTryTimeout : timeout
    if expected == 0 || stream.manager.suppressEnvoyHeaders { return }
    if timeout > 0 { expected = Swift.min(expected, timeout > elapsed ? timeout &- elapsed : 0) }
    let headers = stream.request.headers
    if headers.contains(.xEnvoyExpectedTimeout) { headers.remove(.xEnvoyExpectedTimeout) }
    // Zero would be no limit.
    headers.add(
      .xEnvoyExpectedTimeout, "x-envoy-expected-rq-timeout-ms",
      decimal: Swift.max(expected / 1_000_000, 1))
  }

  /// Nil: the path stays as it is.
  private func rewrite(_ path: ByteView, by rewriter: PathRewriter, _ route: RouteRuntime) -> ByteView? {
    if let format = rewriter.format {
      let made = evaluate(format)
      // What a header has brought may be no path.
      guard made.count > 0, HTTP1Characters.isValidTarget(made) else { return nil }
      let query = path.dropFirst(path.withoutQuery.count)
      return query.count == 0 ? made : join(made, query)
    }
    context.scratch.clear()
    guard rewriter.rewrite(path, matchedBy: route.path, into: context.scratch) else { return nil }
    return stream.request.headers.keep(context.scratch.view)
  }

  private func join(_ first: ByteView, _ second: ByteView) -> ByteView {
    context.scratch.clear()
    context.scratch.append(first)
    context.scratch.append(second)
    return stream.request.headers.keep(context.scratch.view)
  }

  /// In memory of the request.
  private func evaluate(_ format: FormatProgram) -> ByteView {
    let text = context.text
    let start = text.count
    stream.withFormatContext { format.write(&$0, to: text) }
    let made = ByteView(UnsafePointer(text.base + start), text.count - start)
    let kept = stream.request.headers.keep(made)
    text.truncate(to: start)
    return kept
  }

  /// The target of a CONNECT is the host, which may have been rewritten, with the port.
  func setTarget(_ request: MessageHead) {
    if HostNormalization.port(of: request.authority) == nil,
      let (start, _) = HostNormalization.port(of: request.path)
    {
      request.authority = join(request.authority, request.path.dropFirst(start))
    }
    request.path = request.authority
  }

  // MARK: Attempts, as headers tell them

  func countAttempt(_ number: UInt32) {
    stream.request.headers.set(.xEnvoyAttemptCount, "x-envoy-attempt-count", decimal: UInt64(number))
  }

  func describeRetry(_ action: RouteActionRuntime) {
    let headers = stream.request.headers
    if requestCompleteAt > 0 { writeExpectedTimeout(elapsed: context.reactor.now &- requestCompleteAt) }
    if action.attemptHeaders.countsInRequest { countAttempt(stream.info.attempts) }
    guard action.attemptHeaders.tellsTimeouts else { return }
    headers.remove(.xEnvoyIsTimeoutRetry)
    headers.add(
      .xEnvoyIsTimeoutRetry, "x-envoy-is-timeout-retry", value: isTimeoutRetry ? "true" : "false")
  }

  /// Of an answer, the upstream's or the router's.
  @inline(__always)
  func writeAttempts(into head: MessageHead) {
    guard answersAttempts else { return }
    head.headers.set(
      .xEnvoyAttemptCount, "x-envoy-attempt-count",
      decimal: UInt64(Swift.max(stream.info.attempts, 1)))
  }
}
