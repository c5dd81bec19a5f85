// What is known about one message: its fields by every name a file may use, the fields that
// are refused, and the rules from martlet/annotations.proto. Made from a descriptor when a walk
// first meets the message, and read by the walk, the presence check and the printed table.

internal import SwiftProtobuf

final class MessageSchema {
  /// The full name, as `envoy.config.listener.v3.Listener`.
  let name: String
  /// In the order of the proto file.
  let fields: [FieldSchema]
  let oneofs: [Oneof]
  /// The extension category, or empty.
  let category: String
  /// The usual name of the extension in its category, or empty.
  let extensionName: String
  let isMapEntry: Bool
  private let fieldsByName: [String: FieldSchema]
  private let refusedByName: [String: RefusedField]
  /// In the order of the proto file.
  let refused: [RefusedField]

  struct Oneof {
    var name: String
    var isRequired: Bool
    var fields: [FieldSchema]
  }

  struct RefusedField {
    var name: String
    var number: Int32
    var because: String
    /// Values that say nothing here.
    var accepts: [String]
  }

  init(name: String, descriptor: Google_Protobuf_DescriptorProto) {
    self.name = name
    let rules = descriptor.options.Martlet_message
    category = rules.category
    extensionName = rules.name
    isMapEntry = descriptor.options.mapEntry
    let fields = descriptor.field.map(FieldSchema.init)
    self.fields = fields
    oneofs = descriptor.oneofDecl.enumerated().map { index, oneof in
      Oneof(
        name: oneof.name, isRequired: oneof.options.Martlet_oneof.required,
        fields: fields.filter { $0.oneof == index })
    }
    refused = rules.refused.flatMap { group in
      group.field.map {
        RefusedField(
          name: $0.name, number: $0.number, because: group.because,
          accepts: $0.accepts.split(separator: " ").map(String.init))
      }
    }
    var byName: [String: FieldSchema] = [:]
    for field in fields {
      byName[field.name] = field
      byName[field.jsonName] = field
    }
    fieldsByName = byName
    var refusedByName: [String: RefusedField] = [:]
    for field in refused {
      refusedByName[field.name] = field
      refusedByName[FieldSchema.camelCase(field.name)] = field
    }
    self.refusedByName = refusedByName
  }

  /// By its proto name or its lowerCamel JSON name.
  func field(named name: String) -> FieldSchema? { fieldsByName[name] }

  func refusedField(named name: String) -> RefusedField? { refusedByName[name] }

  /// Every name a file may use here, for suggestions.
  var knownNames: [String] { fields.map(\.name) + refused.map(\.name) }

  /// The last part of the name.
  var shortName: Substring { name.split(separator: ".").last ?? "" }
}
