// What is known about one field: number, type, names, rules.

internal import SwiftProtobuf

final class FieldSchema {
  enum Kind: Equatable {
    case string
    case bytes
    case bool
    case int32
    case int64
    case uint32
    case uint64
    case double
    case float
    case enumeration(String)
    case message(String)
  }

  let name: String
  let jsonName: String
  let number: Int
  let kind: Kind
  let isRepeated: Bool
  let isDeprecated: Bool
  /// The index of the oneof in its message.
  let oneof: Int?
  let rules: Martlet_FieldRules

  init(_ descriptor: Google_Protobuf_FieldDescriptorProto) {
    name = descriptor.name
    jsonName = descriptor.hasJsonName ? descriptor.jsonName : Self.camelCase(descriptor.name)
    number = Int(descriptor.number)
    isRepeated = descriptor.label == .repeated
    isDeprecated = descriptor.options.deprecated
    oneof =
      descriptor.hasOneofIndex && !descriptor.proto3Optional ? Int(descriptor.oneofIndex) : nil
    rules = descriptor.options.Martlet_field
    kind = Self.kind(of: descriptor)
  }

  private static func kind(of descriptor: Google_Protobuf_FieldDescriptorProto) -> Kind {
    // Type names stand with a leading dot in a descriptor.
    let typeName = String(descriptor.typeName.drop { $0 == "." })
    switch descriptor.type {
    case .string: return .string
    case .bytes: return .bytes
    case .bool: return .bool
    case .int32: return .int32
    case .int64: return .int64
    case .uint32: return .uint32
    case .uint64: return .uint64
    case .double: return .double
    case .float: return .float
    case .enum: return .enumeration(typeName)
    case .message: return .message(typeName)
    case .group, .fixed32, .fixed64, .sfixed32, .sfixed64, .sint32, .sint64:
      // Envoy's configuration has none of these; Tests/Conformance checks our files for it.
      preconditionFailure("field type \(descriptor.type) of \(descriptor.name) is not in use")
    }
  }

  /// The lowerCamel name of the protobuf JSON mapping.
  static func camelCase(_ name: String) -> String {
    // Field names are ASCII; by bytes, because this runs for every name of every message met.
    var result: [UInt8] = []
    result.reserveCapacity(name.utf8.count)
    var upper = false
    for byte in name.utf8 {
      if byte == UInt8(ascii: "_") {
        upper = true
      } else {
        result.append(upper && byte >= 0x61 && byte <= 0x7a ? byte - 32 : byte)
        upper = false
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// The wrapped kind of `google.protobuf.UInt32Value` and its like.
  var wrapped: Kind? {
    guard case .message(let name) = kind else { return nil }
    switch name {
    case "google.protobuf.BoolValue": return .bool
    case "google.protobuf.UInt32Value": return .uint32
    case "google.protobuf.UInt64Value": return .uint64
    case "google.protobuf.Int32Value": return .int32
    case "google.protobuf.Int64Value": return .int64
    case "google.protobuf.DoubleValue": return .double
    case "google.protobuf.FloatValue": return .float
    case "google.protobuf.StringValue": return .string
    case "google.protobuf.BytesValue": return .bytes
    default: return nil
    }
  }
}
