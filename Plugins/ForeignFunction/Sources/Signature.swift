// The type of a C function as configuration says it: what a call takes and what it gives. See README.md for
// the grammar, SignatureParser for how it is read.

/// A number of C. The raw values are the plugin's own numbers of libffi's types (System/shim.h).
enum ScalarType: UInt8, CaseIterable, Sendable {
  case int8, uint8, int16, uint16, int32, uint32, int64, uint64, float, double

  static let names: [String: ScalarType] = [
    "int8": .int8, "uint8": .uint8, "int16": .int16, "uint16": .uint16, "int32": .int32, "uint32": .uint32,
    "int64": .int64, "uint64": .uint64, "size": .uint64, "float": .float, "double": .double,
  ]

  /// Bytes, and its alignment.
  var size: Int {
    switch self {
    case .int8, .uint8: 1
    case .int16, .uint16: 2
    case .int32, .uint32, .float: 4
    case .int64, .uint64, .double: 8
    }
  }
  var isSigned: Bool { self == .int8 || self == .int16 || self == .int32 || self == .int64 }
  var isFloating: Bool { self == .float || self == .double }
}

/// Which way what a pointer points to goes.
struct Direction: OptionSet, Sendable {
  let rawValue: UInt8
  static let into = Direction(rawValue: 1)
  static let out = Direction(rawValue: 2)
}

struct Signature: Sendable {
  static let parameterLimit = 32
  static let fieldLimit = 64
  /// Bytes of a buffer.
  static let capacityLimit = 64 << 10

  /// Where the number of an argument comes from.
  enum Source: Equatable, Sendable {
    case argument
    /// Its bits, in the width of its type.
    case constant(UInt64)
    /// How many bytes another parameter has.
    case size(of: String)
  }

  /// How much of a buffer the function has filled.
  enum Length: Equatable, Sendable {
    case whole
    case untilNUL
    /// `result`, or the name of a number that the function writes.
    case value(String)
  }

  struct Field: Equatable, Sendable {
    var name: String
    var type: ScalarType
    var source: Source
    /// In the struct.
    var offset = 0
  }

  enum Kind: Equatable, Sendable {
    case scalar(ScalarType, Source)
    case null
    /// `const char *`. Nil: an argument.
    case string(constant: String?)
    /// `const void *`. Nil: an argument.
    case bytes(constant: String?)
    case pointer(ScalarType, Direction, Source)
    case buffer(capacity: Int, Direction, Length)
    case structure([Field], size: Int, Direction)
  }

  struct Parameter: Equatable, Sendable {
    /// Empty: it has none.
    var name: String
    var kind: Kind
    /// Of its first character in the signature, from 1.
    var position: Int
  }

  enum Result: Equatable, Sendable {
    case void
    case scalar(ScalarType)
    /// `freedBy`: the function that frees it; nil: it is borrowed.
    case string(freedBy: String?)
    case pointer
  }

  var parameters: [Parameter]
  var result: Result

  /// How many arguments a call has.
  var argumentCount: Int {
    parameters.reduce(0) { $0 + $1.argumentCount }
  }
}

extension Signature.Parameter {
  var argumentCount: Int {
    switch kind {
    case .scalar(_, let source): source == .argument ? 1 : 0
    case .null: 0
    case .string(let constant), .bytes(let constant): constant == nil ? 1 : 0
    case .pointer(_, let direction, let source): direction.contains(.into) && source == .argument ? 1 : 0
    case .buffer(_, let direction, _): direction.contains(.into) ? 1 : 0
    case .structure(let fields, _, let direction):
      direction.contains(.into) ? fields.count { $0.source == .argument } : 0
    }
  }
}

/// What is wrong with a text of the configuration, and where in it.
struct GrammarError: Error, Equatable, CustomStringConvertible {
  /// From 1.
  let position: Int
  let message: String
  var description: String { "at character \(position): \(message)" }
}
