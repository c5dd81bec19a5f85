// A request to the admin API, taken apart.

/// Method, path and query of one request; everything else about it does not change the answer.
public struct AdminRequest: Sendable, Hashable {
  public struct Parameter: Sendable, Hashable {
    public let name: String
    /// Empty for `?name` and `?name=`.
    public let value: String
  }
  public let method: String
  /// Without the query, not decoded: no endpoint's path has anything to decode.
  public let path: String
  public let parameters: [Parameter]
  /// `origin`'s host and port where a browser sent one.
  public let originAuthority: String?
  /// `host`.
  public let authority: String

  /// - Parameter target: The request target in origin form, `/path?query`.
  public init(method: String, target: String, authority: String = "", origin: String? = nil) {
    self.method = method
    self.authority = authority
    originAuthority = origin.map { text in
      guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else { return text }
      return String(text[colon...].dropFirst(3))
    }
    guard let mark = target.firstIndex(of: "?") else {
      path = target
      parameters = []
      return
    }
    path = String(target[..<mark])
    parameters = target[target.index(after: mark)...].split(separator: "&").map { pair in
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return Parameter(
        name: Self.decoded(parts[0]), value: parts.count > 1 ? Self.decoded(parts[1]) : "")
    }
  }

  /// The first parameter of that name. Empty where it came without a value.
  public func parameter(_ name: String) -> String? {
    parameters.first { $0.name == name }?.value
  }

  /// RFC 3986 section 2.1. A percent sign without two digits stands for itself. `+` is not a space:
  /// it is common in regular expressions, and Envoy leaves it alone too.
  private static func decoded(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      let pair = rest.prefix(2)
      if byte == UInt8(ascii: "%"), pair.count == 2,
        let value = UInt8(String(decoding: pair, as: UTF8.self), radix: 16)
      {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
