// Which requests a route takes (`config.route.v3.RouteMatch`).

public struct RouteMatch: Hashable, Sendable {
  public var path: Path
  /// False: the letters of a path or prefix compare without case.
  public var caseSensitive = true
  /// The share of the requests that the route takes (nil: all).
  public var runtimeFraction: RuntimeFraction?
  /// All must match.
  public var headers: [HeaderMatcher] = []
  /// All must match.
  public var queryParameters: [QueryParameterMatcher] = []
  /// gRPC requests alone (by their content type).
  public var isGRPC = false
  public var tls: TLSMatch?
  /// Of the request's dynamic metadata. All must match.
  public var metadata: [MetadataMatcher] = []
  /// Of the request's filter state, or its connection's. All must match.
  public var filterState: [FilterStateMatcher] = []

  /// A path is compared without its query.
  public enum Path: Hashable, Sendable {
    case prefix(String)
    /// The whole path.
    case exact(String)
    /// The whole path, by an expression in RE2's syntax that compiles.
    case regex(String)
    /// The path itself, or it with `/` and more behind it. Does not end in `/`.
    case separatedPrefix(String)
    /// `path_match_policy` with a template.
    case template(PathTemplate)
    /// CONNECT requests, which have no path.
    case connect
  }

  /// What the client's certificate must be (nil: no matter).
  public struct TLSMatch: Hashable, Sendable {
    public var presented: Bool?
    public var validated: Bool?
    public init(presented: Bool?, validated: Bool?) {
      self.presented = presented
      self.validated = validated
    }
  }

  public init(path: Path) { self.path = path }
}

/// `config.route.v3.HeaderMatcher`. Of several fields of one name any may match.
public struct HeaderMatcher: Hashable, Sendable {
  /// Lower case. `:method`, `:path`, `:authority` and `:scheme` name the parts of the request line.
  public var name: String
  public var kind: Kind
  public var invert = false
  public var treatMissingAsEmpty = false

  public enum Kind: Hashable, Sendable {
    case present(Bool)
    case string(StringMatcher)
    /// A decimal number in `lower ..< upper`.
    case range(lower: Int64, upper: Int64)

    public static func exact(_ text: String, ignoreCase: Bool) -> Kind {
      .string(StringMatcher(.exact(text), ignoreCase: ignoreCase))
    }
    public static func prefix(_ text: String, ignoreCase: Bool) -> Kind {
      .string(StringMatcher(.prefix(text), ignoreCase: ignoreCase))
    }
    public static func suffix(_ text: String, ignoreCase: Bool) -> Kind {
      .string(StringMatcher(.suffix(text), ignoreCase: ignoreCase))
    }
    public static func contains(_ text: String, ignoreCase: Bool) -> Kind {
      .string(StringMatcher(.contains(text), ignoreCase: ignoreCase))
    }
  }
  public init(name: String, kind: Kind) {
    self.name = name
    self.kind = kind
  }
}

/// `config.route.v3.QueryParameterMatcher`: the first parameter of that name, as it was sent.
public struct QueryParameterMatcher: Hashable, Sendable {
  public var name: String
  public var kind: Kind
  public enum Kind: Hashable, Sendable {
    case present(Bool)
    case string(StringMatcher)
  }
  public init(name: String, kind: Kind) {
    self.name = name
    self.kind = kind
  }
}
