// Where a value of the decoded messages came from: the walk leaves a tree of locations behind,
// with the shape of the messages, and later steps go down it beside the typed messages, so
// that their findings have a line and a path as well.
//
// The tree is of the merged configuration: an overlay's elements stand behind the base's, but
// know the index under which the overlay itself counts them.

/// One value's origin.
final class Location {
  fileprivate(set) var position: SourcePosition
  /// The index to show, which is the file's own; differs from the merged one for overlays.
  fileprivate let shownIndex: Int
  /// The message whose fields `fields` are; nil for scalars and for Any before it is known.
  var schema: MessageSchema?
  fileprivate var fields: [(name: String, location: Location)] = []
  fileprivate var elements: [Location] = []
  fileprivate var keys: [String: Location] = [:]

  init(at position: SourcePosition, shownIndex: Int = 0) {
    self.position = position
    self.shownIndex = shownIndex
  }
}

/// A path from the root, shared between the places below it.
final class Path: Sendable {
  enum Step: Sendable {
    case field(String)
    case index(Int)
    case key(String)
  }
  private let parent: Path?
  private let step: Step

  init(_ step: Step, after parent: Path?) {
    self.parent = parent
    self.step = step
  }

  static let root = Path(.field(""), after: nil)

  var text: String {
    var steps: [Step] = []
    var current: Path? = self
    while let path = current, path.parent != nil {
      steps.append(path.step)
      current = path.parent
    }
    var text = ""
    for step in steps.reversed() {
      switch step {
      case .field(let name): text += text.isEmpty ? name : ".\(name)"
      case .index(let index): text += "[\(index)]"
      case .key(let key): text += "[\"\(key)\"]"
      }
    }
    return text
  }
}

/// A location with the path that led to it. Going to something that is not there gives a place
/// with the parent's line: what is missing is missing there.
struct Place {
  private(set) var location: Location?
  let path: Path
  private(set) var position: SourcePosition

  init(root: Location) {
    location = root
    path = .root
    position = root.position
  }

  private init(_ location: Location?, _ path: Path, _ position: SourcePosition) {
    self.location = location
    self.path = path
    self.position = position
  }

  /// False where the file says nothing here.
  var exists: Bool { location != nil }

  /// Fields that a file gave, for the presence check.
  var fieldNames: [String] { location?.fields.map(\.name) ?? [] }
  var count: Int { location?.elements.count ?? 0 }
  var keys: [String] { location?.keys.keys.sorted() ?? [] }

  func field(_ name: String) -> Place {
    let found = location?.fields.first { $0.name == name }?.location
    return Place(found, Path(.field(name), after: path), found?.position ?? position)
  }

  func element(_ index: Int) -> Place {
    let found = location.flatMap { index < $0.elements.count ? $0.elements[index] : nil }
    return Place(
      found, Path(.index(found?.shownIndex ?? index), after: path), found?.position ?? position)
  }

  func key(_ key: String) -> Place {
    let found = location?.keys[key]
    return Place(found, Path(.key(key), after: path), found?.position ?? position)
  }

  /// The place of a field that is being read; a second file's field joins the first's.
  func enter(field name: String, at position: SourcePosition) -> Place {
    let path = Path(.field(name), after: path)
    if let known = location?.fields.first(where: { $0.name == name })?.location {
      known.position = position
      return Place(known, path, position)
    }
    let added = Location(at: position)
    location?.fields.append((name, added))
    return Place(added, path, position)
  }

  func enter(element shown: Int, at position: SourcePosition) -> Place {
    let added = Location(at: position, shownIndex: shown)
    location?.elements.append(added)
    return Place(added, Path(.index(shown), after: path), position)
  }

  func enter(key: String, at position: SourcePosition) -> Place {
    let added = Location(at: position)
    location?.keys[key] = added
    return Place(added, Path(.key(key), after: path), position)
  }

  /// A place for findings about an entry that leaves no value behind.
  func beside(field name: String, at position: SourcePosition) -> Place {
    Place(nil, Path(.field(name), after: path), position)
  }

  func beside(element index: Int, at position: SourcePosition) -> Place {
    Place(nil, Path(.index(index), after: path), position)
  }

  func beside(key: String, at position: SourcePosition) -> Place {
    Place(nil, Path(.key(key), after: path), position)
  }
}
