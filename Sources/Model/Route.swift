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
  /// For routes whose virtual host has none.
  public var mirrors: [MirrorPolicy] = []
  /// Headers, in lower case, that clients may not send unless they are internal ones.
  public var internalOnlyHeaders: [String] = []
  /// `typed_per_filter_config`
  public var filters: RouteFilters = [:]
  /// A route lets clients switch protocols.
  public var upgrades: Bool {
    virtualHosts.contains { host in
      host.routes.contains { route in
        if case .cluster(let action) = route.action { return action.upgrades.values.contains(true) }
        return false
      }
    }
  }
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
  public var requireTLS = TLSRequirement.none
  /// The first that takes a request counts it; with any, the rest is counted as `other`.
  public var virtualClusters: [VirtualCluster] = []
  /// For routes that have none (nil: those of the route table).
  public var mirrors: [MirrorPolicy]?
  public var rateLimits: [RateLimit] = []
  public var filters: RouteFilters = [:]
  public var metadata = Metadata()

  /// Which requests that came without TLS are sent to `https` instead.
  public enum TLSRequirement: Sendable { case none, externalOnly, all }

  public init(name: String, domains: [String], routes: [Route]) {
    self.name = name
    self.domains = domains
    self.routes = routes
  }
}

/// Requests that statistics are kept of: `vhost.<virtual host>.vcluster.<name>.`
public struct VirtualCluster: Hashable, Sendable {
  public var name: String
  /// All must match.
  public var headers: [HeaderMatcher]
  public init(name: String, headers: [HeaderMatcher]) {
    self.name = name
    self.headers = headers
  }
}

public struct Route: Hashable, Sendable {
  public var name: String
  public var match: RouteMatch
  public var action: Action
  public var headerRules = HeaderRuleSet()
  public var filters: RouteFilters = [:]
  public var metadata = Metadata()
  /// With it, the route's requests are counted in `vhost.<virtual host>.route.<statPrefix>.` (empty:
  /// they are not).
  public var statPrefix = ""

  public enum Action: Hashable, Sendable {
    case cluster(RouteAction)
    case redirect(Redirect)
    case directResponse(DirectResponse)
    /// `non_forwarding_action`: there is no cluster, 503.
    case nonForwarding
  }
  public init(name: String = "", match: RouteMatch, action: Action) {
    self.name = name
    self.match = match
    self.action = action
  }
}
