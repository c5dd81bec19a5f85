// Where a value of the decoded messages came from: the walk leaves a tree of locations behind,
// with the shape of the messages, and later steps go down it beside the typed messages, so
// that their findings have a line and a path as well.
//
// The tree is of the merged configuration: an overlay's elements stand behind the base's, but
// know the index under which the overlay itself counts them.
//
// It also remembers what was found wrong. Later steps run over what is left of a file with errors,
// so that all errors come at once; what they would say about a value that is not the file's own,
// because the file's was refused, is nonsense, and this is how they know.

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
  private unowned let parent: Location?

  /// The value that stands here was found wrong.
  fileprivate(set) var isBroken = false
  /// Something at or below this place was found wrong.
  fileprivate(set) var isIncomplete = false
  /// Fields that are absent because of another finding: required and already reported so, or
  /// written with a typing error.
  fileprivate var missing: Set<String> = []
  /// A field of this message was refused, and with it perhaps one side of a choice.
  fileprivate var hasRefusedField = false
  /// Elements that left no value behind.
  fileprivate var droppedElements = 0

  init(at position: SourcePosition, shownIndex: Int = 0, in parent: Location? = nil) {
    self.position = position
    self.shownIndex = shownIndex
    self.parent = parent
  }

  fileprivate func markIncomplete() {
    var current: Location? = self
    while let location = current, !location.isIncomplete {
      location.isIncomplete = true
      current = location.parent
    }
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
  /// What exists above this place and nearest to it, and the name of the step below that.
  private let holder: Location?
  private let step: String?

  init(root: Location) {
    location = root
    path = .root
    position = root.position
    holder = nil
    step = nil
  }

  private init(
    _ location: Location?, _ path: Path, _ position: SourcePosition, below parent: Place,
    step: String? = nil
  ) {
    self.location = location
    self.path = path
    self.position = position
    holder = parent.location ?? parent.holder
    self.step = parent.location == nil ? parent.step : step
  }

  /// False where the file says nothing here.
  var exists: Bool { location != nil }

  /// Fields that a file gave, for the presence check.
  var fieldNames: [String] { location?.fields.map(\.name) ?? [] }
  var count: Int { location?.elements.count ?? 0 }
  /// With the elements that were refused.
  var givenCount: Int { count + (location?.droppedElements ?? 0) }
  var keys: [String] { location?.keys.keys.sorted() ?? [] }

  func field(_ name: String) -> Place {
    let found = location?.fields.first { $0.name == name }?.location
    return Place(
      found, Path(.field(name), after: path), found?.position ?? position, below: self, step: name)
  }

  func element(_ index: Int) -> Place {
    let found = location.flatMap { index < $0.elements.count ? $0.elements[index] : nil }
    return Place(
      found, Path(.index(found?.shownIndex ?? index), after: path), found?.position ?? position,
      below: self)
  }

  func key(_ key: String) -> Place {
    let found = location?.keys[key]
    return Place(
      found, Path(.key(key), after: path), found?.position ?? position, below: self, step: key)
  }

  /// The place of a field that is being read; a second file's field joins the first's.
  func enter(field name: String, at position: SourcePosition) -> Place {
    let path = Path(.field(name), after: path)
    if let known = location?.fields.first(where: { $0.name == name })?.location {
      known.position = position
      return Place(known, path, position, below: self)
    }
    let added = Location(at: position, in: location)
    location?.fields.append((name, added))
    return Place(added, path, position, below: self)
  }

  func enter(element shown: Int, at position: SourcePosition) -> Place {
    let added = Location(at: position, shownIndex: shown, in: location)
    location?.elements.append(added)
    return Place(added, Path(.index(shown), after: path), position, below: self)
  }

  func enter(key: String, at position: SourcePosition) -> Place {
    let added = Location(at: position, in: location)
    location?.keys[key] = added
    return Place(added, Path(.key(key), after: path), position, below: self)
  }

  /// A place for findings about an entry that leaves no value behind.
  func beside(field name: String, at position: SourcePosition) -> Place {
    Place(nil, Path(.field(name), after: path), position, below: self)
  }

  func beside(element index: Int, at position: SourcePosition) -> Place {
    Place(nil, Path(.index(index), after: path), position, below: self)
  }

  func beside(key: String, at position: SourcePosition) -> Place {
    Place(nil, Path(.key(key), after: path), position, below: self)
  }
}

extension Place {
  /// An error was found here.
  func markBroken() {
    if let location {
      location.isBroken = true
      location.markIncomplete()
    } else if let holder {
      if let step { holder.missing.insert(step) }
      holder.markIncomplete()
    }
  }

  /// A field of the message here was refused; `meant` is the field whose name was mistyped.
  func markRefusedField(meant: String?) {
    location?.markIncomplete()
    if let meant { location?.missing.insert(meant) } else { location?.hasRefusedField = true }
  }

  /// These fields are absent because of a finding that was made already.
  func markMissing(_ names: some Sequence<String>) {
    location?.missing.formUnion(names)
    location?.markIncomplete()
  }

  /// The last element that was entered left no value, so that the typed list does not have it.
  func dropLastElement() {
    guard let location else { return }
    location.elements.removeLast()
    location.droppedElements += 1
    location.isBroken = true
    location.markIncomplete()
  }

  /// What stands here is not what the file says, so that there is nothing to say about it.
  var isRefused: Bool {
    if let location { return location.isBroken }
    guard let holder else { return false }
    return holder.isBroken || holder.hasRefusedField || step.map(holder.missing.contains) ?? false
  }

  /// Something here or below is not what the file says, so that there is nothing to say about the
  /// whole.
  var isDoubtful: Bool {
    guard let location else { return isRefused }
    return location.isIncomplete || step.map { holder?.missing.contains($0) ?? false } ?? false
  }

  /// A field of the message here was refused.
  var hasRefusedField: Bool { location?.hasRefusedField ?? false }

  /// The field is absent because of a finding that was made already.
  func isMissing(_ name: String) -> Bool { location?.missing.contains(name) ?? false }
}
