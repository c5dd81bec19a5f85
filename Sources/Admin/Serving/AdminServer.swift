// The admin API's HTTP side: Hummingbird's HTTP/1 channel over a socket we bound ourselves.
//
// Only HummingbirdCore is used. Its router and JSON coders would bring Foundation into a process
// that must start in milliseconds, for nine fixed paths; and `Server.run` binds for itself, late
// and asynchronously, where we want a refused port to be an error before traffic flows.
//
// One event loop thread does the reading and writing; requests are answered on Swift's
// concurrency pool. Nothing here runs on a worker or waits for one, so a slow client costs its
// connection and nothing else; how many there may be, and how long an idle one stays, is bounded.
//
// A connection's task starts in the channel's initializer, not from an asynchronous sequence of
// accepted connections: a `NIOAsyncChannel` that waits in such a sequence when it is cancelled is
// a fatal error in NIO, and the process would crash where it should end.
import Glibc
import HTTPTypes
import HummingbirdCore
import Logging
public import Model
import NIOCore
import NIOPosix

/// Serves the admin API on one socket.
public final class AdminServer: Sendable {
  /// Connections at once; above it they are closed unanswered. A scraper, a health checker and
  /// a person need a handful.
  static let maximumConnections = 128
  /// A connection without a request for so long is closed; a request may take as long, from its
  /// head to the last byte of its answer.
  static let idleTimeout = TimeAmount.seconds(60)
  /// All header fields of a request, in bytes. A tenth of what the data plane takes.
  static let maximumHeaderBytes = 8 << 10
  static let maximumHeaderFields = 100
  static let stopPatienceMilliseconds = 500
  /// No endpoint reads a body; a short one is discarded, a long one refused.
  static let maximumBodyBytes = 64 << 10

  /// What this server has done, for `http.admin.` and `listener.admin.`.
  public struct Counters: Sendable {
    public var connectionsTotal: UInt64 = 0
    public var connectionsActive: UInt64 = 0
    public var connectionsOverflow: UInt64 = 0
    public var requestsTotal: UInt64 = 0
    /// Of 1xx ... 5xx.
    public var responses: [UInt64] = Array(repeating: 0, count: 5)
  }

  private struct State {
    var counters = Counters()
    /// Nil before the start.
    var listening: EventLoopFuture<any Channel>?
    /// Open connections, to be closed at the end.
    var connections: [ObjectIdentifier: any Channel] = [:]
    /// Tasks that serve one; they end a little after it.
    var tasks = 0
  }

  private let socket: AdminSocket
  private let handler: AdminHandler
  private let accessLog: (@Sendable (String) -> Void)?
  private let loops: MultiThreadedEventLoopGroup
  private let shared = Locked(State())

  /// - Parameters:
  ///   - socket: Taken over, and closed when the server stops.
  ///   - accessLog: Takes a finished line for each request; must not block for long.
  public init(
    socket: AdminSocket, source: AdminSource, accessLog: (@Sendable (String) -> Void)? = nil
  ) {
    self.socket = socket
    handler = AdminHandler(source: source)
    self.accessLog = accessLog
    loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  }

  public var address: Model.SocketAddress { socket.address }

  public var counters: Counters {
    shared.withLock { state in
      state.counters.connectionsActive = UInt64(state.connections.count)
      return state.counters
    }
  }

  /// Begins to answer, in the background; connections that came before wait in the backlog.
  /// - Parameter failed: Told where the event loop does not take the socket.
  public func start(failed: @escaping @Sendable (String) -> Void) {
    let http = HTTP1Channel(
      responder: { [self] request, writer, channel in
        try await respond(to: request, writer, channel)
      },
      configuration: .init(
        idleTimeout: Self.idleTimeout,
        httpDecoderConfiguration: .init(
          maxHeaderFieldSize: Self.maximumHeaderBytes, maxHeaderListSize: Self.maximumHeaderBytes,
          maxHeaderFieldCount: Self.maximumHeaderFields)))
    let listening = ServerBootstrap(group: loops)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelInitializer { [self] in accept($0, http) }
      .withBoundSocket(socket.descriptor)
    listening.whenFailure { failed("\($0)") }
    shared.withLock { $0.listening = listening }
  }

