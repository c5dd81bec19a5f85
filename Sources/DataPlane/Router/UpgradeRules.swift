// Which protocols a client may switch to (RFC 9110 section 7.8): what a route says of one holds, or
// else what its connection manager says; what nobody names is not let through.

struct UpgradeRules {
  private let types: [(name: [UInt8], isEnabled: Bool)]

  init(_ model: [String: Bool]) {
    types = model.sorted { $0.key < $1.key }.map { (Array($0.key.utf8), $0.value) }
  }

  var isEmpty: Bool { types.isEmpty }

  /// Of CONNECT (RFC 9110 section 9.3.6). Nil: nothing is said of it.
  var allowsConnect: Bool? {
    let type: StaticString = "connect"
    return types.isEmpty ? nil : allows(ByteView(type.utf8Start, type.utf8CodeUnitCount))
  }

  /// Nil: nothing is said of it.
  func allows(_ type: ByteView) -> Bool? {
    for (name, isEnabled) in types where name.count == type.count {
      if name.withView({ type.matchesLower($0.base) }) { return isEnabled }
    }
    return nil
  }
}
