// The operators by name: what parameter each takes, whether it may be cut to a length, and what it
// stands for.

enum FormatOperatorTable {
  private enum Parameter { case none, optional, required }
  private struct Entry: Sendable {
    var parameter = Parameter.none
    var takesLength = false
    var make: @Sendable (String) throws(FormatError) -> FormatOperator
  }

  /// Envoy's own, also one that is refused here: no plugin may have an operator of this name.
  static func isBuiltIn(_ name: String) -> Bool { entries[name] != nil || refused[name] != nil }

  static func make(
    _ name: String, parameter: String?, length: Int?, plugins: (any FormatOperatorSource)? = nil
  ) throws(FormatError) -> FormatOperator {
    if !isBuiltIn(name), let plugins, plugins.has(name) {
      let binding = try plugins.make(name, argument: parameter)
      if length != nil, binding.kind != .text {
        throw FormatError(message: "its value is no text: it takes no length")
      }
      return .plugin(binding)
    }
    if let reason = refused[name] { throw FormatError(message: reason) }
    guard let entry = entries[name] else { throw FormatError(message: unknown(name, plugins)) }
    if name == "COALESCE", let plugins { return try FormatCoalesce.parse(parameter ?? "", plugins: plugins) }
    switch entry.parameter {
    case .none:
      if parameter != nil { throw FormatError(message: "it takes no parameter") }
    case .required:
      if (parameter ?? "").isEmpty { throw FormatError(message: "it needs a parameter in parentheses") }
    case .optional: break
    }
    if length != nil, !entry.takesLength {
      throw FormatError(message: "it takes no length")
    }
    return try entry.make(parameter ?? "")
  }

  private static func unknown(_ name: String, _ plugins: (any FormatOperatorSource)?) -> String {
    let near = (entries.keys + (plugins?.names ?? [])).sorted().first { distance($0, name) <= 2 }
    return "there is no such operator" + (near.map { "; did you mean %\($0)%?" } ?? "")
  }

