// A matcher of filter state, compiled.
import Model

final class FilterStateMatcherRuntime {
  private let key: MetadataPath
  private let text: TextMatcher

  init(_ model: FilterStateMatcher) {
    key = MetadataPath([model.key])
    text = TextMatcher(model.text)
  }

  /// An object with fields is compared as JSON.
  func matches(_ stored: StoredView, _ scratch: TextBuffer) -> Bool {
    guard let place = stored.filterState(key) else { return false }
    if place.tree.kind(of: place.node) == .text { return text.matches(place.tree.text(of: place.node)) }
    let start = scratch.count
    place.tree.writeJSON(place.node, to: scratch)
    defer { scratch.truncate(to: start) }
    return text.matches(scratch.view(from: start))
  }
}
