// What a format may ask about: one request, or one connection. Borrowed for one evaluation.
import Model

/// When an access log line is written, under Envoy's names.
enum AccessLogType: UInt8 {
  case notSet, tcpUpstreamConnected, tcpPeriodic, tcpConnectionEnd, tcpConnectionStart
  case downstreamStart, downstreamTunnelEstablished, downstreamPeriodic, downstreamEnd

  var name: StaticString {
    switch self {
    case .notSet: "NotSet"
    case .tcpUpstreamConnected: "TcpUpstreamConnected"
    case .tcpPeriodic: "TcpPeriodic"
    case .tcpConnectionEnd: "TcpConnectionEnd"
    case .tcpConnectionStart: "TcpConnectionStart"
    case .downstreamStart: "DownstreamStart"
    case .downstreamTunnelEstablished: "DownstreamTunnelSuccessfullyEstablished"
    case .downstreamPeriodic: "DownstreamPeriodic"
    case .downstreamEnd: "DownstreamEnd"
    }
  }
}

/// How a connection ended, or nobody's reset: in order, or not yet.
enum ConnectionReset: UInt8 { case nobody, peer, proxy }

/// What formats ask of a downstream connection; `Connection` is one.
class DescribedConnection: SocketHandler {
  /// Unlike all others of the process.
  var connectionID: UInt64 { 0 }
  /// When it was accepted, in the reactor's time.
  var startTime: UInt64 { 0 }
  var remoteAddress: SocketAddress? { nil }
  var directRemoteAddress: SocketAddress? { nil }
  /// May cost a system call, the first time.
  var localAddressForFormats: SocketAddress? { nil }
  /// Of the socket, whatever a listener filter said.
  var directLocalAddress: SocketAddress? { nil }
  var filterChainName: ByteView { MessageHead.empty }
  var listenerName: ByteView { MessageHead.empty }
  /// Microseconds. May cost a system call.
  var roundTripTime: UInt64? { nil }
  /// Who ended it with a reset.
  var resetBy: ConnectionReset { .nobody }
  var filterChainMetadata: MetadataTree? { nil }
  var listenerMetadata: MetadataTree? { nil }
  /// What filters have stored about it. Nil: nothing.
  var stored: StoredData?
}

struct FormatContext {
  unowned(unsafe) let worker: WorkerContext
  /// Nil where there is no request: a connection's log.
  unowned(unsafe) let request: MessageHead?
  unowned(unsafe) let response: MessageHead?
  unowned(unsafe) let trailers: MessageHead?
  unowned(unsafe) let connection: DescribedConnection?
  let info: UnsafeMutablePointer<StreamInfo>
  var stored: StoredView
  var localReplyBody = MessageHead.empty
  var logType = AccessLogType.notSet

  init(
    worker: WorkerContext, request: MessageHead?, response: MessageHead?, trailers: MessageHead?,
    connection: DescribedConnection?, info: UnsafeMutablePointer<StreamInfo>,
    stored: StoredData? = nil
  ) {
    self.worker = worker
    self.request = request
    self.response = response
    self.trailers = trailers
    self.connection = connection
    self.info = info
    self.stored = StoredView(
      stream: stored, connection: connection?.stored, isStream: request != nil)
  }
}

/// What must be recorded while a request runs because a format asks for it and it costs something.
struct FormatNeeds: OptionSet {
  let rawValue: UInt8
  /// The local address of upstream connections: a system call a connection.
  static let upstreamLocal = FormatNeeds(rawValue: 1)
  /// The size of received heads: a walk over the fields.
  static let headBytes = FormatNeeds(rawValue: 2)
  /// Where clients connected to: a system call a connection, and not to be had when it has ended.
  static let downstreamLocal = FormatNeeds(rawValue: 4)
  /// The endpoints of all attempts: a list.
  static let attempts = FormatNeeds(rawValue: 8)
  /// How long it takes to find a route: two clock reads a request.
  static let routeTime = FormatNeeds(rawValue: 16)
}
