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
    let values: HeaderValues
    switch source {
    case .method: values = HeaderValues(head.methodText)
    case .path: values = HeaderValues(head.path)
    case .authority: values = HeaderValues(head.authority)
    case .scheme:
      let http: StaticString = "http"
      values = HeaderValues(ByteView(http.utf8Start, 4))
    case .header(let id): values = HeaderValues(head.headers, id)
    }
    if case .present(let wanted) = model.kind {
      return ((values.value != nil || model.treatMissingAsEmpty) == wanted) != model.invert
    }
    guard let value = values.value ?? (model.treatMissingAsEmpty ? MessageHead.empty : nil) else {
      // A missing header matches nothing, inverted or not; Envoy's rule since 1.23 for
      // `invert_match` is that a missing header then matches.
      return model.invert
    }
    return matches(value) != model.invert
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

/// The value of a header, several fields of one name joined with a comma as Envoy matches them.
private struct HeaderValues {
  let value: ByteView?

  init(_ value: ByteView) { self.value = value }

  init(_ headers: HeaderMap, _ id: HeaderID) {
    guard let first = headers.first(id) else {
      value = nil
      return
    }
    var total = 0
    var fields = 0
    for index in 0..<headers.count where headers.entries[index].id == id {
      total += Int(headers.entries[index].valueLength) + 1
      fields += 1
    }
    if fields == 1 {
      value = first
      return
    }
    let joined = headers.scratch(total)
    var length = 0
    for index in 0..<headers.count where headers.entries[index].id == id {
      if length > 0 {
        joined[length] = UInt8(ascii: ",")
        length += 1
      }
      let view = headers.entries[index].valueView
      (joined + length).update(from: view.base, count: view.count)
      length += view.count
    }
    value = ByteView(UnsafePointer(joined), length)
  }
}
