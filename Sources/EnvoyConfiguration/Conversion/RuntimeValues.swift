// Runtime values from the bootstrap's static layers. Nothing changes them later in this version,
// so they are constants of the configuration. Keys that nothing asks for are reported: a key
// with a typing error must not be lost silently.

internal import SwiftProtobuf

struct RuntimeValues {
  private struct Entry {
    var value: Google_Protobuf_Value
    var place: Place
  }
  private var entries: [String: Entry] = [:]
  private var used: Set<String> = []

  /// Adds a layer over those added before. Nested mappings join their keys with dots.
  mutating func add(_ layer: Google_Protobuf_Struct, at place: Place, prefix: String = "") {
    for (key, value) in layer.fields {
      let name = prefix.isEmpty ? key : "\(prefix).\(key)"
      if case .structValue(let nested)? = value.kind {
        add(nested, at: place.key(key), prefix: name)
      } else {
        entries[name] = Entry(value: value, place: place.key(key))
      }
    }
  }

  /// A whole number of 0 or more. The place is nil where the key is absent.
  mutating func number(_ key: String) -> (value: UInt64?, place: Place)? {
    used.insert(key)
    guard let entry = entries[key] else { return nil }
    switch entry.value.kind {
    case .numberValue(let number)?
    where number >= 0 && number == number.rounded() && number < 0x1p63:
      return (UInt64(number), entry.place)
    case .stringValue(let text)?: return (UInt64(text), entry.place)
    default: return (nil, entry.place)
    }
  }

  /// A number of any kind.
  mutating func decimal(_ key: String) -> (value: Double?, place: Place)? {
    used.insert(key)
    guard let entry = entries[key] else { return nil }
    switch entry.value.kind {
    case .numberValue(let number)?: return (number, entry.place)
    case .stringValue(let text)?: return (Double(text), entry.place)
    default: return (nil, entry.place)
    }
  }

  mutating func boolean(_ key: String) -> (value: Bool?, place: Place)? {
    used.insert(key)
    guard let entry = entries[key] else { return nil }
    switch entry.value.kind {
    case .boolValue(let value)?: return (value, entry.place)
    case .numberValue(let number)?: return (number != 0, entry.place)
    default: return (nil, entry.place)
    }
  }

  var unused: [(key: String, place: Place)] {
    entries.filter { !used.contains($0.key) }.map { ($0.key, $0.value.place) }.sorted {
      $0.0 < $1.0
    }
  }
}
