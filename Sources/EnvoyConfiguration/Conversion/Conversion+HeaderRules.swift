// Header rules: fields to add and to remove.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func headerMutations(
    add: [Envoy_Config_Core_V3_HeaderValueOption], remove: [String], at place: Place, _ prefix: String
  ) -> HeaderMutations {
    var result = HeaderMutations()
    result.add = headerAdditions(add, at: place.field(prefix + "_headers_to_add"))
    for (index, text) in remove.enumerated() {
      let name = text.lowercased()
      if name.isEmpty { continue }
      if Self.isProtected(name) {
        error(
          "the host and the parts of the start line cannot be removed",
          at: place.field(prefix + "_headers_to_remove").element(index))
      } else {
        result.remove.append(name)
      }
    }
    return result
  }

  func headerAdditions(
    _ options: [Envoy_Config_Core_V3_HeaderValueOption], at place: Place
  ) -> [HeaderAddition] {
    options.enumerated().compactMap { headerAddition($1, at: place.element($0)) }
  }

  /// One after the other.
  func headerChanges(
    _ messages: [Envoy_Config_Common_MutationRules_V3_HeaderMutation], at place: Place
  ) -> [HeaderChange] {
    messages.enumerated().compactMap { index, message in
      let changePlace = place.element(index)
      switch message.action {
      case .remove(let text)?:
        let name = text.lowercased()
        if name.isEmpty || Self.isProtected(name) {
          error(
            "expected a name; the host and the parts of the start line cannot be removed",
            at: changePlace.field("remove"))
          return nil
        }
        return .remove(name)
      case .append(let option)?:
        return headerAddition(option, at: changePlace.field("append")).map { .add($0) }
      case .removeOnMatch(let match)?:
        return stringMatcher(
          match.keyMatcher, at: changePlace.field("remove_on_match").field("key_matcher")
        ).map { .removeMatching($0) }
      case nil: return nil  // required by the proto file
      }
    }
  }

  private static func isProtected(_ name: String) -> Bool { name.hasPrefix(":") || name == "host" }

  /// Fields that say how the body is framed: a second one would let two readers disagree.
  private static let framing: Set<String> = ["content-length", "transfer-encoding"]

  private func headerAddition(
    _ option: Envoy_Config_Core_V3_HeaderValueOption, at place: Place
  ) -> HeaderAddition? {
    let name = option.header.key.lowercased()
    let headerPlace = place.field("header")
    if Self.isProtected(name) {
      error(
        "the host and the parts of the start line cannot be changed here; use the route's rewrites",
        at: headerPlace.field("key"))
      return nil
    }
    if Self.framing.contains(name) {
      error("the framing of a body is the proxy's own", at: headerPlace.field("key"))
      return nil
    }
    guard let value = textFormat(option.header.value, at: headerPlace.field("value")) else { return nil }
    var addition = HeaderAddition(name: name, value: value)
    // In a header what has no value is left out.
    addition.value.omitEmptyValues = true
    addition.keepEmptyValue = option.keepEmptyValue
    addition.action =
      switch option.appendAction {
      case .addIfAbsent: .addIfAbsent
      case .overwriteIfExistsOrAdd: .overwriteIfExistsOrAdd
      case .overwriteIfExists: .overwriteIfExists
      default: .appendIfExistsOrAdd
      }
    if option.hasAppend {
      if option.appendAction != .appendIfExistsOrAdd {
        error("`append` and `append_action` say two things; use `append_action`", at: place.field("append"))
      }
      if !option.append.value { addition.action = .overwriteIfExistsOrAdd }
    }
    return addition
  }
}
