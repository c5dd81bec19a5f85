// What a plugin has said of itself, as bytes that another process can read: lengths in decimal digits, each
// behind a colon, then the bytes. Written and read by this program alone; what cannot be read is nothing.
import Model

struct PluginDescription: Equatable {
  struct Filter: Equatable {
    var kind: FilterKind
    var isTerminal: Bool
    var name: String
    var types: [String]
    var routeTypes: [String]
    /// Of a formatter.
    var operators: [String] = []
    var descriptors: [UInt8]
  }
  var id: String
  var version: String
  var hash: String
  var filters: [Filter]

  var bytes: [UInt8] {
    var out: [UInt8] = []
    func add(_ value: some Collection<UInt8>) {
      out += "\(value.count):".utf8
      out += value
    }
    func add(_ list: [String]) {
      add("\(list.count)".utf8)
      for text in list { add(text.utf8) }
    }
    add([id, version, hash])
    add("\(filters.count)".utf8)
    for filter in filters {
      add([filter.kind.rawValue, filter.isTerminal ? "terminal" : "", filter.name])
      add(filter.types)
      add(filter.routeTypes)
      add(filter.operators)
      add(filter.descriptors)
    }
    return out
  }
}

extension PluginDescription {
  /// Nil: these are not the bytes of one.
  init?(_ bytes: [UInt8]) {
    var rest = bytes[...]
    func field() -> [UInt8]? {
      guard let colon = rest.firstIndex(of: UInt8(ascii: ":")),
        let count = Int(String(decoding: rest[..<colon], as: UTF8.self)), count >= 0,
        count <= rest.endIndex - colon - 1
      else { return nil }
      let end = colon + 1 + count
      defer { rest = rest[end...] }
      return Array(rest[(colon + 1)..<end])
    }
    func number() -> Int? {
      guard let text = field(), let value = Int(String(decoding: text, as: UTF8.self)) else { return nil }
      return (0...100_000).contains(value) ? value : nil
    }
    func list() -> [String]? {
      guard let count = number() else { return nil }
      var texts: [String] = []
      for _ in 0..<count {
        guard let text = field() else { return nil }
        texts.append(String(decoding: text, as: UTF8.self))
      }
      return texts
    }
    guard let own = list(), own.count == 3, let count = number() else { return nil }
    var filters: [Filter] = []
    for _ in 0..<count {
      guard let facts = list(), facts.count == 3, let kind = FilterKind(rawValue: facts[0]),
        let types = list(), let routeTypes = list(), let operators = list(), let descriptors = field()
      else { return nil }
      filters.append(
        Filter(
          kind: kind, isTerminal: !facts[1].isEmpty, name: facts[2], types: types,
          routeTypes: routeTypes, operators: operators, descriptors: descriptors))
    }
    guard rest.isEmpty else { return nil }
    self.init(id: own[0], version: own[1], hash: own[2], filters: filters)
  }
}
