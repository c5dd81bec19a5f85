// What a route does with a request: send it to a cluster (`RouteAction`), redirect it, or answer.

/// `RouteAction`: send the request to a cluster.
public struct RouteAction: Hashable, Sendable {
  public var cluster: ClusterChoice
  /// Nil: the path goes on as it came.
  public var pathRewrite: PathRewrite?
  /// Nil: the host goes on as it came.
  public var hostRewrite: HostRewrite?
  /// A host that was rewritten is added to `x-forwarded-host`.
  public var appendsForwardedHost = false
  /// From the request's end to the response's end (nil: no limit). Envoy's default 15 s. 504.
  public var timeout: Duration? = .seconds(15)
  /// The route's or, where it has none, the virtual host's.
  public var retryPolicy: RetryPolicy?
  /// The route's or the virtual host's: an attempt that reaches its timeout goes on beside the next.
  public var hedgesOnPerTryTimeout = false
  /// The virtual host's.
  public var attemptHeaders = AttemptHeaders()
  /// Bytes of a body that are kept so that it can be sent again; those of a body that is longer are
  /// not (nil: what the listener lets one connection hold).
  public var bodyLimit: UInt64?
  /// Overrides the connection manager's stream idle timeout. `.some(nil)`: none for this route.
  public var idleTimeout: Duration??
  /// The answer where the cluster is gone: 503 (default), 404 or 500.
  public var clusterNotFoundStatus: Int = 503
  /// `upgrade_configs`: protocols in lower case, and whether they are let through here.
  public var upgrades: [String: Bool] = [:]
  /// `connect_config` (nil: CONNECT is forwarded like any other request).
  public var connect: ConnectTermination?

  /// A CONNECT ends here: what follows it goes to an endpoint of the cluster as plain bytes.
  public struct ConnectTermination: Hashable, Sendable {
    /// The body of a POST goes there as well, and what comes back is the body of its answer.
    public var takesPost = false
    public init() {}
  }
  /// Nil: the connection manager's.
  public var streamDuration: StreamDuration?

  /// `RouteAction.MaxStreamDuration`
  public struct StreamDuration: Hashable, Sendable {
    /// Nil: the connection manager's; zero: none.
    public var limit: Duration?
    /// The request's `grpc-timeout` is the limit, this at most; zero: whatever it is. Nil: it is not.
    public var grpcMaximum: Duration?
    /// Taken off the `grpc-timeout`.
    public var grpcOffset: Duration?
    public init() {}
  }
  /// Whose circuit breakers and connections requests use.
  public var priority = RoutingPriority.normal
  /// Nil: those of the virtual host.
  public var mirrors: [MirrorPolicy]?
  /// What rate limit filters count by.
  public var rateLimits: [RateLimit] = []
  /// The virtual host's count as well, whatever the filter says.
  public var includesVirtualHostRateLimits = false
  /// In the order in which they are mixed.
  public var hashPolicies: [HashPolicy] = []
  /// Nil: redirects of upstreams go to the client.
  public var internalRedirect: InternalRedirect?

  public enum ClusterChoice: Hashable, Sendable {
    case single(String)
    case weighted(ClusterWeights)
    /// The name stands in this header of the request, in lower case.
    case header(String)
  }
  public init(cluster: ClusterChoice) { self.cluster = cluster }
}

/// `WeightedCluster`.
public struct ClusterWeights: Hashable, Sendable {
  /// Their weights sum to 1...
  public var entries: [Entry]
  /// With it, `<prefix>.<name of the cluster>` is the runtime key of a weight (empty: fixed weights).
  public var runtimeKeyPrefix = ""
  public var draw = Draw.random

  public struct Entry: Hashable, Sendable {
    public var cluster: Target
    public var weight: UInt32
    /// Nil: the route's.
    public var hostRewrite: String?
    /// Before the route's.
    public var headerRules = HeaderRuleSet()
    /// `typed_per_filter_config`
    public var filters: RouteFilters = [:]
    public init(_ cluster: Target, weight: UInt32) {
      self.cluster = cluster
      self.weight = weight
    }
  }
  /// A cluster by its name or by the name in a header, in lower case.
  public enum Target: Hashable, Sendable {
    case name(String)
    case header(String)
  }
  /// Where the number comes from that chooses.
  public enum Draw: Hashable, Sendable {
    case random
    /// A number in this header, in lower case; without one, random.
    case header(String)
    /// The route's hash policies; without a hash, random.
    case hash
  }
  public init(_ entries: [Entry]) { self.entries = entries }
}