  /// Closes the socket and all connections, and waits for the event loop to end. A connection
  /// that is not gone within the patience goes with the process.
  public func stop() {
    guard let listening = shared.withLock({ $0.listening }) else {
      close(socket.descriptor)
      try? loops.syncShutdownGracefully()
      return
    }
    // First the socket: from then on there is no new connection to miss.
    try? listening.flatMap { $0.close() }.wait()
    for channel in shared.withLock({ Array($0.connections.values) }) { channel.close(promise: nil) }
    for _ in 0..<Self.stopPatienceMilliseconds {
      if shared.withLock({ $0.connections.isEmpty && $0.tasks == 0 }) {
        try? loops.syncShutdownGracefully()
        return
      }
      usleep(1000)
    }
  }

  /// On the event loop: a new connection.
  private func accept(_ channel: any Channel, _ http: HTTP1Channel) -> EventLoopFuture<Void> {
    let admitted = shared.withLock { state in
      state.counters.connectionsTotal += 1
      guard state.connections.count < Self.maximumConnections else {
        state.counters.connectionsOverflow += 1
        return false
      }
      state.connections[ObjectIdentifier(channel)] = channel
      return true
    }
    guard admitted else { return channel.close() }
    channel.closeFuture.whenComplete { [self] _ in
      shared.withLock { _ = $0.connections.removeValue(forKey: ObjectIdentifier(channel)) }
    }
    let silent = Logger(label: "admin") { _ in SwiftLogNoOpLogHandler() }
    return http.setup(channel: channel, logger: silent).map { [self] connection in
      shared.withLock { $0.tasks += 1 }
      Task.detached { [self] in
        await http.handle(value: connection, logger: silent)
        shared.withLock { $0.tasks -= 1 }
      }
    }
  }

  private func respond(
    to request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel
  ) async throws {
    let began = ContinuousClock.now
    // The channel's own timer rests while a request is answered: a client that sends its body by
    // the drop, or never reads, would stay for ever.
    let deadline = channel.eventLoop.scheduleTask(in: Self.idleTimeout) {
      channel.close(promise: nil)
    }
    defer { deadline.cancel() }
    let response = await answer(request)
    let tooLarge = response.status == 413
    let bytes = ByteBuffer(string: response.body)
    let length = bytes.readableBytes
    let isHead = request.method == .head
    let head = Self.head(response, length: length, close: tooLarge)
    // The answer is counted and logged before it is sent: who reads it finds both done.
    record(response, request, bytes: isHead ? 0 : length, took: ContinuousClock.now - began)
    try await writer.write(
      response: head, body: isHead ? ResponseBody() : ResponseBody(byteBuffer: bytes))
    if response.afterwards == .quit {
      // The loop has taken the write by the time it runs what was submitted after it.
      try? await channel.eventLoop.submit {}.get()
      handler.source.quit()
    }
    if tooLarge { throw ChannelError.inputClosed }
  }

  private func answer(_ request: Request) async -> AdminResponse {
    do {
      _ = try await request.body.collect(upTo: Self.maximumBodyBytes)
    } catch {
      return AdminResponse(status: 413, body: "request body too large\n")
    }
    return handler.respond(
      to: AdminRequest(
        method: request.method.rawValue, target: request.head.path ?? "",
        authority: request.head.authority ?? "", origin: request.headers[.origin]))
  }

  private static func head(_ response: AdminResponse, length: Int, close: Bool) -> HTTPResponse {
    var head = HTTPResponse(status: .init(code: response.status))
    head.headerFields[.contentType] = response.contentType.rawValue
    head.headerFields[.cacheControl] = "no-cache, max-age=0"
    head.headerFields[.xContentTypeOptions] = "nosniff"
    head.headerFields[.date] = HTTPDate.header(HTTPDate.now().seconds)
    head.headerFields[.server] = "martlet"
    head.headerFields[.contentLength] = String(length)
    if close { head.headerFields[.connection] = "close" }
    return head
  }

  private func record(
    _ response: AdminResponse, _ request: Request, bytes: Int, took: Duration
  ) {
    shared.withLock { state in
      state.counters.requestsTotal += 1
      state.counters.responses[response.status / 100 - 1] += 1
    }
    guard let accessLog else { return }
    let milliseconds = took.components.seconds * 1000 + took.components.attoseconds / 1_000_000_000_000_000
    let line = AccessLogLine(
      method: request.method.rawValue, target: request.head.path ?? "", status: response.status,
      bytesSent: bytes, milliseconds: Int(milliseconds), userAgent: request.headers[.userAgent],
      requestID: HTTPField.Name("x-request-id").flatMap { request.headers[$0] },
      authority: request.head.authority)
    let now = HTTPDate.now()
    accessLog(line.text(seconds: now.seconds, milliseconds: now.milliseconds))
  }
}
