// A call of the HTTP filter, with what becomes of it.
import EnvoyMatchers
import MartletSDK

private struct MetadataStep: ~Copyable, Sendable {
  let nameSpace: FrozenBytes
  let key: FrozenBytes
  let value: ForeignValue

  /// The largest whole number that a double, and so metadata, has exactly.
  private static let exact = Int128(1) << 53

  borrowing func run(
    _ stream: borrowing HTTPStream, _ frame: CallFrame, _ encoding: Martlet_ForeignFunction_V1_Encoding
  ) {
    if case .number(let offset, let type) = value {
      switch frame.number(at: offset, type) {
      case .floating(let number): stream.setMetadata(nameSpace, key, to: number)
      case .whole(let number) where number.magnitude <= Self.exact.magnitude:
        stream.setMetadata(nameSpace, key, to: Double(number))
      case .whole(let number): stream.setMetadata(nameSpace, key, to: String(number))
      }
    } else if frame.render(value, encoding) {
      stream.setMetadata(nameSpace, key, to: frame.output)
    }
  }
}

private struct HeaderStep: ~Copyable, Sendable {
  let header: HeaderName
  /// Nil: a format.
  let value: ForeignValue?
  let format: Format?

  borrowing func run(
    _ fields: HeaderMap, _ stream: borrowing HTTPStream, _ frame: CallFrame,
    _ encoding: Martlet_ForeignFunction_V1_Encoding
  ) {
    if let format {
      fields.set(header, stream.text(of: format))
    } else if let value, frame.render(value, encoding) {
      fields.set(header, frame.output)
    }
  }
}

private struct DenyStep: Sendable {
  let condition: Comparison?
  let status: Int
  let body: Format?
}

private struct ClusterStep: Sendable {
  let condition: Comparison?
  let cluster: Format
}

struct FilterCall: ~Copyable, Sendable {
  private let call: PreparedCall
  /// None or one, like the two below.
  private let condition: FrozenList<MessageCondition>
  private let metadata: FrozenList<MetadataStep>
  private let headers: FrozenList<HeaderStep>
  private let deny: DenyStep?
  private let cluster: ClusterStep?
  private let allowsFailure: Bool
  private let ofResponse: Bool

  init(
    _ message: Martlet_ForeignFunction_V1_Call, _ functions: FunctionTable, _ scope: inout ConfigurationScope,
    at path: String, ofResponse: Bool
  ) throws {
    let function = try functions.find(message.function, at: "\(path).function")
    let call = try PreparedCall(function, message.arguments, &scope) { index in
      index < 0 ? "\(path).arguments" : "\(path).arguments[\(index)]"
    }
    let condition = try FrozenList(count: message.hasWhen ? 1 : 0) { _ in
      try MessageCondition(message.when, &scope, at: "\(path).when", ofResponse: ofResponse)
    }
    let metadata = try FrozenList(count: message.setMetadata.count) {
      let step = message.setMetadata[$0]
      let stepPath = "\(path).set_metadata[\($0)]"
      let value = try Self.value(step.value, function, at: stepPath)
      return MetadataStep(nameSpace: FrozenBytes(step.namespace), key: FrozenBytes(step.key), value: value)
    }
    let headers = try FrozenList(count: message.setHeaders.count) {
      try Self.header(message.setHeaders[$0], function, &scope, at: "\(path).set_headers[\($0)]")
    }
    let deny = try message.hasDeny ? Self.deny(message.deny, function, &scope, at: "\(path).deny") : nil
    if message.hasSetCluster, ofResponse {
      throw ConfigurationError("a response has its cluster already", at: "\(path).set_cluster")
    }
    let cluster =
      try message.hasSetCluster
      ? Self.cluster(message.setCluster, function, &scope, at: "\(path).set_cluster") : nil
    if message.failureModeAllow, deny == nil {
      scope.warn("without `deny` it is without effect", at: "\(path).failure_mode_allow")
    }
    allowsFailure = message.failureModeAllow
    self.ofResponse = ofResponse
    self.deny = deny
    self.cluster = cluster
    self.call = call
    self.condition = condition
    self.metadata = metadata
    self.headers = headers
  }