  private static func distance(_ a: String, _ b: String) -> Int {
    let a = Array(a.utf8)
    let b = Array(b.utf8)
    if abs(a.count - b.count) > 2 { return 3 }
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
      var previous = row[0]
      row[0] = i + 1
      for (j, y) in b.enumerated() {
        let old = row[j + 1]
        row[j + 1] = min(previous + (x == y ? 0 : 1), row[j] + 1, old + 1)
        previous = old
      }
    }
    return row[b.count]
  }

  /// Operators of Envoy that nothing here can serve.
  private static let refused: [String: String] = [
    "CEL": "CEL expressions are not in this version",
    "TYPED_CEL": "CEL expressions are not in this version",
    "DOWNSTREAM_LOCAL_CLOSE_REASON": closeReason,
    "UPSTREAM_LOCAL_CLOSE_REASON": closeReason,
    "UPSTREAM_DETECTED_CLOSE_TYPE":
      "how upstream connections end is not kept; %RESPONSE_CODE_DETAILS% has it where it matters",
    "FILE_CONTENT": "it belongs to a formatter extension, and there are none in this version",
    "SECRET": "it belongs to a formatter extension, and there are none in this version",
  ]

  private static let closeReason =
    "why connections are closed is not kept in Envoy's words; "
    + "%CONNECTION_TERMINATION_DETAILS% and %RESPONSE_FLAGS% say it"

  private static let entries: [String: Entry] = {
    var all = heads
    for table in [times, bytes, outcome, names, stored, absent] {
      all.merge(table) { first, _ in first }
    }
    return all
  }()

  // MARK: Heads

  private static let heads: [String: Entry] = {
    var table: [String: Entry] = [:]
    for name in ["REQ", "REQUEST_HEADER"] {
      table[name] = header { .requestHeader($0, alternative: $1) }
    }
    for name in ["RESP", "RESPONSE_HEADER"] {
      table[name] = header { .responseHeader($0, alternative: $1) }
    }
    for name in ["TRAILER", "RESPONSE_TRAILER"] {
      table[name] = header { .responseTrailer($0, alternative: $1) }
    }
    table["REQ_WITHOUT_QUERY"] = header { .requestWithoutQuery($0, alternative: $1) }
    table["PATH"] = Entry(parameter: .optional, takesLength: true) {
      (text) throws(FormatError) in try path(text)
    }
    table["QUERY_PARAM"] = Entry(parameter: .required, takesLength: true) {
      (text) throws(FormatError) in .queryParameter(text)
    }
    table["QUERY_PARAMS"] = Entry(parameter: .optional, takesLength: true) {
      (text) throws(FormatError) in
      guard ["", "ORIG", "DECODED"].contains(text) else {
        throw FormatError(message: "expected ORIG or DECODED, found `\(text)`")
      }
      return .queryParameters(decoded: text == "DECODED")
    }
    table["REQUEST_HEADERS_BYTES"] = plain(.headerBytes(.request))
    table["RESPONSE_HEADERS_BYTES"] = plain(.headerBytes(.response))
    table["RESPONSE_TRAILERS_BYTES"] = plain(.headerBytes(.responseTrailers))
    table["GRPC_STATUS"] = Entry(parameter: .optional) { (text) throws(FormatError) in
      switch text {
      case "", "CAMEL_STRING": return .grpcStatus(.camel)
      case "SNAKE_STRING": return .grpcStatus(.snake)
      case "NUMBER": return .grpcStatus(.number)
      default:
        throw FormatError(
          message: "expected CAMEL_STRING, SNAKE_STRING or NUMBER, found `\(text)`")
      }
    }
    table["GRPC_STATUS_NUMBER"] = plain(.grpcStatus(.number))
    return table
  }()

  private static func plain(_ name: FormatOperator) -> Entry {
    Entry { (_) throws(FormatError) in name }
  }

  private static func header(_ make: @escaping @Sendable (String, String?) -> FormatOperator) -> Entry {
    Entry(parameter: .required, takesLength: true) { (text) throws(FormatError) in
      let parts = text.split(separator: "?", omittingEmptySubsequences: false)
      guard parts.count <= 2 else {
        throw FormatError(message: "expected one alternative header at most, as in X?Y")
      }
      if text.utf8.contains(where: { $0 == 0 || $0 == 0x0a || $0 == 0x0d }) {
        throw FormatError(message: "a header name holds no line break and no NUL")
      }
      let alternative = parts.count == 2 && !parts[1].isEmpty ? parts[1].lowercased() : nil
      return make(parts[0].lowercased(), alternative)
    }
  }

  private static func path(_ text: String) throws(FormatError) -> FormatOperator {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let query = parts.first ?? ""
    let source = parts.count > 1 ? parts[1] : ""
    guard ["", "WQ", "NQ"].contains(query) else {
      throw FormatError(message: "expected WQ or NQ, found `\(query)`")
    }
    switch source {
    case "ORIG": return .path(withQuery: query != "NQ", source: .original)
    case "PATH": return .path(withQuery: query != "NQ", source: .path)
    case "", "ORIG_OR_PATH": return .path(withQuery: query != "NQ", source: .originalOrPath)
    default: throw FormatError(message: "expected ORIG, PATH or ORIG_OR_PATH, found `\(source)`")
    }
  }

  // MARK: Times

  private static let times: [String: Entry] = {
    var table: [String: Entry] = [:]
    for (name, source) in [("START_TIME", FormatOperator.TimeSource.start), ("EMIT_TIME", .emit)] {
      for isLocal in [false, true] {
        table[isLocal ? name + "_LOCAL" : name] = Entry(parameter: .optional) {
          (text) throws(FormatError) in
          let format = TimeFormat(text, isLocal: isLocal)
          if format.hasLineBreak {
            throw FormatError(message: "a time format holds no line break")
          }
          return .time(source, format)
        }
      }
    }
    table["DURATION"] = plain(.totalDuration)
    table["COMMON_DURATION"] = Entry(parameter: .required) {
      (text) throws(FormatError) in try commonDuration(text)
    }
    let fixed: [(String, FormatOperator.TimePoint, FormatOperator.TimePoint)] = [
      ("REQUEST_DURATION", .downstreamReceiveBegin, .downstreamReceiveEnd),
      ("REQUEST_TX_DURATION", .downstreamReceiveBegin, .upstreamSendEnd),
      ("RESPONSE_DURATION", .downstreamReceiveBegin, .upstreamReceiveBegin),
      ("RESPONSE_TX_DURATION", .upstreamReceiveBegin, .downstreamSendEnd),
      ("UPSTREAM_CONNECTION_POOL_READY_DURATION", .upstreamRequestBegin, .poolReady),
      ("ROUNDTRIP_DURATION", .downstreamReceiveBegin, .never),
      ("DOWNSTREAM_HANDSHAKE_DURATION", .downstreamConnectionBegin, .never),
    ]
    for (name, from, to) in fixed { table[name] = plain(.duration(from: from, to: to, .milliseconds)) }
    return table
  }()

  private static func commonDuration(_ text: String) throws(FormatError) -> FormatOperator {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2 || parts.count == 3, !parts[0].isEmpty, !parts[1].isEmpty else {
      throw FormatError(message: "expected START:END or START:END:PRECISION, found `\(text)`")
    }
    let unit: FormatOperator.DurationUnit
    switch parts.count == 3 ? parts[2] : "ms" {
    case "ms": unit = .milliseconds
    case "us": unit = .microseconds
    case "ns": unit = .nanoseconds
    default: throw FormatError(message: "expected the precision ms, us or ns, found `\(parts[2])`")
    }
    return .duration(from: point(parts[0]), to: point(parts[1]), unit)
  }

  /// An unknown point is one that a filter would set, as in Envoy.
  private static func point(_ name: String) -> FormatOperator.TimePoint {
    switch name {
    case "DS_RX_BEG": .downstreamReceiveBegin
    case "DS_RX_END": .downstreamReceiveEnd
    case "DS_TX_BEG": .downstreamSendBegin
    case "DS_TX_END": .downstreamSendEnd
    case "US_CX_BEG": .upstreamConnectBegin
    case "US_CX_END": .upstreamConnectEnd
    case "US_TX_BEG": .upstreamSendBegin
    case "US_TX_END": .upstreamSendEnd
    case "US_RX_BEG": .upstreamReceiveBegin
    case "US_RX_BODY_BEG": .upstreamBodyBegin
    case "US_RX_END": .upstreamReceiveEnd
    case "DS_CX_BEG": .downstreamConnectionBegin
    case "DS_CX_END": .downstreamConnectionEnd
    default: .never
    }
  }

  // MARK: Bytes

  private static let bytes: [String: Entry] = [
    "BYTES_RECEIVED": plain(.bytes(.bodyReceived)),
    "BYTES_SENT": plain(.bytes(.bodySent)),
    "BYTES_RETRANSMITTED": plain(.zero),
    "PACKETS_RETRANSMITTED": plain(.zero),
    "DOWNSTREAM_WIRE_BYTES_RECEIVED": plain(.bytes(.downstreamWireReceived)),
    "DOWNSTREAM_WIRE_BYTES_SENT": plain(.bytes(.downstreamWireSent)),
    "DOWNSTREAM_HEADER_BYTES_RECEIVED": plain(.bytes(.downstreamHeadReceived)),
    "DOWNSTREAM_HEADER_BYTES_SENT": plain(.bytes(.downstreamHeadSent)),
    "UPSTREAM_WIRE_BYTES_RECEIVED": plain(.bytes(.upstreamWireReceived)),
    "UPSTREAM_WIRE_BYTES_SENT": plain(.bytes(.upstreamWireSent)),
    "UPSTREAM_HEADER_BYTES_RECEIVED": plain(.bytes(.upstreamHeadReceived)),
    "UPSTREAM_HEADER_BYTES_SENT": plain(.bytes(.upstreamHeadSent)),
    // HTTP/1 compresses no heads.
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED": plain(.bytes(.downstreamHeadReceived)),
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT": plain(.bytes(.downstreamHeadSent)),
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED": plain(.bytes(.upstreamHeadReceived)),
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT": plain(.bytes(.upstreamHeadSent)),
  ]

  // MARK: Outcome

  private static let outcome: [String: Entry] = [
    "PROTOCOL": plain(.protocol),
    "UPSTREAM_PROTOCOL": plain(.upstreamProtocol),
    "RESPONSE_CODE": plain(.responseCode),
    "RESPONSE_CODE_DETAILS": Entry(parameter: .optional) { (text) throws(FormatError) in
      guard ["", "ALLOW_WHITESPACES"].contains(text) else {
        throw FormatError(message: "expected ALLOW_WHITESPACES, found `\(text)`")
      }
      return .responseCodeDetails(allowWhitespace: !text.isEmpty)
    },
    "RESPONSE_FLAGS": plain(.responseFlags(long: false)),
    "RESPONSE_FLAGS_LONG": plain(.responseFlags(long: true)),
    "CONNECTION_TERMINATION_DETAILS": plain(.connectionTerminationDetails),
    "UPSTREAM_TRANSPORT_FAILURE_REASON": plain(.upstreamTransportFailureReason),
    "LOCAL_REPLY_BODY": plain(.localReplyBody),
    "CUSTOM_FLAGS": plain(.customFlags),
    "ACCESS_LOG_TYPE": plain(.accessLogType),
    "COALESCE": Entry(parameter: .required, takesLength: true) { (text) throws(FormatError) in
      try FormatCoalesce.parse(text)
    },
  ]

  // MARK: Addresses and names

  private static let names: [String: Entry] = {
    var table: [String: Entry] = [
      "UPSTREAM_HOST": plain(.upstreamHost(.address)),
      "UPSTREAM_HOST_NAME": plain(.upstreamHost(.name)),
      "UPSTREAM_HOST_NAME_WITHOUT_PORT": plain(.upstreamHost(.nameWithoutPort)),
      "UPSTREAM_CLUSTER": plain(.upstreamCluster(raw: false)),
      "UPSTREAM_CLUSTER_RAW": plain(.upstreamCluster(raw: true)),
      "UPSTREAM_REQUEST_ATTEMPT_COUNT": plain(.upstreamAttempts),
      "ROUTE_NAME": plain(.routeName),
      "FILTER_CHAIN_NAME": plain(.filterChainName),
      "LISTENER_NAME": plain(.listenerName),
      "ROUTE_RESOLUTION_COUNT": plain(.routeResolutions),
      "ROUTE_RESOLUTION_TIME_US": plain(.routeResolutionTime),
      "DOWNSTREAM_CX_RTT": plain(.roundTripTime),
      "DOWNSTREAM_DETECTED_CLOSE_TYPE": plain(.downstreamCloseType),
      "UPSTREAM_CONNECTION_IDS_ATTEMPTED": plain(.attempted(.connectionID)),
      "UPSTREAM_HOSTS_ATTEMPTED": plain(.attempted(.address)),
      "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT": plain(.attempted(.addressWithoutPort)),
      "UPSTREAM_HOST_NAMES_ATTEMPTED": plain(.attempted(.name)),
      "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT": plain(.attempted(.nameWithoutPort)),
      "CONNECTION_ID": plain(.connectionID),
      "UPSTREAM_CONNECTION_ID": plain(.upstreamConnectionID),
      "STREAM_ID": plain(.streamID),
      "UNIQUE_ID": plain(.uniqueID),
      "HOSTNAME": plain(.hostname),
      "ENVIRONMENT": Entry(parameter: .required, takesLength: true) { (text) throws(FormatError) in
        .environment(text)
      },
    ]
    let sources: [(String, FormatOperator.AddressSource)] = [
      ("DOWNSTREAM_REMOTE", .downstreamRemote),
      ("DOWNSTREAM_DIRECT_REMOTE", .downstreamDirectRemote),
      ("DOWNSTREAM_LOCAL", .downstreamLocal),
      ("DOWNSTREAM_DIRECT_LOCAL", .downstreamDirectLocal),
      ("UPSTREAM_LOCAL", .upstreamLocal), ("UPSTREAM_REMOTE", .upstreamRemote),
    ]
    for (name, source) in sources {
      table[name + "_ADDRESS"] = plain(.address(source, .full))
      table[name + "_PORT"] = plain(.address(source, .port))
      table[name + "_ADDRESS_WITHOUT_PORT"] = Entry(parameter: .optional) {
        (text) throws(FormatError) in
        if text.isEmpty { return .address(source, .withoutPort(prefix: nil)) }
        guard let length = Int(text), (0...128).contains(length) else {
          throw FormatError(message: "expected a prefix length from 0 to 128, found `\(text)`")
        }
        return .address(source, .withoutPort(prefix: length))
      }
    }
    return table
  }()

  // MARK: What filters store

  private static let stored: [String: Entry] = {
    func metadata(_ source: FormatOperator.MetadataSource) -> Entry {
      Entry(parameter: .required, takesLength: true) { (text) throws(FormatError) in
        let parts = path(of: text)
        return .metadata(source, namespace: parts.first ?? "", path: Array(parts.dropFirst()))
      }
    }
    var table = [
      "DYNAMIC_METADATA": metadata(.dynamic), "CLUSTER_METADATA": metadata(.cluster),
      "UPSTREAM_METADATA": metadata(.upstreamHost),
    ]
    let kinds: [String: FormatOperator.MetadataSource] = [
      "DYNAMIC": .dynamic, "CLUSTER": .cluster, "ROUTE": .route, "UPSTREAM_HOST": .upstreamHost,
      "LISTENER": .listener, "LISTENER_FILTER_CHAIN": .listenerFilterChain,
      "VIRTUAL_HOST": .virtualHost,
    ]
    table["METADATA"] = Entry(parameter: .required, takesLength: true) { (text) throws(FormatError) in
      let parts = path(of: text)
      guard let source = kinds[parts.first ?? ""] else {
        throw FormatError(
          message: "expected one of \(kinds.keys.sorted().joined(separator: ", ")) before the first colon, "
            + "found `\(parts.first ?? "")`")
      }
      return .metadata(
        source, namespace: parts.count > 1 ? parts[1] : "", path: Array(parts.dropFirst(2)))
    }
    table["FILTER_STATE"] = Entry(parameter: .required, takesLength: true) {
      (text) throws(FormatError) in try filterState(text)
    }
    // No filter stands between here and an upstream.
    table["UPSTREAM_FILTER_STATE"] = Entry(parameter: .required, takesLength: true) {
      (text) throws(FormatError) in
      _ = try filterState(text)
      return .absent(.text)
    }
    // The old form of headers: %PER_REQUEST_STATE(key)%.
    table["PER_REQUEST_STATE"] = Entry(parameter: .required) { (text) throws(FormatError) in
      .filterState(key: text, .text)
    }
    return table
  }()

  /// `a:b:c`, or the old form of headers, `["a", "b", "c"]`.
  private static func path(of text: String) -> [String] {
    guard text.hasPrefix("["), text.hasSuffix("]") else {
      return text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    }
    return text.dropFirst().dropLast().split(separator: ",").map { part in
      String(part.drop { $0 == " " || $0 == "\"" }.reversed().drop { $0 == " " || $0 == "\"" }.reversed())
    }
  }

  private static func filterState(_ text: String) throws(FormatError) -> FormatOperator {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    let kind = parts.count > 1 ? parts[1] : ""
    guard let key = parts.first, !key.isEmpty else {
      throw FormatError(message: "the key must not be empty")
    }
    guard ["", "PLAIN", "TYPED", "FIELD"].contains(kind) else {
      throw FormatError(message: "expected PLAIN, TYPED or FIELD, found `\(kind)`")
    }
    guard (kind == "FIELD") == (parts.count > 2 && !parts[2].isEmpty) else {
      throw FormatError(message: "FIELD needs the name of a field, and only FIELD takes one")
    }
    switch kind {
    case "PLAIN": return .filterState(key: String(key), .text)
    case "FIELD": return .filterState(key: String(key), .field(String(parts[2])))
    default: return .filterState(key: String(key), .typed)
    }
  }

  // MARK: What is never there on plain connections

  private static let absent: [String: Entry] = {
    var table: [String: Entry] = [:]
    for name in [
      "REQUESTED_SERVER_NAME", "UPSTREAM_SERVER_NAME", "VIRTUAL_CLUSTER_NAME", "TRACE_ID", "SPAN_ID",
      "TLS_JA3_FINGERPRINT", "TLS_JA4_FINGERPRINT",
      "DOWNSTREAM_TRANSPORT_FAILURE_REASON", "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID",
      "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID", "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID",
    ] { table[name] = plain(.absent(.text)) }
    for side in ["DOWNSTREAM", "UPSTREAM"] {
      for part in [
        "LOCAL_URI_SAN", "LOCAL_DNS_SAN", "LOCAL_IP_SAN", "LOCAL_EMAIL_SAN", "LOCAL_OTHERNAME_SAN",
        "LOCAL_SUBJECT", "PEER_URI_SAN", "PEER_DNS_SAN", "PEER_IP_SAN", "PEER_EMAIL_SAN",
        "PEER_OTHERNAME_SAN", "PEER_SUBJECT", "PEER_ISSUER", "PEER_CERT", "TLS_SESSION_ID",
        "TLS_CIPHER", "TLS_VERSION", "TLS_GROUP", "PEER_FINGERPRINT_256", "PEER_FINGERPRINT_1",
        "PEER_SERIAL", "PEER_CHAIN_FINGERPRINTS_256", "PEER_CHAIN_FINGERPRINTS_1",
        "PEER_CHAIN_SERIALS", "PEER_ISSUER_FINGERPRINT_256", "PEER_ISSUER_SERIAL",
      ] { table["\(side)_\(part)"] = plain(.absent(.text)) }
      for part in ["PEER_CERT_V_START", "PEER_CERT_V_END"] {
        table["\(side)_\(part)"] = Entry(parameter: .optional) { (_) throws(FormatError) in .absent(.text) }
      }
    }
    return table
  }()
}
