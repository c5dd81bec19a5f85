// What rate limit filters count by (`config.route.v3.RateLimit`): rules that make descriptors of a
// request, lists of keys and values. Routes and virtual hosts have such rules for all rate limit
// filters, a filter may have its own.

/// One rule: it makes a descriptor, or none where one of its actions finds nothing.
public struct RateLimit: Hashable, Sendable {
  /// Filters of this stage use it, 0...10.
  public var stage = 0
  /// Not empty: the rule is for global limits, and the runtime value
  /// `ratelimit.<disableKey>.http_filter_enabled` turns it off.
  public var disableKey = ""
  /// One or more, in the order of the descriptor's entries.
  public var actions: [Action]
  /// Nil: the limit that the rate limit service has.
  public var limit: Limit?
  /// Of a filter's own rules; nil, and with rules of routes: the request counts as one.
  public var hits: Hits?
  /// Of a filter's own rules: it counts when the stream has ended, and not when the request comes.
  public var appliesAtEnd = false
  public var headers = Headers.unspecified

  public enum Action: Hashable, Sendable {
    /// `source_cluster`: the node's cluster.
    case sourceCluster
    /// `destination_cluster`: the route's cluster.
    case destinationCluster
    /// The first value of a header, in lower case.
    case header(name: String, key: String, isOptional: Bool)
    /// The first value of a query parameter, decoded.
    case queryParameter(name: String, key: String, isOptional: Bool)
    case remoteAddress
    /// Prefix lengths, 0...32 and 0...128.
    case maskedRemoteAddress(v4: Int, v6: Int)
    case fixed(key: String, value: String)
    /// The value where the headers match, all of them, or (`expected` false) where they do not.
    case headerMatch(key: String, value: String, expected: Bool, headers: [HeaderMatcher])
    case queryParameterMatch(
      key: String, value: String, expected: Bool, parameters: [QueryParameterMatcher])
    case remoteAddressMatch(key: String, value: String, ranges: [AddressPrefix], invert: Bool)
    /// A text of metadata that is not empty. `otherwise`: the value where there is none (empty: no entry).
    case metadata(
      key: String, source: MetadataSource, path: [String], otherwise: String, isOptional: Bool)
  }

  public enum MetadataSource: Hashable, Sendable { case dynamic, route, cluster }

  /// Another limit than the service's.
  public enum Limit: Hashable, Sendable {
    /// An object of the dynamic metadata with `requests_per_unit` and `unit`: namespace and names.
    case metadata([String])
    case fixed(requests: UInt32, unit: Unit)
  }

  /// `type.v3.RateLimitUnit`, with its numbers.
  public enum Unit: UInt8, Hashable, Sendable, CaseIterable {
    case unknown, second, minute, hour, day, month, year

    /// As in Envoy's enumeration.
    public var name: String {
      switch self {
      case .unknown: "UNKNOWN"
      case .second: "SECOND"
      case .minute: "MINUTE"
      case .hour: "HOUR"
      case .day: "DAY"
      case .month: "MONTH"
      case .year: "YEAR"
      }
    }
  }

  public struct Hits: Hashable, Sendable {
    public enum Count: Hashable, Sendable {
      /// 0...1,000,000,000
      case number(UInt64)
      /// One operator, whose value is such a number.
      case format(FormatString)
    }
    public var count: Count
    /// They are given back.
    public var isNegative = false
    public init(_ count: Count) { self.count = count }
  }

  /// `x_ratelimit_option`: whether the answer tells of the limit.
  public enum Headers: UInt8, Hashable, Sendable { case unspecified, off, draft03 }

  /// More hits than this a rule does not count.
  public static let mostHits: UInt64 = 1_000_000_000

  public init(_ actions: [Action]) { self.actions = actions }
}
