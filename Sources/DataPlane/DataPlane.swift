// The data plane's face to the control side. Everything that runs on a worker thread lives in
// this module; the control side holds one `DataPlane`, gives it configurations and reads its
// counters. It never touches a connection.
//
// The rooms of this module, from the ground up. A room uses rooms above it in this list, never
// below (kept by Tests/Conformance/test_tidy.py):
//
//   1. Buffers                 chunks, slices, queues of bytes
//   2. Stats                   counters that workers write and the control side reads
//   3. Reactor                 event loop, timers, mailboxes, slabs, sockets
//   4. Transport               what stands between a socket and a codec (plain; TLS later)
//   5. HTTP                    header map, HTTP/1 codec (HTTP/2 later)
//   6. Upstream                clusters, load balancing, pools
//   7. Router                  route tables and their lookup
//   8. Filters                 chains of C function tables, the built-in network filters
//   9. TCPProxy                the TCP proxy, a terminal network filter
//  10. HTTPConnectionManager   streams, the router filter, local replies
//  11. Listener                sockets, listener filters, filter-chain matching
//  12. Worker                  one thread with all of the above, and what the control side asks of it
//
// Threading: `DataPlane` may be called from any thread of the control side; calls are serialised
// by a lock that no worker ever takes.
public import Model

/// Options that hold for the life of the process.
public struct DataPlaneOptions: Sendable {
  /// Worker threads, 1...
  public var workers: Int = 1
  /// Receives what the workers have to say; called from any thread, rarely, may block shortly.
  public var log: LogSink = { _, _, _ in }
  /// The least severe level that is handed to `log`.
  public var logLevel: LogLevel = .info
  /// How long a drain lasts (`--drain-time-s`).
  public var drainTime: Duration = .seconds(600)
  /// Tell every connection to close at once when a drain begins, or ever more of them as
  /// `drainTime` passes (`--drain-strategy`).
  public var drainImmediately = false
  public init() {}
}

/// Severity, as `--log-level` names it.
public enum LogLevel: Int, Sendable, Comparable, CaseIterable {
  case trace, debug, info, warning, error, critical, off
  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// (level, component, text). Components: `main`, `connection`, `http`, `router`, `upstream`,
/// `filter`, `config`, `admin`.
public typealias LogSink = @Sendable (LogLevel, StaticString, String) -> Void

/// Why a configuration was not applied. Nothing has changed when it is thrown.
public struct ApplyError: Error, Sendable, CustomStringConvertible {
  /// One line a problem, each naming the listener and the address.
  public let problems: [String]
  public var description: String { problems.joined(separator: "\n") }
  init(problems: [String]) { self.problems = problems }
}

/// A counter or a gauge, summed over the workers.
public struct StatValue: Sendable, Hashable {
  public enum Kind: Sendable { case counter, gauge }
  /// What the statistic belongs to; gives the prefix of its name and its tag.
  public enum Scope: Sendable, Hashable {
    /// `server.`, no tag. (Filled in by the control side.)
    case server
    /// `listener.<address>.`; tag `envoy_listener_address`.
    case listener(String)
    /// `http.<stat prefix>.`; tag `envoy_http_conn_manager_prefix`.
    case http(String)
    /// `cluster.<name>.`; tag `envoy_cluster_name`.
    case cluster(String)
    /// `tcp.<stat prefix>.`; tag `envoy_tcp_prefix`.
    case tcp(String)
    /// A network or listener filter's own: whole prefix (`proxy_proto.`), no tag.
    case other(String)
  }
  public let scope: Scope
  /// `downstream_cx_total`; may hold further dots.
  public let name: String
  public let kind: Kind
  public let value: UInt64
  public init(scope: Scope, name: String, kind: Kind, value: UInt64) {
    self.scope = scope
    self.name = name
    self.kind = kind
    self.value = value
  }
}

/// A bound listener.
public struct ListenerStatus: Sendable, Hashable {
  public let name: String
  /// Real addresses, ports resolved, in the order of the configuration.
  public let addresses: [SocketAddress]
}

/// A cluster and its endpoints, counters summed over the workers.
public struct ClusterStatus: Sendable, Hashable {
  public struct Endpoint: Sendable, Hashable {
    public let address: SocketAddress
    public let hostname: String
    public let weight: UInt32
    public let zone: String
    /// `cx_active`, `cx_connect_fail`, `cx_total`, `rq_active`, `rq_error`, `rq_success`,
    /// `rq_timeout`, `rq_total`, in this order.
    public let counters: [(name: StaticString, value: UInt64)]
    public static func == (a: Self, b: Self) -> Bool { a.address == b.address }
    public func hash(into hasher: inout Hasher) { hasher.combine(address) }
  }
  public let name: String
  public let endpoints: [Endpoint]
}
