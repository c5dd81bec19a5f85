// The HTTP connection manager of one filter chain on one worker: its options in the units the
// worker wants, its routes, its counts, and the streams it keeps for use again.
import Model

final class HTTPManager: TerminalFactory {
  let context: WorkerContext
  let counters: Counters<HTTPStat>
  let histograms: Histograms<HTTPHistogram>
  let listenerCounters: Counters<ListenerHTTPStat>
  let routes: RouteTable
  /// The listener's traffic direction is inbound.
  let isInbound: Bool
  /// Nil: the router alone.
  let filters: HTTPFilterChain?
  let statPrefix: String
  let requestLimits: HTTP1HeadParser.Limits
  let requestRules: HTTP1RequestRules
  let defaultHost: [UInt8]
  let serverName: [UInt8]
  let serverHeader: HTTPConnectionManager.ServerHeaderTransformation
  let sanitizer: RequestSanitizer
  let upgrades: UpgradeRules
  /// The connection manager or a route lets a protocol through.
  let takesUpgrades: Bool
  let proxiesContinue: Bool
  let http1Names: HTTP1Options.Names
  let properNames: Bool
  let waitsForLastRequest: Bool
  let underscores: HTTPConnectionManager.Underscores
  let codecCounters: Counters<HTTP1CodecStat>
  let suppressEnvoyHeaders: Bool
  let forwardsTrailers: Bool
  let accessLogger: AccessLogger?
  /// Nanoseconds; 0: no lines before the last.
  let accessLogInterval: UInt64
  /// Nil: local replies are sent as they are.
  let localReplies: LocalReplyRewriter?
  /// What all formats of this manager need to be recorded.
  let formatNeeds: FormatNeeds
  // Nanoseconds; 0: none.
  let idleTimeout: UInt64
  let streamIdleTimeout: UInt64
  let requestTimeout: UInt64
  let requestHeadersTimeout: UInt64
  let maxConnectionDuration: UInt64
  let maxStreamDuration: UInt64
  let drainTimeout: UInt64
  let delayedCloseTimeout: UInt64?
  let maxRequestsPerConnection: UInt32
  /// Streams between requests. As many as were ever in flight at once, 1,024 at most: each holds
  /// about 5 KiB.
  private var spare: [HTTPStream] = []
  let shadows: ShadowPool
  private var isRetired = false
  private static let maxSpare = 1024

  /// For requests that ask for retries themselves, on routes without a policy.
  private(set) lazy var defaultRetryPolicy = RetryPolicyRuntime(model: RetryPolicy(), names: context.names)

  init(
    model: HTTPConnectionManager, listener: Listener, context: WorkerContext,
    logs: AccessLogWriters? = nil, filters: [HTTPFilterFactory] = [], handles: HandleTable? = nil,
    clusters: (String) -> ClusterRuntime?
  ) {
    self.context = context
    statPrefix = model.statPrefix
    shadows = ShadowPool(context: context)
    // Routes' configurations may have defined more than their filters: first all of it, then the chains.
    if let handles {
      for version in model.pluginVersions { _ = handles.runtime(of: version, context) }
    }
    let chain =
      filters
      + (handles.map { handles in model.filters.map { HTTPFilterFactory($0, handles, context) } } ?? [])
    self.filters = chain.isEmpty ? nil : HTTPFilterChain(filters: chain)
    counters = context.stats.counters(
      HTTPStat.self, scope: .http(model.statPrefix), worker: context.index)
    histograms = context.stats.histograms(
      HTTPHistogram.self, scope: .http(model.statPrefix), worker: context.index)
    listenerCounters = context.stats.counters(
      ListenerHTTPStat.self, scope: .listenerHTTP(listener: listener.statPrefix, http: model.statPrefix),
      worker: context.index)
    isInbound = listener.isInbound
    routes = RouteTable(
      model: model.routes, chain: chain.map(\.name), context: context, clusters: clusters)
    accessLogger = logs.flatMap {
      AccessLogger.make(
        model.accessLogs, timing: model.accessLogTiming, context: context, writers: $0)
    }
    accessLogInterval = accessLogger?.interval ?? 0
    localReplies = model.localReplies.map { LocalReplyRewriter($0, context: context) }
    formatNeeds = (accessLogger?.needs ?? []).union(localReplies?.needs ?? []).union(routes.formatNeeds)
      .union(self.filters?.formatNeeds ?? [])
    requestLimits = HTTP1HeadParser.Limits(
      maxBytes: model.maxRequestHeadersBytes, maxHeaders: model.maxRequestHeaders)
    requestRules = HTTP1RequestRules(
      acceptHTTP10: model.http1.acceptHTTP10, allowAbsoluteURL: model.http1.allowAbsoluteURL)
    defaultHost = Array(model.http1.defaultHostForHTTP10.utf8)
    serverName = Array(model.serverName.utf8)
    serverHeader = model.serverHeaderTransformation
    underscores = model.underscores
    upgrades = UpgradeRules(model.upgrades)
    takesUpgrades = model.upgrades.values.contains(true) || model.routes.upgrades
    proxiesContinue = model.proxiesContinue
    http1Names = model.http1.names
    properNames = model.http1.names == .proper
    waitsForLastRequest = model.waitsForLastRequest
    maxStreamDuration = model.maxStreamDuration?.clampedNanoseconds ?? 0
    codecCounters = context.stats.counters(
      HTTP1CodecStat.self, scope: .other("http1."), worker: context.index)
    suppressEnvoyHeaders = model.suppressEnvoyHeaders
    forwardsTrailers = model.http1.enableTrailers
    idleTimeout = model.idleTimeout?.clampedNanoseconds ?? 0
    streamIdleTimeout = model.streamIdleTimeout?.clampedNanoseconds ?? 0
    requestTimeout = model.requestTimeout?.clampedNanoseconds ?? 0
    requestHeadersTimeout = model.requestHeadersTimeout?.clampedNanoseconds ?? 0
    maxConnectionDuration = model.maxConnectionDuration?.clampedNanoseconds ?? 0
    drainTimeout = model.drainTimeout.clampedNanoseconds
    delayedCloseTimeout = model.delayedCloseTimeout?.clampedNanoseconds
    maxRequestsPerConnection = model.maxRequestsPerConnection ?? .max
    sanitizer = RequestSanitizer(model: model, counters: counters, context: context)
  }

  override func make(_ connection: Connection) -> TerminalFilter {
    HTTP1ServerConnection(connection: connection, manager: self)
  }

  /// Connections of this manager can go on under another: what they count in and how they keep names is the
  /// same.
  func canGoOn(as next: HTTPManager) -> Bool {
    statPrefix == next.statPrefix && http1Names == next.http1Names
  }

  @inline(__always)
  func takeStream() -> HTTPStream { spare.popLast() ?? HTTPStream(manager: self) }

  @inline(__always)
  func giveBack(_ stream: HTTPStream) {
    if spare.count < HTTPManager.maxSpare, !isRetired { spare.append(stream) } else { letGo(stream) }
  }

  /// Frames of the stream's own methods may still be on the stack.
  @inline(never)
  private func letGo(_ stream: HTTPStream) {
    context.reactor.defer { withExtendedLifetime(stream) {} }
  }

  /// Streams hold their manager: without this, the two would keep each other for ever.
  override func retire() {
    isRetired = true
    shadows.retire()
    filters?.retire()
    let last = spare
    spare.removeAll()
    for stream in last { letGo(stream) }
  }
}
