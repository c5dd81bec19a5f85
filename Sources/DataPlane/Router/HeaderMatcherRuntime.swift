// A header match with its name resolved to a number (`config.route.v3.HeaderMatcher`).
import Model

final class HeaderMatcherRuntime {
  private enum Source { case header(HeaderID), method, path, authority, scheme }
  private let source: Source
  private let model: HeaderMatcher
  private let pattern: [UInt8]
  private let ignoreCase: Bool

  init(model: HeaderMatcher, names: HeaderNameTable) {
    self.model = model
    switch model.name {
    case ":method": source = .method
    case ":path": source = .path
    case ":authority", "host": source = .authority
    case ":scheme": source = .scheme
    default: source = .header(names.intern(Array(model.name.utf8)) ?? .unknown)
    }
    switch model.kind {
    case .exact(let text, let fold), .prefix(let text, let fold), .suffix(let text, let fold),
      .contains(let text, let fold):
      ignoreCase = fold
      pattern = fold ? text.utf8.map(asciiLowercase) : Array(text.utf8)
    case .present, .range:
      ignoreCase = false
      pattern = []
    }
  }

  func matches(_ head: MessageHead) -> Bool {
    /// Nil: there is no such header.
    let matched: Bool?
    switch source {
    case .method: matched = matches(head.methodText)
    case .path: matched = matches(head.path)
    case .authority: matched = matches(head.authority)
    case .scheme:
      let http: StaticString = "http"
      matched = matches(ByteView(http.utf8Start, 4))
    case .header(let id): matched = matchesAny(head.headers, id)
    }
    if case .present(let wanted) = model.kind {
      return ((matched != nil || model.treatMissingAsEmpty) == wanted) != model.invert
    }
    if let matched { return matched != model.invert }
    // A missing header matches nothing, inverted or not.
    return model.treatMissingAsEmpty ? matches(MessageHead.empty) != model.invert : false
  }

  /// Several fields of one name: any of them may match.
  private func matchesAny(_ headers: HeaderMap, _ id: HeaderID) -> Bool? {
    var found = false
    for index in 0..<headers.count where headers.entries[index].id == id {
      found = true
      if matches(headers.entries[index].valueView) { return true }
    }
    return found ? false : nil
  }

  private func matches(_ value: ByteView) -> Bool {
    switch model.kind {
    case .present(let wanted): return wanted
    case .exact: return value.count == pattern.count && equal(value)
    case .prefix: return value.count >= pattern.count && equal(value.prefix(pattern.count))
    case .suffix:
      return value.count >= pattern.count && equal(value.dropFirst(value.count - pattern.count))
    case .contains:
      guard value.count >= pattern.count else { return false }
      for start in 0...(value.count - pattern.count)
      where equal(ByteView(value.base + start, pattern.count)) { return true }
      return false
    case .range(let lower, let upper):
      guard let number = signedDecimal(value) else { return false }
      return number >= lower && number < upper
    }
  }

  /// `value` is as long as the pattern.
  private func equal(_ value: ByteView) -> Bool {
    if !ignoreCase { return value == pattern }
    for index in 0..<pattern.count where asciiLowercase(value[index]) != pattern[index] { return false }
    return true
  }

  private func signedDecimal(_ value: ByteView) -> Int64? {
    if value.count > 1, value[0] == UInt8(ascii: "-") {
      guard let magnitude = value.dropFirst(1).decimal, magnitude <= UInt64(Int64.max) else { return nil }
      return -Int64(magnitude)
    }
    guard let magnitude = value.decimal, magnitude <= UInt64(Int64.max) else { return nil }
    return Int64(magnitude)
  }
}