public enum PathRewrite: Hashable, Sendable {
  /// What replaces the matched prefix or path.
  case prefix(String)
  case regex(RegexSubstitution)
  /// For a match by template.
  case template(PathTemplateRewrite)
  /// The path without its query; where no path comes out, it goes on as it came.
  case format(FormatString)
}

public enum HostRewrite: Hashable, Sendable {
  case literal(String)
  /// The value of this header, in lower case, where the request has it.
  case header(String)
  /// What the path, without its query, becomes.
  case pathRegex(RegexSubstitution)
  /// The endpoint's hostname, where it has one.
  case endpoint
  /// Where no host comes out, it goes on as it came.
  case format(FormatString)
}

/// `RequestMirrorPolicy`: a copy of the request whose response nobody waits for.
public struct MirrorPolicy: Hashable, Sendable {
  public var cluster: ClusterWeights.Target
  /// The share of the requests (nil: all).
  public var fraction: RuntimeFraction?
  /// `-shadow` behind the host's name.
  public var appendsSuffix = true
  /// Nil: the request's, perhaps with the suffix.
  public var host: String?
  /// Of the copy, in their order.
  public var headerChanges: [HeaderChange] = []
  public init(cluster: ClusterWeights.Target) { self.cluster = cluster }
}

/// `HashPolicy`: a part of the request that its hash is made of.
public struct HashPolicy: Hashable, Sendable {
  public var source: Source
  /// Where there is a hash by now, what follows is not asked.
  public var isTerminal = false
  public enum Source: Hashable, Sendable {
    /// In lower case; its value may be rewritten first.
    case header(String, RegexSubstitution?)
    case cookie(String)
    case sourceIP
    case queryParameter(String)
  }
  public init(_ source: Source) { self.source = source }
}

/// `InternalRedirectPolicy`: a redirect of an upstream is followed here.
public struct InternalRedirect: Hashable, Sendable {
  /// How often in one request, 0...
  public var most: UInt32 = 1
  /// Of 301, 302, 303, 307, 308.
  public var statuses: Set<Int> = [302]
  /// From `http` to `https` and back as well.
  public var allowsCrossScheme = false
  /// All must allow the target.
  public var predicates: [Predicate] = []
  /// From the redirect into the new request; in lower case.
  public var headersToCopy: [String] = []

  public enum Predicate: Hashable, Sendable {
    /// To routes with one of these names.
    case allowListedRoutes(Set<String>)
    /// Not to a route that the request came to from this route before.
    case previousRoutes
    /// Not from `http` to `https`.
    case safeCrossScheme
  }
  public init() {}
}

/// `RedirectAction`. A part that is nil is the request's own.
public struct Redirect: Hashable, Sendable {
  /// 301, 302, 303, 307 or 308.
  public var status: Int = 301
  public var scheme: Scheme?
  public var host: String?
  public var port: UInt16?
  public var path: Path?
  public var stripQuery = false

  public enum Scheme: Hashable, Sendable {
    /// `https_redirect`.
    case https
    case literal(String)
  }
  public enum Path: Hashable, Sendable {
    /// The whole path; may carry a query of its own, which then replaces the request's.
    case replace(String)
    /// What replaces the matched prefix.
    case prefixRewrite(String)
    case regex(RegexSubstitution)
  }
  public init() {}
}

/// `DirectResponseAction`.
public struct DirectResponse: Hashable, Sendable {
  /// 200..<600.
  public var status: Int
  public var body: [UInt8]
  /// Makes the body; `body` is its `%LOCAL_REPLY_BODY%` (nil: the body as it is).
  public var bodyFormat: FormatString?
  public init(status: Int, body: [UInt8]) {
    self.status = status
    self.body = body
  }
}
