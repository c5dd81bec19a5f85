// Header rules: fields that are added to a head and removed from it
// (`request_headers_to_add`, `response_headers_to_remove` and their like).

public struct HeaderMutations: Hashable, Sendable {
  /// Lower case. Removed before anything is added.
  public var remove: [String] = []
  public var add: [HeaderAddition] = []
  public init() {}
  public var isEmpty: Bool { remove.isEmpty && add.isEmpty }
}

/// `config.core.v3.HeaderValueOption`.
public struct HeaderAddition: Hashable, Sendable {
  public enum Action: Hashable, Sendable {
    case appendIfExistsOrAdd, addIfAbsent, overwriteIfExistsOrAdd, overwriteIfExists
  }
  /// Lower case.
  public var name: String
  public var value: FormatString
  public var action = Action.appendIfExistsOrAdd
  /// Add the field even where its value comes out empty.
  public var keepEmptyValue = false
  public init(name: String, value: FormatString) {
    self.name = name
    self.value = value
  }
}

/// `config.common.mutation_rules.v3.HeaderMutation`: one of several changes, made one after the other.
public enum HeaderChange: Hashable, Sendable {
  /// Lower case.
  case remove(String)
  /// By the name, which is in lower case.
  case removeMatching(StringMatcher)
  case add(HeaderAddition)
}

/// Rules for both directions, of one level of a route table.
public struct HeaderRuleSet: Hashable, Sendable {
  public var request = HeaderMutations()
  public var response = HeaderMutations()
  public init() {}
}
