// One step of a compiled format: plain bytes, so that a program is a run of memory that is walked
// without counting references.
import Model

struct FormatStep {
  enum Code: UInt8 {
    case text
    case requestField, responseField, trailerField, requestFieldWithoutQuery
    case path, queryParameter, queryParameters
    case requestHeadBytes, responseHeadBytes, trailerBytes, grpcStatus
    case startTime, emitTime, duration, totalDuration
    case bytes, zero
    case responseCode, responseCodeDetails, responseFlags, terminationDetails, transportFailure
    case httpProtocol, upstreamProtocol
    case address, upstreamHost, upstreamCluster, upstreamAttempts
    case routeName, filterChainName, connectionID, upstreamConnectionID, streamID, uniqueID
    case localReplyBody, accessLogType, coalesce
    case metadata, filterState
    case listenerName, routeResolutions, routeResolutionTime, roundTripTime, downstreamCloseType, attempted
    case absent, absentNumber
    /// `kind`: 0 text, 1 number, 2 truth value.
    case plugin
  }
  /// Where a field is found: by its number, or among the parts of the start line.
  struct Field {
    enum Kind: UInt8 { case none, header, method, path, authority, scheme, status }
    var kind = Kind.none
    var id = HeaderID.unknown
  }

  var code: Code
  /// The meaning is the code's: an enumeration's raw value, a flag.
  var kind: UInt8 = 0
  var second: UInt8 = 0
  var field = Field()
  var alternative = Field()
  /// Bytes of the value that are written; -1: all.
  var limit: Int32 = -1
  /// A prefix length, digits; -1: none.
  var number: Int32 = -1
  /// Into the program's memory: literal text, a name; steps of a coalesce; a time format; an operator of a
  /// plugin.
  var pointer: UnsafeRawPointer?
  var count: Int32 = 0

  init(_ code: Code) { self.code = code }

  @inline(__always)
  var text: ByteView {
    guard let pointer else { return MessageHead.empty }
    return ByteView(pointer.assumingMemoryBound(to: UInt8.self), Int(count))
  }

  /// In JSON it stands without quotation marks.
  var isNumber: Bool {
    switch code {
    case .requestHeadBytes, .responseHeadBytes, .trailerBytes, .duration, .totalDuration, .bytes, .zero,
      .responseCode, .upstreamAttempts, .connectionID, .upstreamConnectionID, .absentNumber,
      .routeResolutions, .routeResolutionTime, .roundTripTime:
      true
    case .grpcStatus: kind == 2
    case .plugin: kind != 0
    case .address: second == 2
    default: false
    }
  }
}