  private static func value(_ name: String, _ function: ForeignFunction, at path: String) throws
    -> ForeignValue
  {
    if !name.isEmpty {
      return try ForeignFunction.value(name, function.layout, function.signature, at: "\(path).value")
    }
    guard let value = function.value else {
      throw ConfigurationError("\(function.name) gives nothing that could be shown", at: path)
    }
    return value
  }

  private static func header(
    _ step: Martlet_ForeignFunction_V1_SetHeader, _ function: ForeignFunction,
    _ scope: inout ConfigurationScope, at path: String
  ) throws -> HeaderStep {
    let header = try scope.header(step.header, at: "\(path).header")
    switch step.from {
    case .value(let name):
      return HeaderStep(header: header, value: try value(name, function, at: path), format: nil)
    case .format(let text):
      return HeaderStep(header: header, value: nil, format: try scope.format(text, at: "\(path).format"))
    case nil: throw ConfigurationError("expected `value` or `format`", at: path)
    }
  }

  private static func deny(
    _ step: Martlet_ForeignFunction_V1_Deny, _ function: ForeignFunction, _ scope: inout ConfigurationScope,
    at path: String
  ) throws -> DenyStep {
    DenyStep(
      condition: try Comparison.make(step.when, function.layout, function.signature, at: "\(path).when"),
      status: step.status == 0 ? 403 : Int(step.status),
      body: step.body.isEmpty ? nil : try scope.format(step.body, at: "\(path).body"))
  }

  private static func cluster(
    _ step: Martlet_ForeignFunction_V1_SetCluster, _ function: ForeignFunction,
    _ scope: inout ConfigurationScope, at path: String
  ) throws -> ClusterStep {
    ClusterStep(
      condition: try Comparison.make(step.when, function.layout, function.signature, at: "\(path).when"),
      cluster: try scope.format(step.cluster, at: "\(path).cluster"))
  }

  // MARK: On a worker

  /// True: the stream is answered.
  borrowing func run(
    _ stream: borrowing HTTPStream, _ frames: FrameStack, _ counters: CallCounters, _ denied: Counter
  ) -> Bool {
    if !condition.isEmpty, !condition.span[0].holds(stream) { return false }
    let frame = frames.take()
    defer { frames.giveBack() }
    var isDenied = false
    let outcome = call.run(frame, stream, counters) { frame in
      // Comparisons look at the frame before anything else is done with it.
      isDenied = deny?.condition?.holds(frame) ?? false
      let takesCluster = cluster.map { $0.condition?.holds(frame) ?? true } ?? false
      show(stream, frame, call.function.encoding)
      if let cluster, takesCluster, !isDenied {
        stream.setCluster(stream.text(of: cluster.cluster))
      }
    }
    guard let deny else { return false }
    if outcome != .succeeded { isDenied = !allowsFailure }
    if !isDenied { return false }
    stream.add(to: denied)
    let body = deny.body.map { String(stream.text(of: $0)) } ?? ""
    stream.reply(
      LocalReply(
        status: deny.status, body: body,
        details: outcome == .succeeded ? "foreign_function_denied" : "foreign_function_failed"))
    return true
  }

  private borrowing func show(
    _ stream: borrowing HTTPStream, _ frame: CallFrame, _ encoding: Martlet_ForeignFunction_V1_Encoding
  ) {
    let metadata = metadata.span
    for index in 0..<metadata.count { metadata[index].run(stream, frame, encoding) }
    let headers = headers.span
    if headers.isEmpty { return }
    let fields = ofResponse ? stream.responseHeaders : stream.requestHeaders
    for index in 0..<headers.count { headers[index].run(fields, stream, frame, encoding) }
  }
}

extension MessageCondition {
  fileprivate init(
    _ message: Martlet_ForeignFunction_V1_Condition, _ scope: inout ConfigurationScope, at path: String,
    ofResponse: Bool
  ) throws {
    try self.init(
      request: message.requestHeaders, response: message.responseHeaders,
      fraction: message.hasRuntimeFraction ? message.runtimeFraction : nil, isInverted: message.invert,
      &scope,
      at: path, ofResponse: ofResponse)
  }
}
