// Access logs (`config.accesslog.v3`): which lines are written, how, and where to.

public struct AccessLog: Hashable, Sendable {
  /// Nil: every line.
  public var filter: AccessLogFilter?
  public var sink: Sink
  public var format: FormatString

  public enum Sink: Hashable, Sendable {
    /// Appended to; opened again on SIGUSR1.
    case file(String)
    case standardOutput
    case standardError
  }
  public init(sink: Sink, format: FormatString) {
    self.sink = sink
    self.format = format
  }
}

/// When lines are written besides the one at the end.
public struct AccessLogTiming: Hashable, Sendable {
  /// While a request or connection lasts (nil: never). 1 ms or more.
  public var interval: Duration?
  /// HTTP: when a request has come. TCP: when the upstream connection stands.
  public var onStart = false
  /// HTTP: when a tunnel stands.
  public var onTunnel = false
  public init() {}
}

/// `config.accesslog.v3.AccessLogFilter`.
public indirect enum AccessLogFilter: Hashable, Sendable {
  case statusCode(AccessLogComparison)
  /// Milliseconds.
  case duration(AccessLogComparison)
  case notHealthCheck
  /// Requests that a tracer follows: none, there is no tracer.
  case traceable
  /// A share of the lines; the same for a request id everywhere, unless `independent`.
  case sampled(RuntimeFraction, independent: Bool)
  case all([AccessLogFilter])
  case any([AccessLogFilter])
  case header(HeaderMatcher)
  /// Envoy's short names; empty: any flag.
  case responseFlags([String])
  /// Of 0...16.
  case grpcStatus(Set<UInt8>, exclude: Bool)
  case logType(Set<LogType>, exclude: Bool)
  /// By dynamic metadata; `otherwise` where it has no such value. Nil: it never has.
  case metadata(MetadataMatcher?, otherwise: Bool)

  public enum LogType: Hashable, Sendable {
    case notSet, tcpUpstreamConnected, tcpPeriodic, tcpConnectionEnd
    case downstreamStart, downstreamPeriodic, downstreamEnd, downstreamTunnelEstablished
    /// Of upstream and UDP logs, which there are none of.
    case other
  }
}

public struct AccessLogComparison: Hashable, Sendable {
  public enum Operator: Hashable, Sendable { case equal, greaterOrEqual, lessOrEqual, notEqual }
  public var comparison: Operator
  public var value: UInt32
  /// What stands under it in the runtime goes before `value`. Empty: none.
  public var runtimeKey: String
  public init(_ comparison: Operator, _ value: UInt32, runtimeKey: String = "") {
    self.comparison = comparison
    self.value = value
    self.runtimeKey = runtimeKey
  }
}

/// `LocalReplyConfig`: what the proxy's own answers look like.
public struct LocalReplies: Hashable, Sendable {
  public var mappers: [Mapper] = []
  /// Of every local reply's body (nil: as it is).
  public var bodyFormat: FormatString?

  /// The first whose filter takes the reply changes it.
  public struct Mapper: Hashable, Sendable {
    public var filter: AccessLogFilter
    /// 200..<600
    public var status: Int?
    public var body: [UInt8]?
    public var bodyFormat: FormatString?
    public var headersToAdd: [HeaderAddition] = []
    public init(filter: AccessLogFilter) { self.filter = filter }
  }
  public init() {}
}
