// Runtime values from the bootstrap's static layers. Keys that nothing asks for are reported: a key
// with a typing error must not be lost silently.

internal import Model
internal import SwiftProtobuf

struct RuntimeValues {
  private struct Entry {
    var value: RuntimeValue
    var place: Place
  }
  private var entries: [String: Entry] = [:]
  private var used: Set<String> = []

  /// What stands under each key.
  var values: [String: RuntimeValue] { entries.mapValues(\.value) }

  /// Adds a layer over those added before. Nested mappings join their keys with dots.
  mutating func add(_ layer: Google_Protobuf_Struct, at place: Place, prefix: String = "") {
    for (key, value) in layer.fields {
      let name = prefix.isEmpty ? key : "\(prefix).\(key)"
      if case .structValue(let nested)? = value.kind, !RuntimeValue.isShare(nested) {
        add(nested, at: place.key(key), prefix: name)
      } else {
        entries[name] = Entry(value: RuntimeValue(value), place: place.key(key))
      }
    }
  }

  /// Somebody will ask for the key while the proxy runs.
  mutating func use(_ key: String) { used.insert(key) }

  /// A whole number of 0 or more. The place is nil where the key is absent.
  mutating func number(_ key: String) -> (value: UInt64?, place: Place)? {
    used.insert(key)
    return entries[key].map { ($0.value.number, $0.place) }
  }

  /// A number of any kind.
  mutating func decimal(_ key: String) -> (value: Double?, place: Place)? {
    used.insert(key)
    return entries[key].map { (Double($0.value.text), $0.place) }
  }

  mutating func boolean(_ key: String) -> (value: Bool?, place: Place)? {
    used.insert(key)
    return entries[key].map { ($0.value.boolean ?? $0.value.number.map { $0 != 0 }, $0.place) }
  }

  var unused: [(key: String, place: Place)] {
    entries.filter { !used.contains($0.key) }.map { ($0.key, $0.value.place) }.sorted {
      $0.0 < $1.0
    }
  }
}

extension RuntimeValue {
  /// A mapping with the fields of FractionalPercent is a value and not a level of keys.
  static func isShare(_ value: Google_Protobuf_Struct) -> Bool {
    value.fields["numerator"] != nil || value.fields["denominator"] != nil
  }

  init(_ value: Google_Protobuf_Value) {
    switch value.kind {
    case .numberValue(let number)?:
      let isWhole = number >= 0 && number == number.rounded() && number < 0x1p63
      self.init(text: Self.text(number), number: isWhole ? UInt64(number) : nil)
    case .boolValue(let flag)?: self.init(text: flag ? "true" : "false", boolean: flag)
    case .stringValue(let text)?: self.init(parsing: text)
    case .structValue(let fields)?: self.init(share: fields)
    case .nullValue?, .listValue?, nil: self.init(text: "")
    }
  }

  private static func text(_ number: Double) -> String {
    number == number.rounded() && abs(number) < 0x1p63 ? "\(Int64(number))" : "\(number)"
  }

  private init(share fields: Google_Protobuf_Struct) {
    let numerator = fields.fields["numerator"]?.numberValue ?? 0
    let name = fields.fields["denominator"]?.stringValue ?? "HUNDRED"
    let denominators: [String: UInt32] = ["HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000]
    let text = "{\"numerator\":\(Self.text(numerator)),\"denominator\":\"\(name)\"}"
    guard let denominator = denominators[name], let whole = UInt32(exactly: numerator) else {
      self.init(text: text)
      return
    }
    self.init(text: text, share: RuntimeShare(numerator: whole, denominator: denominator))
  }
}
