// When and how a request is sent again (`config.route.v3.RetryPolicy`, `HedgePolicy`).

/// Headers that count attempts (`VirtualHost`).
public struct AttemptHeaders: Hashable, Sendable {
  /// `x-envoy-attempt-count` of requests.
  public var countsInRequest = false
  /// `x-envoy-attempt-count` of answers.
  public var countsInResponse = false
  /// `x-envoy-is-timeout-retry` of requests that are sent again.
  public var tellsTimeouts = false
  public init() {}
}

public struct RetryPolicy: Hashable, Sendable {
  public var conditions: Conditions = []
  /// `num_retries`: attempts after the first. Envoy's default 1.
  public var retries: UInt32 = 1
  /// For one attempt, from the request's end to the response's head (nil: the route's timeout alone).
  public var perTryTimeout: Duration?
  /// An attempt on which no byte of the response comes for so long (nil: none).
  public var perTryIdleTimeout: Duration?
  /// For `retriable-status-codes`.
  public var statusCodes: [UInt32] = []
  /// For `retriable-headers`: a response that matches any of them is retried.
  public var responseHeaders: [HeaderMatcher] = []
  /// Where there are any, only requests that match one of them are retried.
  public var requestHeaders: [HeaderMatcher] = []
  public var backOff = BackOff()
  public var rateLimited: RateLimitedBackOff?
  /// `envoy.retry_host_predicates.previous_hosts`: another endpoint than those that were tried.
  public var avoidsPreviousHosts = false
  /// How often an endpoint is picked anew when a predicate refuses it. Envoy's default 1.
  public var maxPicks: Int = 1

  /// `retry_on`, of responses over HTTP and gRPC.
  public struct Conditions: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let serverError = Conditions(rawValue: 1 << 0)
    public static let gatewayError = Conditions(rawValue: 1 << 1)
    public static let reset = Conditions(rawValue: 1 << 2)
    public static let resetBeforeRequest = Conditions(rawValue: 1 << 3)
    public static let connectFailure = Conditions(rawValue: 1 << 4)
    public static let rateLimited = Conditions(rawValue: 1 << 5)
    public static let retriable4xx = Conditions(rawValue: 1 << 6)
    public static let refusedStream = Conditions(rawValue: 1 << 7)
    public static let statusCodes = Conditions(rawValue: 1 << 8)
    public static let headers = Conditions(rawValue: 1 << 9)
    public static let grpcCancelled = Conditions(rawValue: 1 << 10)
    public static let grpcDeadlineExceeded = Conditions(rawValue: 1 << 11)
    public static let grpcInternal = Conditions(rawValue: 1 << 12)
    public static let grpcResourceExhausted = Conditions(rawValue: 1 << 13)
    public static let grpcUnavailable = Conditions(rawValue: 1 << 14)
    public static let anyGRPC: Conditions = [
      .grpcCancelled, .grpcDeadlineExceeded, .grpcInternal, .grpcResourceExhausted, .grpcUnavailable,
    ]

    /// The conditions of one name of `retry_on` or `x-envoy-retry-on`; nil for none of HTTP's.
    public init?(http name: some StringProtocol) {
      switch name {
      case "5xx": self = .serverError
      case "gateway-error": self = .gatewayError
      case "reset": self = .reset
      case "reset-before-request": self = .resetBeforeRequest
      case "connect-failure": self = .connectFailure
      case "envoy-ratelimited": self = .rateLimited
      case "retriable-4xx": self = .retriable4xx
      case "refused-stream": self = .refusedStream
      case "retriable-status-codes": self = .statusCodes
      case "retriable-headers": self = .headers
      // Of HTTP/3, which upstreams do not speak here: can never come.
      case "http3-post-connect-failure": self = []
      default: return nil
      }
    }

    /// The condition of one name of `retry_on` or `x-envoy-retry-grpc-on`; nil for none of gRPC's.
    public init?(grpc name: some StringProtocol) {
      switch name {
      case "cancelled": self = .grpcCancelled
      case "deadline-exceeded": self = .grpcDeadlineExceeded
      case "internal": self = .grpcInternal
      case "resource-exhausted": self = .grpcResourceExhausted
      case "unavailable": self = .grpcUnavailable
      default: return nil
      }
    }
  }

  /// Waits between attempts: at random below a bound that doubles from `base` to `max`.
  public struct BackOff: Hashable, Sendable {
    public var base: Duration = .milliseconds(25)
    /// Envoy's default: ten times the base.
    public var max: Duration = .milliseconds(250)
    public init() {}
  }

  /// Waits that the upstream asks for in a header of its answer.
  public struct RateLimitedBackOff: Hashable, Sendable {
    /// In the order of the file: the first that has a value counts.
    public var headers: [Header] = []
    /// A wait that is longer is not followed. Envoy's default 300 s.
    public var max: Duration = .seconds(300)
    public struct Header: Hashable, Sendable {
      public var name: String
      /// The value is a time since 1970 in seconds; otherwise a number of seconds from now.
      public var isTimestamp: Bool
      public init(name: String, isTimestamp: Bool) {
        self.name = name
        self.isTimestamp = isTimestamp
      }
    }
    public init() {}
  }
  public init() {}
}
