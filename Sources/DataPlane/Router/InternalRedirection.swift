// Redirects of upstreams that are followed here (`config.route.v3.InternalRedirectPolicy`): may this
// one be, and the request as it goes on.
import Model

final class InternalRedirection {
  private let most: UInt32
  private let statuses: Set<Int>
  private let allowsCrossScheme: Bool
  private let allowedRoutes: [Set<String>]
  private let refusesPrevious: Bool
  private let refusesHTTPS: Bool
  private let copied: [(name: [UInt8], id: HeaderID)]
  private let originalURL: HeaderID

  /// What a stream remembers of the redirects it followed.
  struct Memory {
    var count: UInt32 = 0
    /// From one route to another.
    var steps: [(from: ObjectIdentifier, to: ObjectIdentifier)] = []

    mutating func clear() {
      count = 0
      if !steps.isEmpty { steps.removeAll(keepingCapacity: true) }
    }
  }

  init(_ model: InternalRedirect, names: HeaderNameTable) {
    most = model.most
    statuses = model.statuses
    allowsCrossScheme = model.allowsCrossScheme
    var allowed: [Set<String>] = []
    var refusesPrevious = false
    var refusesHTTPS = false
    for predicate in model.predicates {
      switch predicate {
      case .allowListedRoutes(let names): allowed.append(names)
      case .previousRoutes: refusesPrevious = true
      // Without TLS every request here came by `http`: nothing is safer than that.
      case .safeCrossScheme: refusesHTTPS = true
      }
    }
    allowedRoutes = allowed
    self.refusesPrevious = refusesPrevious
    self.refusesHTTPS = refusesHTTPS
    copied = model.headersToCopy.map { (Array($0.utf8), names.intern(Array($0.utf8)) ?? .unknown) }
    originalURL = names.intern(Array("x-envoy-original-url".utf8)) ?? .unknown
  }

  func handles(_ status: Int) -> Bool { statuses.contains(status) }

  /// Changes the request to the one that the redirect asks for, if that may be. Nil: it was changed.
  /// Else the request is as it was, and the reason is given (`.failed`: of those without a counter).
  func follow(
    _ response: MessageHead, _ request: MessageHead, from route: RouteRuntime, in table: RouteTable,
    memory: inout Memory, isComplete: Bool, keepsBody: Bool
  ) -> Refusal? {
    let becomesGET = response.status == 303 && request.method != .get && request.method != .head
    guard isComplete, keepsBody || becomesGET, let location = response.headers.first(.location) else {
      return .failed
    }
    guard let target = Target(location) else { return .badLocation }
    if !target.isHTTP, !allowsCrossScheme { return .unsafeScheme }
    if memory.count >= most { return .tooMany }
    let (oldAuthority, oldPath) = (request.authority, request.path)
    // The response's head is gone when the request goes on.
    request.authority = InternalRedirection.copy(target.authority, request.headers)
    request.path = InternalRedirection.copy(target.path, request.headers, slash: target.path.count == 0)
    guard let next = table.virtualHost(for: request)?.route(for: request) else {
      (request.authority, request.path) = (oldAuthority, oldPath)
      return .noRoute
    }
    guard allows(next, from: route, memory), target.isHTTP || !refusesHTTPS else {
      (request.authority, request.path) = (oldAuthority, oldPath)
      return .predicate
    }
    memory.count += 1
    memory.steps.append((ObjectIdentifier(route), ObjectIdentifier(next)))
    copyHeaders(response.headers, request.headers)
    setOriginalURL(request, oldAuthority, oldPath)
    if becomesGET { makeGET(request) }
    return nil
  }

  enum Refusal { case failed, badLocation, unsafeScheme, tooMany, noRoute, predicate }

  private func allows(_ next: RouteRuntime, from route: RouteRuntime, _ memory: Memory) -> Bool {
    for names in allowedRoutes where !names.contains(next.name) { return false }
    if refusesPrevious {
      let (from, to) = (ObjectIdentifier(route), ObjectIdentifier(next))
      if memory.steps.contains(where: { $0.from == from && $0.to == to }) { return false }
    }
    return true
  }

  private static func copy(_ text: ByteView, _ headers: HeaderMap, slash: Bool = false) -> ByteView {
    // A location's path may be left out, or begin with its query.
    let needsSlash = slash || (text.count > 0 && text[0] == UInt8(ascii: "?"))
    let made = headers.scratch(text.count + 1)
    if needsSlash { made[0] = UInt8(ascii: "/") }
    let start = needsSlash ? 1 : 0
    (made + start).update(from: text.base, count: text.count)
    return ByteView(UnsafePointer(made), text.count + start)
  }

  private func copyHeaders(_ response: HeaderMap, _ request: HeaderMap) {
    for (name, id) in copied where id != .unknown {
      request.remove(id)
      for index in 0..<response.count where response.entries[index].id == id {
        name.withUnsafeBufferPointer { buffer in
          guard let base = buffer.baseAddress else { return }
          request.addCopy(id, name: ByteView(base, buffer.count), value: response.entries[index].valueView)
        }
      }
    }
  }

  private func setOriginalURL(_ request: MessageHead, _ authority: ByteView, _ path: ByteView) {
    let scheme: StaticString = "http://"
    let length = scheme.utf8CodeUnitCount
    let url = request.headers.scratch(length + authority.count + path.count)
    url.update(from: scheme.utf8Start, count: length)
    (url + length).update(from: authority.base, count: authority.count)
    (url + length + authority.count).update(from: path.base, count: path.count)
    request.headers.set(
      originalURL, "x-envoy-original-url",
      value: ByteView(UnsafePointer(url), length + authority.count + path.count))
  }

  /// RFC 9110 section 15.4.4.
  private func makeGET(_ request: MessageHead) {
    let get: StaticString = "GET"
    request.method = .get
    request.methodText = ByteView(get.utf8Start, get.utf8CodeUnitCount)
    request.headers.remove(.contentLength)
    request.contentLength = -1
    request.isChunked = false
  }

  /// An absolute URL (RFC 9110 section 4.2), without the fragment and what stands before an `@`.
  struct Target {
    let isHTTP: Bool
    let authority: ByteView
    /// With the query; may be empty.
    let path: ByteView

    init?(_ location: ByteView) {
      for index in 0..<location.count where location[index] <= 0x20 || location[index] >= 0x7f { return nil }
      guard let colon = location.firstIndex(of: UInt8(ascii: ":")), location.count > colon + 3,
        location[colon + 1] == UInt8(ascii: "/"), location[colon + 2] == UInt8(ascii: "/"), colon > 0
      else { return nil }
      isHTTP = location.prefix(colon).equalsIgnoringCase("http")
      let rest = location.dropFirst(colon + 3)
      var end = 0
      while end < rest.count, !"/?#".utf8.contains(rest[end]) { end += 1 }
      var authority = rest.prefix(end)
      if let at = authority.firstIndex(of: UInt8(ascii: "@")) { authority = authority.dropFirst(at + 1) }
      if authority.count == 0 { return nil }
      self.authority = authority
      let path = rest.dropFirst(end)
      self.path = path.firstIndex(of: UInt8(ascii: "#")).map { path.prefix($0) } ?? path
    }
  }
}
