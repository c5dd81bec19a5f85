// Interned header names. A name that anything in the proxy asks for has a number, found once while
// the head is parsed; asking for a header is then a walk over small numbers.
//
// The names below are known to the code. Configuration adds its own (a route's header match, later
// a plugin's): a worker interns them while it applies a configuration. Names nobody asks for have
// no number and are only passed on.

/// The number of a header name; 0 for a name without one.
struct HeaderID: RawRepresentable, Equatable {
  let rawValue: UInt16
  init(rawValue: UInt16) { self.rawValue = rawValue }

  static let unknown = HeaderID(rawValue: 0)
  static let host = HeaderID(rawValue: 1)
  static let contentLength = HeaderID(rawValue: 2)
  static let transferEncoding = HeaderID(rawValue: 3)
  static let connection = HeaderID(rawValue: 4)
  static let expect = HeaderID(rawValue: 5)
  static let upgrade = HeaderID(rawValue: 6)
  static let keepAlive = HeaderID(rawValue: 7)
  static let proxyConnection = HeaderID(rawValue: 8)
  static let te = HeaderID(rawValue: 9)
  static let trailer = HeaderID(rawValue: 10)
  static let date = HeaderID(rawValue: 11)
  static let server = HeaderID(rawValue: 12)
  static let xRequestID = HeaderID(rawValue: 13)
  static let xForwardedProto = HeaderID(rawValue: 14)
  static let xForwardedFor = HeaderID(rawValue: 15)
  static let xEnvoyExpectedTimeout = HeaderID(rawValue: 16)
  static let xEnvoyUpstreamServiceTime = HeaderID(rawValue: 17)
  static let contentType = HeaderID(rawValue: 18)
  static let location = HeaderID(rawValue: 19)
  static let xEnvoyOriginalPath = HeaderID(rawValue: 20)
  static let http2Settings = HeaderID(rawValue: 21)
  static let xEnvoyInternal = HeaderID(rawValue: 22)
  static let xEnvoyRetryOn = HeaderID(rawValue: 23)
  static let xEnvoyRetryGRPCOn = HeaderID(rawValue: 24)
  static let xEnvoyMaxRetries = HeaderID(rawValue: 25)
  static let xEnvoyRetriableStatusCodes = HeaderID(rawValue: 26)
  static let xEnvoyRetriableHeaderNames = HeaderID(rawValue: 27)
  static let xEnvoyUpstreamAltStatName = HeaderID(rawValue: 28)
  static let xEnvoyUpstreamTimeout = HeaderID(rawValue: 29)
  static let xEnvoyPerTryTimeout = HeaderID(rawValue: 30)
  static let xEnvoyTimeoutAltResponse = HeaderID(rawValue: 31)
  static let xEnvoyUpstreamStreamDuration = HeaderID(rawValue: 32)
  static let xEnvoyForceTrace = HeaderID(rawValue: 33)
  static let xEnvoyIPTags = HeaderID(rawValue: 34)
  static let xEnvoyOriginalURL = HeaderID(rawValue: 35)
  static let xEnvoyHedgeOnPerTryTimeout = HeaderID(rawValue: 36)
  static let xEnvoyDecoratorOperation = HeaderID(rawValue: 37)
  static let xEnvoyRateLimited = HeaderID(rawValue: 38)
  static let grpcStatus = HeaderID(rawValue: 39)
  static let xEnvoyAttemptCount = HeaderID(rawValue: 40)
  static let xEnvoyOriginalHost = HeaderID(rawValue: 41)
  static let xEnvoyDownstreamServiceCluster = HeaderID(rawValue: 42)
  static let xEnvoyDownstreamServiceNode = HeaderID(rawValue: 43)
  static let xEnvoyExternalAddress = HeaderID(rawValue: 44)
  static let xForwardedPort = HeaderID(rawValue: 45)
  static let userAgent = HeaderID(rawValue: 46)
  static let via = HeaderID(rawValue: 47)
  static let grpcTimeout = HeaderID(rawValue: 48)
  static let xEnvoyUpstreamCanary = HeaderID(rawValue: 49)
  static let xEnvoyIsTimeoutRetry = HeaderID(rawValue: 50)

