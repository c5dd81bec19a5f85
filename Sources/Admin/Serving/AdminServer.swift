// The admin API's HTTP side: Hummingbird's HTTP/1 channel over a socket we bound ourselves.
//
// Only HummingbirdCore is used. Its router and JSON coders would bring Foundation into a process
// that must start in milliseconds, for nine fixed paths; and `Server.run` binds for itself, late
// and asynchronously, where we want a refused port to be an error before traffic flows.
//
// One event loop thread does the reading and writing; requests are answered on Swift's
// concurrency pool. Nothing here runs on a worker or waits for one, so a slow client costs its
// connection and nothing else; how many there may be, and how long an idle one stays, is bounded.
import HTTPTypes
import HummingbirdCore
import Logging
public import Model
import NIOCore
import NIOPosix
import Synchronization

/// Serves the admin API on one socket.
public final class AdminServer: Sendable {
  /// Connections at once; above it they are closed unanswered. A scraper, a health checker and
  /// a person need a handful.
  static let maximumConnections = 128
  /// A connection without a complete request for so long is closed.
  static let idleTimeout = TimeAmount.seconds(60)
  /// All header fields of a request, in bytes. A tenth of what the data plane takes.
  static let maximumHeaderBytes = 8 << 10
  static let maximumHeaderFields = 100
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

  private let socket: AdminSocket
  private let handler: AdminHandler
  private let accessLog: (@Sendable (String) -> Void)?
  private let loops: MultiThreadedEventLoopGroup
  private let counted = Mutex(Counters())

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

  public var counters: Counters { counted.withLock { $0 } }

  /// Begins to answer, in the background; connections that came before wait in the backlog.
  /// - Parameter failed: Told when serving ended by an error.
  public func start(failed: @escaping @Sendable (String) -> Void) {
    Task.detached { [self] in
      do {
        try await serve()
      } catch {
        failed("\(error)")
      }
    }
  }

  /// Closes the socket and all connections. Waits for the event loop to end.
  public func stop() {
    try? loops.syncShutdownGracefully()
  }

  private func serve() async throws {
    let channel = HTTP1Channel(
      responder: { [self] request, writer, channel in
        try await respond(to: request, writer, channel)
      },
      configuration: .init(
        idleTimeout: Self.idleTimeout,
        httpDecoderConfiguration: .init(
          maxHeaderFieldSize: Self.maximumHeaderBytes, maxHeaderListSize: Self.maximumHeaderBytes,
          maxHeaderFieldCount: Self.maximumHeaderFields)))
    let silent = Logger(label: "admin") { _ in SwiftLogNoOpLogHandler() }
    let listening = try await ServerBootstrap(group: loops)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .bind(socket.descriptor) { channel.setup(channel: $0, logger: silent) }
    try await listening.executeThenClose { connections in
      try await withThrowingDiscardingTaskGroup { group in
        for try await connection in connections {
          group.addTask { await self.run(connection, channel, silent) }
        }
      }
    }
  }

  private func run(
    _ connection: HTTP1Channel.Value, _ channel: HTTP1Channel, _ logger: Logger
  ) async {
    let admitted = counted.withLock { counters in
      counters.connectionsTotal += 1
      guard counters.connectionsActive < Self.maximumConnections else {
        counters.connectionsOverflow += 1
        return false
      }
      counters.connectionsActive += 1
      return true
    }
    guard admitted else {
      try? await connection.executeThenClose { _, _ in }
      return
    }
    await channel.handle(value: connection, logger: logger)
    counted.withLock { $0.connectionsActive -= 1 }
  }

  private func respond(
    to request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel
  ) async throws {
    let began = ContinuousClock.now
    var response = await answer(request)
    let tooLarge = response.status == 413
    if response.status == 200, request.method == .head { response.afterwards = .nothing }
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
    counted.withLock { counters in
      counters.requestsTotal += 1
      counters.responses[response.status / 100 - 1] += 1
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
