// What filters store while the proxy runs: dynamic metadata, by namespace and key, and filter state,
// objects by key. A stream has its own, and so has its connection; either is made when something is
// stored there for the first time.
//
// An object of the filter state is a text, or has fields.

final class StoredData {
  let metadata = MetadataTree()
  let filterState = MetadataTree()

  var isEmpty: Bool { metadata.isEmpty && filterState.isEmpty }

  func clear() {
    metadata.clear()
    filterState.clear()
  }
}

/// What a stream (or, in front of a stream, a connection) can see of it. Borrowed for one call.
struct StoredView {
  unowned(unsafe) var stream: StoredData?
  unowned(unsafe) var connection: StoredData?
  /// There is a stream: the connection's metadata is not its own.
  var isStream = false

  var metadata: MetadataTree? { isStream ? stream?.metadata : connection?.metadata }

  /// The object of that key: the stream's or, where it has none, the connection's.
  func filterState(_ key: MetadataPath) -> MetadataPlace? {
    stream.flatMap { key.find(in: $0.filterState) } ?? connection.flatMap { key.find(in: $0.filterState) }
  }
}

/// A value in a tree.
struct MetadataPlace {
  unowned(unsafe) let tree: MetadataTree
  let node: MetadataTree.NodeID
}

/// Names on the way to a value, kept where they do not move. None: the whole.
final class MetadataPath {
  private let names: [OwnedText]

  init(_ names: [String]) { self.names = names.map { OwnedText($0) } }

  /// Nil: there is nothing.
  func find(in tree: MetadataTree) -> MetadataPlace? {
    if tree.isEmpty { return nil }
    var node = MetadataTree.root
    for name in names {
      node = tree.member(name.view, of: node)
      if node < 0 { return nil }
    }
    return MetadataPlace(tree: tree, node: node)
  }
}
