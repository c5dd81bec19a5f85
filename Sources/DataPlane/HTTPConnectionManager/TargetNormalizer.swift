// Path and host of a request in the form that its connection manager asks for.
import Model

final class TargetNormalizer {
  private let options: TargetNormalization
  private let changesPath: Bool

  enum Outcome { case goOn, reject, redirect }

  /// Nil where there is nothing to do.
  init?(_ options: TargetNormalization) {
    if options == TargetNormalization() { return nil }
    self.options = options
    changesPath = options.normalizesPath || options.mergesSlashes || options.escapedSlashes != .keep
  }

  func normalize(_ stream: HTTPStream) -> Outcome {
    let request = stream.request
    var outcome = Outcome.goOn
    // CONNECT has no path, and `*` is none.
    if changesPath, request.method != .connect, request.path[0] == UInt8(ascii: "/") {
      outcome = normalizePath(request)
    }
    if outcome == .goOn { normalizeHost(stream) }
    return outcome
  }

  private func normalizePath(_ request: MessageHead) -> Outcome {
    let target = request.path
    let query = target.dropFirst(PathNormalization.pathLength(target))
    var path = target.prefix(target.count - query.count)
    var outcome = Outcome.goOn
    if options.escapedSlashes != .keep, PathNormalization.firstEscapedSlash(path, from: 0) != nil {
      if options.escapedSlashes == .reject { return .reject }
      if options.escapedSlashes == .redirect { outcome = .redirect }
      let space = request.headers.scratch(path.count)
      if let length = PathNormalization.unescapeSlashes(path, to: space) {
        path = ByteView(UnsafePointer(space), length)
      }
    }
    if options.normalizesPath, !PathNormalization.isNormal(path) {
      let space = request.headers.scratch(path.count * 3)
      guard let length = PathNormalization.normalize(path, to: space) else { return .reject }
      path = ByteView(UnsafePointer(space), length)
    }
    if options.mergesSlashes, PathNormalization.hasSlashRun(path) {
      let space = request.headers.scratch(path.count + 1)
      if let length = PathNormalization.mergeSlashes(path, to: space) {
        path = ByteView(UnsafePointer(space), length)
      }
    }
    if path.base != target.base { request.path = joined(path, query, request.headers) }
    return outcome
  }

  private func joined(_ path: ByteView, _ query: ByteView, _ headers: HeaderMap) -> ByteView {
    if query.count == 0 { return path }
    let space = headers.scratch(path.count + query.count)
    space.update(from: path.base, count: path.count)
    (space + path.count).update(from: query.base, count: query.count)
    return ByteView(UnsafePointer(space), path.count + query.count)
  }

  private func normalizeHost(_ stream: HTTPStream) {
    let request = stream.request
    if options.stripsHostDot {
      request.authority = HostNormalization.withoutDot(request.authority) { request.headers.scratch($0) }
    }
    guard options.stripsPort != .none, let (start, port) = HostNormalization.port(of: request.authority)
    else { return }
    if options.stripsPort == .matching {
      guard case .ip(_, let own)? = stream.codec?.connection.localAddress(), UInt64(own) == port else {
        return
      }
    }
    request.authority = request.authority.prefix(start)
  }
}
