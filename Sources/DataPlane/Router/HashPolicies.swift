// The hash of a request by the route's hash policies, for whoever asks: it is computed then.
import CMartletHash
import Model

final class HashPolicies {
  private enum Source {
    case header(HeaderID, RegularExpression?, [UInt8])
    case cookie([UInt8])
    case sourceIP
    case queryParameter([UInt8])
  }
  private let policies: [(source: Source, isTerminal: Bool)]
  private let cookie: HeaderID
  /// More fields of one name than anybody sends.
  private static let fieldLimit = 64

  init(_ model: [HashPolicy], names: HeaderNameTable) {
    cookie = names.intern(Array("cookie".utf8)) ?? .unknown
    policies = model.map { policy in
      let source: Source
      switch policy.source {
      case .header(let name, let rewrite):
        source = .header(
          names.intern(Array(name.utf8)) ?? .unknown, rewrite.flatMap { RegularExpression($0.pattern) },
          Array((rewrite?.substitution ?? "").utf8))
      case .cookie(let name): source = .cookie(Array(name.utf8))
      case .sourceIP: source = .sourceIP
      case .queryParameter(let name): source = .queryParameter(Array(name.utf8))
      }
      return (source, policy.isTerminal)
    }
  }

  /// Nil: the request has nothing that the policies ask for. `address` writes the client's.
  func hash(
    _ request: MessageHead, _ scratch: ByteBuilder, address: (ByteBuilder) -> Void
  ) -> UInt64? {
    var hash: UInt64?
    for policy in policies {
      let part: UInt64?
      switch policy.source {
      case .header(let id, let expression, let substitution):
        part = header(request.headers, id, expression, substitution, scratch)
      case .cookie(let name): part = cookie(request.headers, name)
      case .sourceIP:
        scratch.clear()
        address(scratch)
        part = scratch.count == 0 ? nil : HashPolicies.hash(scratch.view)
      case .queryParameter(let name):
        let path = request.path
        let query = path.firstIndex(of: UInt8(ascii: "?")).map { QueryString(path.dropFirst($0 + 1)) }
        part = query?.first(name).map { HashPolicies.hash($0) }
      }
      if let part {
        // Turned, so that two equal parts do not cancel each other out.
        hash = hash.map { ($0 << 1 | $0 >> 63) ^ part } ?? part
      }
      if policy.isTerminal, hash != nil { break }
    }
    return hash
  }

  static func hash(_ text: ByteView, seed: UInt64 = 0) -> UInt64 {
    martlet_xxhash64(text.base, text.count, seed)
  }

  /// Several fields of the name are hashed in the order of their values, whatever order they came in.
  private func header(
    _ headers: HeaderMap, _ id: HeaderID, _ expression: RegularExpression?, _ substitution: [UInt8],
    _ scratch: ByteBuilder
  ) -> UInt64? {
    withUnsafeTemporaryAllocation(of: ByteView.self, capacity: HashPolicies.fieldLimit) { values in
      var count = 0
      for index in 0..<headers.count
      where headers.entries[index].id == id && count < HashPolicies.fieldLimit {
        let value = headers.entries[index].valueView
        var place = count
        while place > 0, HashPolicies.isLess(value, values[place - 1]) {
          values[place] = values[place - 1]
          place -= 1
        }
        values[place] = value
        count += 1
      }
      if count == 0 { return nil }
      var hash: UInt64 = 0
      for index in 0..<count {
        var value = values[index]
        if let expression {
          scratch.clear()
          expression.replaceAll(in: value, by: substitution, into: scratch)
          value = scratch.view
        }
        hash = HashPolicies.hash(value, seed: hash)
      }
      return hash
    }
  }

  private static func isLess(_ a: ByteView, _ b: ByteView) -> Bool {
    for index in 0..<Swift.min(a.count, b.count) where a[index] != b[index] { return a[index] < b[index] }
    return a.count < b.count
  }

  private func cookie(_ headers: HeaderMap, _ name: [UInt8]) -> UInt64? {
    for index in 0..<headers.count where headers.entries[index].id == cookie {
      if let value = CookieString(headers.entries[index].valueView).first(name), value.count > 0 {
        return HashPolicies.hash(value)
      }
    }
    return nil
  }
}

/// `a=1; b="2"`, read where it lies (RFC 6265 section 4.2).
struct CookieString {
  private let text: ByteView
  init(_ text: ByteView) { self.text = text }

  /// The value of the first cookie of that name, without its quotation marks.
  func first(_ name: [UInt8]) -> ByteView? {
    var rest = text
    while rest.count > 0 {
      let end = rest.firstIndex(of: UInt8(ascii: ";")) ?? rest.count
      let pair = CookieString.trimmed(rest.prefix(end))
      if let equals = pair.firstIndex(of: UInt8(ascii: "=")), pair.prefix(equals) == name {
        let value = pair.dropFirst(equals + 1)
        let mark = UInt8(ascii: "\"")
        if value.count >= 2, value[0] == mark, value[value.count - 1] == mark {
          return value.dropFirst(1).prefix(value.count - 2)
        }
        return value
      }
      rest = rest.dropFirst(end < rest.count ? end + 1 : end)
    }
    return nil
  }

  private static func trimmed(_ text: ByteView) -> ByteView {
    var text = text
    while text.count > 0, text[0] == 0x20 || text[0] == 0x09 { text = text.dropFirst(1) }
    while text.count > 0, text[text.count - 1] == 0x20 || text[text.count - 1] == 0x09 {
      text = text.prefix(text.count - 1)
    }
    return text
  }
}
