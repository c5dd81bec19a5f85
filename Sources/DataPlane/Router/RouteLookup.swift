// A request while its route is looked for.

struct RouteLookup {
  let head: MessageHead
  /// Without the query, and without path parameters where the table says so.
  let path: ByteView
  unowned(unsafe) let context: WorkerContext
  let stored: StoredView
  private var drawn: UInt64?

  @inline(__always)
  init(
    head: MessageHead, ignorePathParameters: Bool, context: WorkerContext,
    stored: StoredView = StoredView(isStream: true)
  ) {
    self.stored = stored
    self.head = head
    self.context = context
    let bare = head.path.withoutQuery
    path =
      ignorePathParameters && bare.firstIndex(of: UInt8(ascii: ";")) != nil
      ? RouteLookup.withoutParameters(bare, context.scratch) : bare
  }

  /// Each segment of a path up to its first `;` (RFC 3986 section 3.3). Lies in `scratch`.
  @inline(never)
  private static func withoutParameters(_ path: ByteView, _ scratch: ByteBuilder) -> ByteView {
    scratch.clear()
    var skips = false
    for index in 0..<path.count {
      if path[index] == UInt8(ascii: "/") { skips = false }
      if path[index] == UInt8(ascii: ";") { skips = true }
      if !skips { scratch.append(byte: path[index]) }
    }
    return scratch.view
  }

  /// One random number a lookup: two routes that ask for a share of the requests ask for the same
  /// share of them, as Envoy's do.
  mutating func random() -> UInt64 {
    if let drawn { return drawn }
    let number = context.random.next()
    drawn = number
    return number
  }

  /// The value of the first query parameter of that name; empty where it has none. Nothing is
  /// decoded.
  func queryParameter(_ name: [UInt8]) -> ByteView? {
    let path = head.path
    guard let mark = path.firstIndex(of: UInt8(ascii: "?")) else { return nil }
    return QueryString(path.dropFirst(mark + 1)).first(name)
  }
}

/// `a=1&b=2`, read where it lies.
struct QueryString {
  private let text: ByteView
  init(_ text: ByteView) { self.text = text }

  func first(_ name: [UInt8]) -> ByteView? {
    var rest = text
    while rest.count > 0 {
      let end = rest.firstIndex(of: UInt8(ascii: "&")) ?? rest.count
      let parameter = rest.prefix(end)
      let equals = parameter.firstIndex(of: UInt8(ascii: "="))
      if parameter.prefix(equals ?? parameter.count) == name {
        return equals.map { parameter.dropFirst($0 + 1) } ?? parameter.dropFirst(parameter.count)
      }
      rest = end < rest.count ? rest.dropFirst(end + 1) : rest.dropFirst(end)
    }
    return nil
  }
}

extension ByteView {
  /// A path without its query.
  @inline(__always)
  var withoutQuery: ByteView { firstIndex(of: UInt8(ascii: "?")).map { prefix($0) } ?? self }
}
