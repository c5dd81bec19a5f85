// What happens to every request before its first filter: its path and host get the form that routes
// are matched against, the client is found, headers that only trusted clients may send are taken
// away, and those that the proxy owes to whoever is behind it are written.
//
// Compiled once a connection manager. A request to one that configures nothing of this pays for one
// walk over its header numbers, which the rules ask instead of the map.
import Model

final class RequestSanitizer {
  private let context: WorkerContext
  private let counters: Counters<HTTPStat>
  private let target: TargetNormalizer?
  private let client: ClientAddress
  private let options: RequestHeaderOptions
  private let isEdgeManager: Bool
  /// What is taken from clients that are not internal.
  private let doubtful: HeaderSet
  private let onlyForwardedFor: Bool
  private let via: [UInt8]
  private let userAgent: (name: [UInt8], node: [UInt8])?
  private let isHTTPS: Bool
  /// `internal_only_headers` of the route table.
  private let internalOnly: [(id: HeaderID, name: [UInt8])]

  /// What only an internal client may say to the router.
  static let control = HeaderSet(
    .xEnvoyRetryOn, .xEnvoyRetryGRPCOn, .xEnvoyMaxRetries, .xEnvoyRetriableStatusCodes,
    .xEnvoyRetriableHeaderNames, .xEnvoyUpstreamAltStatName, .xEnvoyUpstreamTimeout,
    .xEnvoyPerTryTimeout, .xEnvoyTimeoutAltResponse, .xEnvoyUpstreamStreamDuration,
    .xEnvoyHedgeOnPerTryTimeout, .xEnvoyExpectedTimeout)
  /// Of those, what the router has read and does not pass on.
  static var consumed: HeaderSet {
    HeaderSet(from: .xEnvoyRetryOn, through: .xEnvoyUpstreamStreamDuration)
      .union(HeaderSet(from: .xEnvoyHedgeOnPerTryTimeout, through: .xEnvoyHedgeOnPerTryTimeout))
  }
  /// Taken from every client that is not internal.
  private static let external = control.union(
    HeaderSet(.xEnvoyInternal, .xEnvoyForceTrace, .xEnvoyIPTags, .xEnvoyOriginalURL))
  /// Taken as well where the manager is the edge of the trusted network.
  private static let edge = external.union(
    HeaderSet(
      .xEnvoyDecoratorOperation, .xEnvoyDownstreamServiceCluster, .xEnvoyDownstreamServiceNode,
      .xEnvoyOriginalPath, .xEnvoyOriginalHost))

  init(model: HTTPConnectionManager, counters: Counters<HTTPStat>, context: WorkerContext) {
    self.context = context
    self.counters = counters
    target = TargetNormalizer(model.target)
    client = ClientAddress(model.clientTrust, names: context.names)
    options = model.requestHeaders
    isEdgeManager = client.isEdge
    doubtful = client.isEdge ? Self.edge : Self.external
    onlyForwardedFor = client.needsOnlyForwardedFor
    via = Array(options.via.utf8)
    let node = context.node
    userAgent = options.addsUserAgent ? (name: Array(node.cluster.utf8), node: Array(node.id.utf8)) : nil
    isHTTPS = options.scheme == "https"
    internalOnly = model.routes.internalOnlyHeaders.map {
      let name = Array($0.utf8)
      return (context.names.intern(name) ?? .unknown, name)
    }
  }

  /// False: the request has been answered.
  @inline(__always)
  func prepare(_ stream: HTTPStream) -> Bool {
    if let target, !normalize(target, stream) { return false }
    let request = stream.request
    let headers = request.headers
    var present = headers.present
    if !onlyForwardedFor || present.contains(.xForwardedFor) {
      guard findClient(stream, &present) else { return false }
    } else if present.meets(doubtful) {
      headers.remove(doubtful)
    }
    if !internalOnly.isEmpty, !stream.info.isInternal { removeInternalOnly(headers) }
    if !present.contains(.xForwardedProto) {
      headers.add(.xForwardedProto, "x-forwarded-proto", value: "http")
    }
    if let scheme = options.scheme { overwrite(scheme, request) }
    if let userAgent { introduce(userAgent, headers) }
    if !via.isEmpty {
      via.withView { headers.append(.via, "via", value: $0, separator: ", ") }
    }
    if options.generatesRequestID { ensureRequestID(stream, present) }
    return true
  }

  // MARK: The client

