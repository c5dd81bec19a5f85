// Why an answer is what it is, as one letter code each: Envoy's response flags, which access logs,
// their filters and operators' dashboards know.

/// A set of Envoy's core response flags. The order of the bits is the order in which they are written:
/// Envoy writes them in the order in which they are found, and that retries are over is found first.
struct ResponseFlags: OptionSet, Hashable {
  let rawValue: UInt32
  init(rawValue: UInt32) { self.rawValue = rawValue }

  static let upstreamRetryLimitExceeded = ResponseFlags(rawValue: 1 << 0)
  static let upstreamOverflow = ResponseFlags(rawValue: 1 << 1)
  static let failedLocalHealthCheck = ResponseFlags(rawValue: 1 << 2)
  static let noHealthyUpstream = ResponseFlags(rawValue: 1 << 3)
  static let upstreamRequestTimeout = ResponseFlags(rawValue: 1 << 4)
  static let localReset = ResponseFlags(rawValue: 1 << 5)
  static let upstreamRemoteReset = ResponseFlags(rawValue: 1 << 6)
  static let upstreamConnectionFailure = ResponseFlags(rawValue: 1 << 7)
  static let upstreamConnectionTermination = ResponseFlags(rawValue: 1 << 8)
  static let noRouteFound = ResponseFlags(rawValue: 1 << 9)
  static let delayInjected = ResponseFlags(rawValue: 1 << 10)
  static let faultInjected = ResponseFlags(rawValue: 1 << 11)
  static let rateLimited = ResponseFlags(rawValue: 1 << 12)
  static let unauthorizedExternalService = ResponseFlags(rawValue: 1 << 13)
  static let rateLimitServiceError = ResponseFlags(rawValue: 1 << 14)
  static let downstreamConnectionTermination = ResponseFlags(rawValue: 1 << 15)
  static let streamIdleTimeout = ResponseFlags(rawValue: 1 << 16)
  static let invalidEnvoyRequestHeaders = ResponseFlags(rawValue: 1 << 17)
  static let downstreamProtocolError = ResponseFlags(rawValue: 1 << 18)
  static let upstreamMaxStreamDurationReached = ResponseFlags(rawValue: 1 << 19)
  static let responseFromCacheFilter = ResponseFlags(rawValue: 1 << 20)
  static let noFilterConfigFound = ResponseFlags(rawValue: 1 << 21)
  static let durationTimeout = ResponseFlags(rawValue: 1 << 22)
  static let upstreamProtocolError = ResponseFlags(rawValue: 1 << 23)
  static let noClusterFound = ResponseFlags(rawValue: 1 << 24)
  static let overloadManager = ResponseFlags(rawValue: 1 << 25)
  static let dnsResolutionFailed = ResponseFlags(rawValue: 1 << 26)
  static let dropOverload = ResponseFlags(rawValue: 1 << 27)
  static let downstreamRemoteReset = ResponseFlags(rawValue: 1 << 28)
  static let unconditionalDropOverload = ResponseFlags(rawValue: 1 << 29)
  /// The TCP proxy's attempts to connect: it says so after the failure itself.
  static let connectAttemptsExceeded = ResponseFlags(rawValue: 1 << 30)

  /// (short, long), in the order of the bits.
  static let names: [(short: StaticString, long: StaticString)] = [
    ("URX", "UpstreamRetryLimitExceeded"), ("UO", "UpstreamOverflow"),
    ("LH", "FailedLocalHealthCheck"), ("UH", "NoHealthyUpstream"), ("UT", "UpstreamRequestTimeout"),
    ("LR", "LocalReset"), ("UR", "UpstreamRemoteReset"), ("UF", "UpstreamConnectionFailure"),
    ("UC", "UpstreamConnectionTermination"), ("NR", "NoRouteFound"), ("DI", "DelayInjected"),
    ("FI", "FaultInjected"), ("RL", "RateLimited"), ("UAEX", "UnauthorizedExternalService"),
    ("RLSE", "RateLimitServiceError"), ("DC", "DownstreamConnectionTermination"),
    ("SI", "StreamIdleTimeout"), ("IH", "InvalidEnvoyRequestHeaders"),
    ("DPE", "DownstreamProtocolError"), ("UMSDR", "UpstreamMaxStreamDurationReached"),
    ("RFCF", "ResponseFromCacheFilter"), ("NFCF", "NoFilterConfigFound"), ("DT", "DurationTimeout"),
    ("UPE", "UpstreamProtocolError"), ("NC", "NoClusterFound"), ("OM", "OverloadManagerTerminated"),
    ("DF", "DnsResolutionFailed"), ("DO", "DropOverload"), ("DR", "DownstreamRemoteReset"),
    ("UDO", "UnconditionalDropOverload"), ("URX", "UpstreamRetryLimitExceeded"),
  ]

  /// The name of a bit.
  static func name(_ index: Int, long: Bool) -> StaticString {
    long ? names[index].long : names[index].short
  }

  /// What has this short name. Control-plane frequency.
  init?(short: String) {
    self = []
    for index in Self.names.indices where "\(Self.names[index].short)" == short {
      formUnion(ResponseFlags(rawValue: 1 << UInt32(index)))
    }
    if isEmpty { return nil }
  }
}

extension ResponseFlags {
  /// The codes, or the long names, separated by commas.
  func write(long: Bool, to out: TextBuffer) {
    var rest = rawValue
    var isFirst = true
    while rest != 0 {
      let index = rest.trailingZeroBitCount
      rest &= rest &- 1
      if !isFirst { out.append(UInt8(ascii: ",")) }
      isFirst = false
      out.append(ResponseFlags.name(index, long: long))
    }
  }
}
