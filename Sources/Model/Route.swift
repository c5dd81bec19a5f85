// Route tables (`config.route.v3`).

public struct RouteConfiguration: Hashable, Sendable {
  public var name: String
  public var virtualHosts: [VirtualHost]
  public var headerRules = HeaderRuleSet()
  /// The rules of a route have the last word over those of its virtual host, and these over the
  /// route table's. Otherwise it is the other way round.
  public var mostSpecificHeaderMutationsWins = false
  /// The port of a request's host takes no part in choosing the virtual host.
  public var ignorePortInHostMatching = false
  /// What stands behind a `;` in a segment of a path takes no part in choosing the route.
  public var ignorePathParameters = false
  /// The header, in lower case, that stands for the host in choosing the virtual host (empty: none).
  public var virtualHostHeader = ""
  public init(name: String = "", virtualHosts: [VirtualHost]) {
    self.name = name
    self.virtualHosts = virtualHosts
  }
}

public struct VirtualHost: Hashable, Sendable {
  public var name: String
  /// `example.com`, `*.example.com`, `example.*` or `*`, in lower case; no two virtual hosts of
  /// a configuration share one. A port may follow.
  public var domains: [String]
  /// In the order of the file: the first that matches is taken.
  public var routes: [Route]
  public var headerRules = HeaderRuleSet()
  public init(name: String, domains: [String], routes: [Route]) {
    self.name = name
    self.domains = domains
    self.routes = routes
  }
}

public struct Route: Hashable, Sendable {
  public var name: String
  public var match: RouteMatch
  public var action: Action
  public var headerRules = HeaderRuleSet()

  public enum Action: Hashable, Sendable {
    case cluster(RouteAction)
    case redirect(Redirect)
    case directResponse(DirectResponse)
  }
  public init(name: String = "", match: RouteMatch, action: Action) {
    self.name = name
    self.match = match
    self.action = action
  }
}

/// `RouteAction`: send the request to a cluster.
public struct RouteAction: Hashable, Sendable {
  public var cluster: ClusterChoice
  /// What replaces the matched prefix or path (nil: nothing does).
  public var prefixRewrite: String?
  /// From the request's end to the response's end (nil: no limit). Envoy's default 15 s. 504.
  public var timeout: Duration? = .seconds(15)
  /// The route's or, where it has none, the virtual host's.
  public var retryPolicy: RetryPolicy?
  /// Overrides the connection manager's stream idle timeout. `.some(nil)`: none for this route.
  public var idleTimeout: Duration??
  /// The answer where the cluster is gone: 503 (default), 404 or 500.
  public var clusterNotFoundStatus: Int = 503
  /// Whose circuit breakers and connections requests use.
  public var priority = RoutingPriority.normal

  public enum ClusterChoice: Hashable, Sendable {
    case single(String)
    /// Weights 0..., their sum 1...
    case weighted([TCPProxy.Weighted])
  }
  public init(cluster: ClusterChoice) { self.cluster = cluster }
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