  /// `present` afterwards: as the later rules see it. False: the request has been refused.
  @inline(never)
  private func findClient(_ stream: HTTPStream, _ present: inout HeaderSet) -> Bool {
    guard let connection = stream.codec?.connection else { return false }
    let headers = stream.request.headers
    let finding = client.find(stream.request, connection, present)
    if let status = finding.rejection {
      counters.add(.requestRejectedByDetection)
      stream.reply(status, body: nil, details: ResponseDetails.originalIPDetectionFailed)
      return false
    }
    if let address = finding.address { stream.info.remote = .ip(address, port: 0) }
    stream.info.isInternal = finding.isInternal
    if finding.isInternal {
      headers.remove(.xEnvoyInternal)
      headers.add(.xEnvoyInternal, "x-envoy-internal", value: "true")
    } else {
      if present.meets(doubtful) { headers.remove(doubtful) }
      if isEdgeManager { client.writeExternalAddress(finding, headers, connection) }
    }
    present = headers.present
    return true
  }

  private func removeInternalOnly(_ headers: HeaderMap) {
    for (id, name) in internalOnly {
      name.withView { view in
        while let position = headers.position(of: id, view) { headers.remove(at: position) }
      }
    }
  }

  // MARK: What the proxy says

  private func overwrite(_ scheme: String, _ request: MessageHead) {
    let value: StaticString = isHTTPS ? "https" : "http"
    request.schemeIsHTTPS = isHTTPS
    request.headers.remove(.xForwardedProto)
    request.headers.add(.xForwardedProto, "x-forwarded-proto", value: value)
  }

  private func introduce(_ agent: (name: [UInt8], node: [UInt8]), _ headers: HeaderMap) {
    agent.name.withView { name in
      headers.set(.xEnvoyDownstreamServiceCluster, "x-envoy-downstream-service-cluster", value: name)
      if (headers.first(.userAgent)?.count ?? 0) == 0 {
        headers.set(.userAgent, "user-agent", value: name)
      }
    }
    guard !agent.node.isEmpty else { return }
    agent.node.withView {
      headers.set(.xEnvoyDownstreamServiceNode, "x-envoy-downstream-service-node", value: $0)
    }
  }

  @inline(__always)
  private func ensureRequestID(_ stream: HTTPStream, _ present: HeaderSet) {
    let headers = stream.request.headers
    if present.contains(.xRequestID), keepRequestID(stream) { return }
    let text = headers.scratch(RequestID.length)
    RequestID.write(&context.random, to: text)
    headers.addInPlace(
      .xRequestID, "x-request-id", value: ByteView(UnsafePointer(text), RequestID.length))
  }

  /// False: the client's id has been taken away.
  private func keepRequestID(_ stream: HTTPStream) -> Bool {
    let headers = stream.request.headers
    headers.join(.xRequestID)
    let isEdge = isEdgeManager && !stream.info.isInternal
    guard let id = headers.first(.xRequestID), id.count > 0,
      !isEdge || options.preservesExternalRequestID
    else {
      headers.remove(.xRequestID)
      return false
    }
    if isEdge, options.packsTraceReason, id.count == RequestID.length {
      // An external client does not decide whether its request is traced.
      let text = headers.scratch(RequestID.length)
      text.update(from: id.base, count: id.count)
      text[RequestID.traceReason] = RequestID.notTraced
      headers.set(.xRequestID, "x-request-id", value: ByteView(UnsafePointer(text), id.count))
    }
    return true
  }

  /// Into the answer, whoever made it.
  @inline(__always)
  func finishResponse(_ stream: HTTPStream) {
    if options.returnsRequestID || stream.info.isInternal { returnRequestID(stream) }
    if !via.isEmpty {
      via.withView { stream.response.headers.append(.via, "via", value: $0, separator: ", ") }
    }
  }

  @inline(never)
  private func returnRequestID(_ stream: HTTPStream) {
    let request = stream.request.headers
    // An internal client that has its request traced wants to know under which id.
    guard options.returnsRequestID || request.contains(.xEnvoyForceTrace),
      let id = request.first(.xRequestID)
    else { return }
    stream.response.headers.set(.xRequestID, "x-request-id", value: id)
  }

  // MARK: The target

  @inline(never)
  private func normalize(_ target: TargetNormalizer, _ stream: HTTPStream) -> Bool {
    switch target.normalize(stream) {
    case .goOn: return true
    case .reject:
      counters.add(.requestFailedPathNormalization)
      stream.reply(400, body: nil, details: ResponseDetails.pathNormalizationFailed)
    case .redirect:
      counters.add(.requestRedirectedNormalized)
      stream.reply(
        307, body: nil, details: ResponseDetails.pathNormalizationFailed,
        location: stream.request.path)
    }
    return false
  }
}
