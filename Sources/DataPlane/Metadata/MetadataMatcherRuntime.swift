// Matchers of metadata, compiled.
import Model

final class MetadataMatcherRuntime {
  private let path: MetadataPath
  private let value: ValueMatcherRuntime
  private let invert: Bool

  init(_ model: MetadataMatcher) {
    path = MetadataPath([model.namespace] + model.path)
    value = ValueMatcherRuntime(model.value)
    invert = model.invert
  }

  func matches(_ tree: MetadataTree?) -> Bool { matches(tree.flatMap { path.find(in: $0) }) }

  func matches(_ place: MetadataPlace?) -> Bool { value.matches(place) != invert }

  func find(in tree: MetadataTree?) -> MetadataPlace? { tree.flatMap { path.find(in: $0) } }
}

final class ValueMatcherRuntime {
  private enum Kind {
    case null
    case number(Double)
    case range(Double, Double)
    case text(TextMatcher)
    case bool(Bool)
    case present(Bool)
    case element(ValueMatcherRuntime)
    case any([ValueMatcherRuntime])
  }
  private let kind: Kind

  init(_ model: ValueMatcher) {
    switch model {
    case .null: kind = .null
    case .number(let number): kind = .number(number)
    case .range(let lower, let upper): kind = .range(lower, upper)
    case .string(let matcher): kind = .text(TextMatcher(matcher))
    case .bool(let flag): kind = .bool(flag)
    case .present(let wanted): kind = .present(wanted)
    case .element(let matcher): kind = .element(ValueMatcherRuntime(matcher))
    case .any(let matchers): kind = .any(matchers.map { ValueMatcherRuntime($0) })
    }
  }

  /// Nil: there is no value.
  func matches(_ place: MetadataPlace?) -> Bool {
    switch kind {
    case .present(let wanted):
      guard wanted, let place else { return false }
      let found = place.tree.kind(of: place.node)
      return found != .list && found != .object
    case .any(let matchers):
      for matcher in matchers where matcher.matches(place) { return true }
      return false
    default: return place.map { matches($0.tree, $0.node) } ?? false
    }
  }

  private func matches(_ tree: MetadataTree, _ node: MetadataTree.NodeID) -> Bool {
    let found = tree.kind(of: node)
    switch kind {
    case .null: return found == .null
    case .number(let number): return found == .number && tree.number(of: node) == number
    case .range(let lower, let upper):
      return found == .number && tree.number(of: node) >= lower && tree.number(of: node) < upper
    case .text(let matcher): return found == .text && matcher.matches(tree.text(of: node))
    case .bool(let flag): return found == .bool && tree.flag(of: node) == flag
    case .element(let matcher):
      guard found == .list else { return false }
      var element = tree.first(in: node)
      while element >= 0 {
        if matcher.matches(MetadataPlace(tree: tree, node: element)) { return true }
        element = tree.next(after: element)
      }
      return false
    case .present, .any: return matches(MetadataPlace(tree: tree, node: node))
    }
  }
}
