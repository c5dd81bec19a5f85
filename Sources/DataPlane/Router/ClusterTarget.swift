// A cluster by its name, or by the name that stands in a header of the request.
import Model

struct ClusterTarget {
  private enum Source { case fixed, header(HeaderID), authority, path, method }
  private let source: Source
  private let cluster: ClusterRuntime?

  init(name: String, find: (String) -> ClusterRuntime?) {
    source = .fixed
    cluster = find(name)
  }

  init(header: String, names: HeaderNameTable) {
    cluster = nil
    switch header {
    case ":authority", "host": source = .authority
    case ":path": source = .path
    case ":method": source = .method
    default: source = .header(names.intern(Array(header.utf8)) ?? .unknown)
    }
  }

  init(_ model: ClusterWeights.Target, names: HeaderNameTable, find: (String) -> ClusterRuntime?) {
    switch model {
    case .name(let name): self.init(name: name, find: find)
    case .header(let name): self.init(header: name, names: names)
    }
  }

  /// Nil: there is no such cluster.
  @inline(__always)
  func find(_ request: MessageHead, _ directory: ClusterDirectory) -> ClusterRuntime? {
    if case .fixed = source { return cluster }
    return byHeader(request, directory)
  }

  @inline(never)
  private func byHeader(_ request: MessageHead, _ directory: ClusterDirectory) -> ClusterRuntime? {
    switch source {
    case .fixed: cluster
    case .header(let id): request.headers.first(id).flatMap { directory.find($0) }
    case .authority: directory.find(request.authority)
    case .path: directory.find(request.path)
    case .method: directory.find(request.methodText)
    }
  }
}
