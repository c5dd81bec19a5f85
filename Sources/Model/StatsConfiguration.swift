// Which statistics are shown, and how (`config.metrics.v3.StatsConfig`).

public struct StatsConfiguration: Hashable, Sendable {
  public var tags: [Tag] = []
  /// The tags that every statistic has by its kind (`envoy_cluster_name`, ...).
  public var usesDefaultTags = true
  /// Nil: all are shown.
  public var matcher: Matcher?
  /// The first that matches a histogram's name gives its buckets.
  public var buckets: [Buckets] = []

  public struct Tag: Hashable, Sendable {
    public var name: String
    public var source: Source
    public init(name: String, source: Source) {
      self.name = name
      self.source = source
    }
  }

  public enum Source: Hashable, Sendable {
    /// Every statistic has the tag.
    case fixed(String)
    /// RE2's syntax, with one group at least; compiles. The first group is taken out of the name; the
    /// second, or else the first, is the value.
    case expression(String)
    /// The default tag of that name, where the default tags are not all used.
    case standard
  }

  public enum Matcher: Hashable, Sendable {
    case none
    case all
    case excluding([StringMatcher])
    case including([StringMatcher])
  }

  public struct Buckets: Hashable, Sendable {
    public var match: StringMatcher
    /// Upper bounds, rising, above 0.
    public var bounds: [Double]
    public init(match: StringMatcher, bounds: [Double]) {
      self.match = match
      self.bounds = bounds
    }
  }

  /// The default tags.
  public static let standardTags: Set<String> = [
    "envoy_cluster_name", "envoy_http_conn_manager_prefix", "envoy_listener_address",
    "envoy_local_http_ratelimit_prefix", "envoy_local_network_ratelimit_prefix", "envoy_response_code",
    "envoy_response_code_class", "envoy_tcp_prefix", "envoy_worker_id",
  ]

  public init() {}
}