  /// In the order of their numbers, from 1.
  static let wellKnown: [StaticString] = [
    "host", "content-length", "transfer-encoding", "connection", "expect", "upgrade", "keep-alive",
    "proxy-connection", "te", "trailer", "date", "server", "x-request-id", "x-forwarded-proto",
    "x-forwarded-for", "x-envoy-expected-rq-timeout-ms", "x-envoy-upstream-service-time",
    "content-type", "location", "x-envoy-original-path", "http2-settings",
    "x-envoy-internal", "x-envoy-retry-on", "x-envoy-retry-grpc-on", "x-envoy-max-retries",
    "x-envoy-retriable-status-codes", "x-envoy-retriable-header-names",
    "x-envoy-upstream-alt-stat-name", "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms", "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-stream-duration-ms", "x-envoy-force-trace", "x-envoy-ip-tags",
    "x-envoy-original-url", "x-envoy-hedge-on-per-try-timeout", "x-envoy-decorator-operation",
    "x-envoy-ratelimited", "grpc-status", "x-envoy-attempt-count", "x-envoy-original-host",
    "x-envoy-downstream-service-cluster", "x-envoy-downstream-service-node",
    "x-envoy-external-address", "x-forwarded-port", "user-agent", "via",
    "grpc-timeout", "x-envoy-upstream-canary", "x-envoy-is-timeout-retry",
  ]
}

/// A worker's table of names. Grows only when a configuration is applied; numbers never change.
final class HeaderNameTable {
  private struct Entry {
    var hash: UInt32
    var id: UInt16
    var length: UInt16
    /// Into `text`.
    var offset: Int
  }
  private var entries: UnsafeMutablePointer<Entry>
  private var mask: Int
  private var text: UnsafeMutablePointer<UInt8>
  private var textCapacity = 4096
  private var textLength = 0
  private var count = 0

  init() {
    mask = 127
    entries = .allocate(capacity: 128)
    entries.initialize(repeating: Entry(hash: 0, id: 0, length: 0, offset: 0), count: 128)
    text = .allocate(capacity: textCapacity)
    for name in HeaderID.wellKnown { _ = insert(name.utf8Start, name.utf8CodeUnitCount) }
  }

  deinit {
    entries.deallocate()
    text.deallocate()
  }

  /// FNV-1a over lower-case bytes; the parser computes it as it reads the name.
  @inline(__always) static var hashSeed: UInt32 { 2_166_136_261 }
  @inline(__always) static func hash(_ hash: UInt32, _ byte: UInt8) -> UInt32 {
    (hash ^ UInt32(byte)) &* 16_777_619
  }

  /// `name` is in lower case and `hash` is its hash.
  @inline(__always)
  func lookup(_ name: UnsafePointer<UInt8>, _ length: Int, hash: UInt32) -> HeaderID {
    var index = Int(hash) & mask
    while true {
      let entry = entries + index
      if entry.pointee.id == 0 { return .unknown }
      if entry.pointee.hash == hash, Int(entry.pointee.length) == length,
        bytesEqual(text + entry.pointee.offset, name, length)
      {
        return HeaderID(rawValue: entry.pointee.id)
      }
      index = (index &+ 1) & mask
    }
  }

  /// The number of a lower-case name; `.unknown` where it has none.
  @inline(__always)
  func find(_ name: ByteView) -> HeaderID {
    lookup(name.base, name.count, hash: HeaderNameTable.hash(of: name.base, name.count))
  }

  /// The number of a lower-case name, given one if it has none. Control-plane frequency. Nil when
  /// 65,535 names are in use.
  func intern(_ name: [UInt8]) -> HeaderID? {
    name.withUnsafeBufferPointer { bytes in
      guard let base = bytes.baseAddress else { return nil }
      let found = lookup(base, bytes.count, hash: HeaderNameTable.hash(of: base, bytes.count))
      return found == .unknown ? insert(base, bytes.count) : found
    }
  }

  private static func hash(of name: UnsafePointer<UInt8>, _ length: Int) -> UInt32 {
    var hash = hashSeed
    for index in 0..<length { hash = self.hash(hash, name[index]) }
    return hash
  }

  private func insert(_ name: UnsafePointer<UInt8>, _ length: Int) -> HeaderID? {
    guard count < 65_535, length < 65_536 else { return nil }
    if (count + 1) * 2 > mask { growEntries() }
    while textLength + length > textCapacity { growText() }
    (text + textLength).update(from: name, count: length)
    count += 1
    place(
      Entry(
        hash: HeaderNameTable.hash(of: name, length), id: UInt16(count), length: UInt16(length),
        offset: textLength))
    textLength += length
    return HeaderID(rawValue: UInt16(count))
  }

  private func place(_ entry: Entry) {
    var index = Int(entry.hash) & mask
    while entries[index].id != 0 { index = (index + 1) & mask }
    entries[index] = entry
  }

  private func growEntries() {
    let old = entries
    let oldCount = mask + 1
    mask = oldCount * 2 - 1
    entries = .allocate(capacity: mask + 1)
    entries.initialize(repeating: Entry(hash: 0, id: 0, length: 0, offset: 0), count: mask + 1)
    for index in 0..<oldCount where old[index].id != 0 { place(old[index]) }
    old.deallocate()
  }

  private func growText() {
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: textCapacity * 2)
    larger.update(from: text, count: textLength)
    text.deallocate()
    text = larger
    textCapacity *= 2
  }
}
