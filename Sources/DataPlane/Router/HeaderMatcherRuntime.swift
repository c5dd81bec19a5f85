// A header match with its name resolved to a number (`config.route.v3.HeaderMatcher`).
import Model

final class HeaderMatcherRuntime {
  private enum Source { case header(HeaderID), method, path, authority, scheme }
  private let source: Source
  private let model: HeaderMatcher
  private let text: TextMatcher?
  init(model: HeaderMatcher, names: HeaderNameTable) {
    self.model = model
    switch model.name {
    case ":method": source = .method
    case ":path": source = .path
    case ":authority", "host": source = .authority
    case ":scheme": source = .scheme
    default: source = .header(names.intern(Array(model.name.utf8)) ?? .unknown)
    }
    if case .string(let matcher) = model.kind { text = TextMatcher(matcher) } else { text = nil }
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
    case .string: return text?.matches(value) == true
    case .range(let lower, let upper):
      guard let number = value.signedDecimal else { return false }
      return number >= lower && number < upper
    }
  }
}
