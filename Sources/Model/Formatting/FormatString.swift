// Format strings: text or JSON in which `%OPERATOR(parameter):length%` stands for something of a
// request or a connection (`config.core.v3.SubstitutionFormatString`). Headers, local replies and
// access logs are written with them. Here stands what a format says; `FormatParser` reads it, the
// data plane compiles it.

/// A parsed format.
public struct FormatString: Hashable, Sendable {
  public enum Shape: Hashable, Sendable {
    case text([FormatElement])
    /// A line of JSON; the outermost is an object.
    case json(FormatJSON)
  }
  public var shape: Shape
  /// What has no value is left empty. Otherwise it is written as `-`. In JSON a value that stands
  /// alone is `null` either way, as in Envoy.
  public var omitEmptyValues = false
  /// Of local replies. Empty: `text/plain` or `application/json`, as the shape says.
  public var contentType = ""

  public init(_ shape: Shape) { self.shape = shape }

  /// Bytes that stand for themselves.
  public init(literal: String) { shape = .text(literal.isEmpty ? [] : [.text(literal)]) }
}

/// A run of a text format.
public enum FormatElement: Hashable, Sendable {
  case text(String)
  case value(FormatValue)
}

/// An operator and how much of it is written.
public struct FormatValue: Hashable, Sendable {
  public var name: FormatOperator
  /// Bytes (nil: all).
  public var maxLength: Int?
  public init(_ name: FormatOperator, maxLength: Int? = nil) {
    self.name = name
    self.maxLength = maxLength
  }
}

/// A JSON format. Members are in the order in which they are written, which is that of their keys.
public indirect enum FormatJSON: Hashable, Sendable {
  public struct Member: Hashable, Sendable {
    public var key: String
    public var value: FormatJSON
    public init(key: String, value: FormatJSON) {
      self.key = key
      self.value = value
    }
  }
  case object([Member])
  case list([FormatJSON])
  /// One operator alone keeps its type (number, text, null); anything else is text.
  case text([FormatElement])
  case number(Double)
  case bool(Bool)
  case null
}

/// What an operator stands for.
public indirect enum FormatOperator: Hashable, Sendable {
  // Heads. Names are in lower case; those with a colon are parts of the start line.
  case requestHeader(String, alternative: String?)
  case responseHeader(String, alternative: String?)
  case responseTrailer(String, alternative: String?)
  /// As `requestHeader`, without what follows a `?`.
  case requestWithoutQuery(String, alternative: String?)
  case path(withQuery: Bool, source: PathSource)
  case queryParameter(String)
  /// Nothing to decode: as they came.
  case queryParameters(decoded: Bool)
  case headerBytes(HeaderBytes)
  case grpcStatus(GRPCStatusStyle)

  // Times.
  case time(TimeSource, TimeFormat)
  /// From one point to another; none where one of them was not reached.
  case duration(from: TimePoint, to: TimePoint, DurationUnit)
  /// From the start to now, in milliseconds.
  case totalDuration

  case bytes(ByteCounter)
  case responseCode
  case responseCodeDetails(allowWhitespace: Bool)
  case responseFlags(long: Bool)
  case connectionTerminationDetails
  case upstreamTransportFailureReason
  case `protocol`
  case upstreamProtocol

  // Addresses and names.
  case address(AddressSource, AddressPart)
  case upstreamHost(UpstreamHostPart)
  /// `alt_stat_name` where the cluster has one, unless `raw`.
  case upstreamCluster(raw: Bool)
  case upstreamAttempts
  /// Of every connection that the request was sent on (TCP: that was tried), with commas between them.
  case attempted(AttemptPart)
  case routeName
  case filterChainName
  case listenerName
  /// How often a route was looked for, and how long that took in all, in microseconds.
  case routeResolutions
  case routeResolutionTime
  /// Of the client's connection, in milliseconds.
  case roundTripTime
  /// How the client's connection was ended: `Normal`, `RemoteReset`, `LocalReset`.
  case downstreamCloseType
  case connectionID
  case upstreamConnectionID
  case streamID
  case uniqueID
  case hostname
  case environment(String)
  case localReplyBody
  /// Words that filters set; none here does.
  case customFlags
  case accessLogType
  /// The first of them that has a value that is not empty.
  case coalesce([FormatValue])

  /// Dynamic metadata that filters store, or what stands in the configuration.
  case metadata(MetadataSource, namespace: String, path: [String])
  /// Objects that filters store.
  case filterState(key: String, FilterStateFace)
  /// A plugin's.
  case plugin(FormatOperatorBinding)

  /// What only TLS, QUIC, tracing or a filter would know: never a value on plain connections.
  case absent(AbsentKind)
  /// What is counted for other protocols only: always 0.
  case zero

  public enum PathSource: Hashable, Sendable { case original, path, originalOrPath }
  public enum HeaderBytes: Hashable, Sendable { case request, response, responseTrailers }
  public enum GRPCStatusStyle: Hashable, Sendable { case camel, snake, number }
  public enum TimeSource: Hashable, Sendable { case start, emit }
  public enum DurationUnit: Hashable, Sendable { case milliseconds, microseconds, nanoseconds }
  public enum TimePoint: Hashable, Sendable {
    case downstreamReceiveBegin, downstreamReceiveEnd, downstreamSendBegin, downstreamSendEnd
    case upstreamConnectBegin, upstreamConnectEnd
    case upstreamSendBegin, upstreamSendEnd, upstreamReceiveBegin, upstreamBodyBegin, upstreamReceiveEnd
    case upstreamRequestBegin, poolReady
    case downstreamConnectionBegin, downstreamConnectionEnd
    /// A handshake that plain connections do not make, or a point that a filter would set.
    case never
  }
  public enum ByteCounter: Hashable, Sendable {
    case bodyReceived, bodySent
    case downstreamWireReceived, downstreamWireSent, downstreamHeadReceived, downstreamHeadSent
    case upstreamWireReceived, upstreamWireSent, upstreamHeadReceived, upstreamHeadSent
  }
  public enum AddressSource: Hashable, Sendable {
    case downstreamRemote, downstreamDirectRemote, downstreamLocal, downstreamDirectLocal
    case upstreamLocal, upstreamRemote
  }
  public enum AddressPart: Hashable, Sendable {
    case full
    /// With a prefix length, as CIDR notation.
    case withoutPort(prefix: Int?)
    case port
  }
  public enum UpstreamHostPart: Hashable, Sendable {
    case address, addressWithoutPort, name, nameWithoutPort
  }
  public enum AttemptPart: Hashable, Sendable {
    case connectionID, address, addressWithoutPort, name, nameWithoutPort
  }
  public enum MetadataSource: Hashable, Sendable {
    case dynamic, cluster, route, upstreamHost, listener, listenerFilterChain, virtualHost
  }
  public enum FilterStateFace: Hashable, Sendable {
    case text
    /// As JSON.
    case typed
    case field(String)
  }
  public enum AbsentKind: Hashable, Sendable { case text, number }
}
