// All descriptors, and the schemas made from them as they are needed.
//
// The descriptor set is embedded as text and parsed at the first use in a process: about 60 KB.
// Schemas are classes with lazily made neighbours, so that each load has a store of its own
// and nothing mutable is shared between threads.

internal import Foundation
internal import SwiftProtobuf

final class SchemaStore {
  private static let own = DescriptorIndex(base64: embeddedDescriptorSet)
  private let index: DescriptorIndex

  /// Of our own proto files.
  init() { index = Self.own }

  /// Of a plugin's.
  init(descriptors: Google_Protobuf_FileDescriptorSet) {
    var index = DescriptorIndex()
    index.add(descriptors)
    self.index = index
  }

  /// A message or enum that a field is of and that is not here.
  var missingType: String? {
    for descriptor in index.messages.values {
      for field in descriptor.field where field.type == .message || field.type == .enum {
        let name = String(field.typeName.drop { $0 == "." })
        if field.type == .message, index.messages[name] == nil { return name }
        if field.type == .enum, index.enumerations[name] == nil { return name }
      }
    }
    return nil
  }

  private var messages: [String: MessageSchema] = [:]
  private var enumerations: [String: EnumerationSchema] = [:]
  private var categories: [String: [MessageSchema]] = [:]

  /// Nil where no proto file of ours has the message.
  func message(_ name: String) -> MessageSchema? {
    if let known = messages[name] { return known }
    guard let descriptor = index.messages[name] else { return nil }
    let schema = MessageSchema(name: name, descriptor: descriptor)
    messages[name] = schema
    return schema
  }

  /// The message behind a field, which our own proto files always define.
  func required(_ name: String) -> MessageSchema {
    guard let schema = message(name) else { preconditionFailure("no descriptor of \(name)") }
    return schema
  }

  func enumeration(_ name: String) -> EnumerationSchema {
    if let known = enumerations[name] { return known }
    guard let descriptor = index.enumerations[name] else {
      preconditionFailure("no descriptor of \(name)")
    }
    let schema = EnumerationSchema(name: name, descriptor: descriptor)
    enumerations[name] = schema
    return schema
  }

  /// Every message of a category of extensions, by name.
  func extensions(in category: String) -> [MessageSchema] {
    if let known = categories[category] { return known }
    let found = index.messages.compactMap { name, descriptor in
      descriptor.options.Martlet_message.category == category ? message(name) : nil
    }.sorted { $0.name < $1.name }
    categories[category] = found
    return found
  }

  /// Every message and enum of our own proto files, in the order of files and lines.
  var messageNames: [String] { index.messageNames }
}

/// The parsed descriptor set.
private struct DescriptorIndex: Sendable {
  var messages: [String: Google_Protobuf_DescriptorProto] = [:]
  var enumerations: [String: Google_Protobuf_EnumDescriptorProto] = [:]
  var messageNames: [String] = []

  init() {}

  init(base64: StaticString) {
    let text = Data(
      bytesNoCopy: UnsafeMutableRawPointer(mutating: base64.utf8Start),
      count: base64.utf8CodeUnitCount, deallocator: .none)
    guard let bytes = Data(base64Encoded: text),
      let set = try? Google_Protobuf_FileDescriptorSet(
        serializedBytes: bytes, extensions: Martlet_Annotations_Extensions)
    else { preconditionFailure("the embedded descriptor set is damaged; run Scripts/protos.sh") }
    add(set)
  }

  mutating func add(_ set: Google_Protobuf_FileDescriptorSet) {
    for file in set.file {
      let isOurs = file.package.hasPrefix("envoy.") || file.package.hasPrefix("martlet.")
      for message in file.messageType { add(message, prefix: file.package, isOurs: isOurs) }
      for enumeration in file.enumType {
        enumerations["\(file.package).\(enumeration.name)"] = enumeration
      }
    }
  }

  private mutating func add(
    _ message: Google_Protobuf_DescriptorProto, prefix: String, isOurs: Bool
  ) {
    let name = "\(prefix).\(message.name)"
    messages[name] = message
    if isOurs, !message.options.mapEntry { messageNames.append(name) }
    for nested in message.nestedType { add(nested, prefix: name, isOurs: isOurs) }
    for enumeration in message.enumType {
      enumerations["\(name).\(enumeration.name)"] = enumeration
    }
  }
}

/// One enum: names, numbers and the values that are refused.
final class EnumerationSchema {
  struct Value {
    var name: String
    var number: Int32
    /// Why it is refused; nil: it is not.
    var refused: String?
  }
  let name: String
  let values: [Value]

  init(name: String, descriptor: Google_Protobuf_EnumDescriptorProto) {
    self.name = name
    values = descriptor.value.map {
      let reason = $0.options.Martlet_value.refused
      return Value(name: $0.name, number: $0.number, refused: reason.isEmpty ? nil : reason)
    }
  }
}
