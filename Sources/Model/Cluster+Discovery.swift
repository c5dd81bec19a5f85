// Clusters that find their endpoints while they run.

/// Endpoints are what names resolve to (STRICT_DNS, LOGICAL_DNS, `envoy.clusters.dns`).
public struct DNSDiscovery: Hashable, Sendable {
  /// A name and what its endpoints are like; the address in `template` has no meaning.
  public struct Target: Hashable, Sendable {
    public var name: String
    public var port: UInt16
    public var template: Endpoint
    public init(name: String, port: UInt16, template: Endpoint) {
      self.name = name
      self.port = port
      self.template = template
    }
  }
  public enum Family: Hashable, Sendable { case auto, v4Only, v6Only, v4Preferred, all }

  public var targets: [Target] = []
  /// All addresses of a name are one endpoint, and its connections outlive a change (LOGICAL_DNS).
  public var isLogical = false
  public var family = Family.auto
  /// How long after an answer the names are asked for again.
  public var refreshRate: Duration = .seconds(5)
  /// The answer's time to live stands instead, where it is not zero.
  public var respectsTTL = false
  /// A random time up to this is added.
  public var jitter: Duration = .zero
  /// After failures: from `base`, doubling up to `max` (nil: as after an answer).
  public var failureRefresh: FailureRefresh?
  public var resolver = DNSResolver()
  /// Listeners open after its first answer.
  public var warms = true
  public init() {}

  public struct FailureRefresh: Hashable, Sendable {
    public var base: Duration
    public var max: Duration
    public init(base: Duration, max: Duration) {
      self.base = base
      self.max = max
    }
  }
}

extension Cluster {
  /// Its endpoints have names.
  public var resolvesNames: Bool { if case .dns = discovery { true } else { false } }
}

/// How names are asked for. Clusters with equal options share a channel.
public struct DNSResolver: Hashable, Sendable {
  /// IP addresses with ports. Empty: the system's.
  public var servers: [SocketAddress] = []
  /// The system's are asked, and `servers` where it has none.
  public var serversAreFallback = false
  public var usesTCP = false
  /// Names without a dot are not completed by the system's search list.
  public var ignoresSearchList = false
  /// A fresh UDP socket after so many questions (nil: never).
  public var maxUDPQueries: UInt32?
  /// Nil: the library's.
  public var queryTimeoutSeconds: UInt64?
  public var queryTries: UInt32?
  public var rotatesServers = false
  /// Nil: no EDNS0.
  public var ednsPayloadSize: UInt32?
  /// A fresh UDP socket after this time (nil: never).
  public var maxUDPDuration: Duration?
  /// A fresh channel after a timeout.
  public var reopensOnTimeout = false
  public init() {}
}

/// ORIGINAL_DST: the endpoint is where the client was going.
public struct OriginalDestination: Hashable, Sendable {
  /// The name, in lower case, of a request header that says it instead (nil: none does).
  public var header: String?
  /// Nil: the client's.
  public var portOverride: UInt16?
  /// Endpoints not used for so long are forgotten.
  public var cleanupInterval: Duration = .seconds(5)
  public init() {}
}
