// Where the values of a call lie in memory, worked out once for a signature:
//
//     0    the result, 16 bytes
//     16   a word for each parameter: its number, or its pointer
//     ...  what pointers of the signature point to: numbers, buffers, structs, each aligned to 8
//
// `image` is that memory before a call, with every constant in it. Pointers to constant text are in it as
// well; those to the frame itself and to arguments are set for each call.

struct FrameLayout: Sendable {
  /// Where an argument goes.
  enum Target: Sendable {
    case number(offset: Int, ScalarType)
    /// Bytes whose address is the parameter's; ended by NUL in any case.
    case address(parameter: Int, isString: Bool)
    /// Copied to where a pointer points.
    case buffer(offset: Int, capacity: Int, isString: Bool)
  }

  /// A word that points into the frame.
  struct Pointer: Sendable {
    var parameter: Int
    var offset: Int
  }

  /// A number that is the size of an argument's bytes.
  struct Size: Sendable {
    var offset: Int
    var type: ScalarType
    var of: Int
  }

  private(set) var image: [UInt8]
  /// One for each argument, in order.
  private(set) var targets: [Target] = []
  /// Parameters whose words point into the frame, and where.
  private(set) var pointers: [Pointer] = []
  private(set) var sizes: [Size] = []
  /// libffi's kinds of the parameters.
  private(set) var kinds: [UInt8] = []
  /// Text of the signature, which parameters point to: kept by whoever has the layout.
  private(set) var constants: [(parameter: Int, text: String)] = []
  /// By parameter, where what it points to lies.
  private var pointees: [Int: Int] = [:]

  static func word(_ parameter: Int) -> Int { 16 + 8 * parameter }
  private static let pointerKind: UInt8 = 10

  init(_ signature: Signature) {
    image = [UInt8](repeating: 0, count: Self.word(signature.parameters.count))
    for (index, parameter) in signature.parameters.enumerated() { add(parameter, index) }
    for (index, parameter) in signature.parameters.enumerated() {
      switch parameter.kind {
      case .scalar(let type, .size(let name)):
        addSize(of: name, at: Self.word(index), type, signature)
      case .pointer(let type, _, .size(let name)):
        addSize(of: name, at: pointees[index] ?? 0, type, signature)
      default: break
      }
    }
  }

  private mutating func add(_ parameter: Signature.Parameter, _ index: Int) {
    if case .scalar(let type, let source) = parameter.kind {
      kinds.append(type.rawValue)
      put(source, at: Self.word(index), type)
      return
    }
    kinds.append(Self.pointerKind)
    switch parameter.kind {
    case .scalar, .null: break
    case .string(let constant), .bytes(let constant):
      if let constant {
        constants.append((index, constant))
      } else {
        var isString = false
        if case .string = parameter.kind { isString = true }
        targets.append(.address(parameter: index, isString: isString))
      }
    case .pointer(let type, let direction, let source):
      let offset = reserve(8, for: index)
      if direction.contains(.into) { put(source, at: offset, type) }
    case .buffer(let capacity, let direction, let length):
      // A byte more, so that a string that fills it ends.
      let offset = reserve(capacity + 1, for: index)
      if direction.contains(.into) {
        targets.append(.buffer(offset: offset, capacity: capacity, isString: length == .untilNUL))
      }
    case .structure(let fields, let size, let direction):
      let offset = reserve(size, for: index)
      if direction.contains(.into) {
        for field in fields { put(field.source, at: offset + field.offset, field.type) }
      }
    }
  }

  private mutating func reserve(_ size: Int, for parameter: Int) -> Int {
    let offset = image.count
    image.append(contentsOf: repeatElement(0, count: (size + 7) / 8 * 8))
    pointers.append(Pointer(parameter: parameter, offset: offset))
    pointees[parameter] = offset
    return offset
  }

  private mutating func put(_ source: Signature.Source, at offset: Int, _ type: ScalarType) {
    switch source {
    case .argument: targets.append(.number(offset: offset, type))
    case .constant(let bits): write(bits, at: offset, type)
    case .size: break
    }
  }

  private mutating func write(_ bits: UInt64, at offset: Int, _ type: ScalarType) {
    for index in 0..<type.size {
      image[offset + index] = UInt8(truncatingIfNeeded: bits >> UInt64(8 * index))
    }
  }

  private mutating func addSize(of name: String, at offset: Int, _ type: ScalarType, _ signature: Signature) {
    guard let other = signature.parameters.firstIndex(where: { $0.name == name }) else { return }
    switch signature.parameters[other].kind {
    case .string(let constant?), .bytes(let constant?):
      write(UInt64(constant.utf8.count), at: offset, type)
    case .string(nil), .bytes(nil): sizes.append(Size(offset: offset, type: type, of: other))
    case .buffer(let capacity, _, _): write(UInt64(capacity), at: offset, type)
    case .structure(_, let size, _): write(UInt64(size), at: offset, type)
    case .scalar, .null, .pointer: break
    }
  }

  // MARK: What can be read

  /// A value of the function, by its name. Nil: there is none.
  func value(_ name: String, _ signature: Signature) -> ForeignValue? {
    if name == "result" {
      switch signature.result {
      case .void: return nil
      case .scalar(let type): return .number(offset: 0, type)
      case .string: return .resultString
      case .pointer: return .resultPointer
      }
    }
    let parts = name.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard let index = signature.parameters.firstIndex(where: { !$0.name.isEmpty && $0.name == parts[0] }),
      let offset = pointees[index]
    else { return nil }
    switch signature.parameters[index].kind {
    case .pointer(let type, let direction, _) where direction.contains(.out) && parts.count == 1:
      return .number(offset: offset, type)
    case .buffer(let capacity, let direction, let length) where direction.contains(.out) && parts.count == 1:
      return .buffer(offset: offset, capacity: capacity, bufferLength(length, signature))
    case .structure(let fields, _, let direction) where direction.contains(.out) && parts.count == 2:
      return fields.first { $0.name == parts[1] }.map { .number(offset: offset + $0.offset, $0.type) }
    default: return nil
    }
  }

  private func bufferLength(_ length: Signature.Length, _ signature: Signature) -> ForeignValue.Length {
    switch length {
    case .whole: return .whole
    case .untilNUL: return .untilNUL
    case .value(let name):
      // The signature was checked: it is a whole number.
      guard case .number(let offset, let type) = value(name, signature) else { return .whole }
      return .number(offset: offset, type)
    }
  }

  /// The names of all values.
  func valueNames(_ signature: Signature) -> [String] {
    var names = signature.result == .void ? [] : ["result"]
    for parameter in signature.parameters where !parameter.name.isEmpty {
      if case .structure(let fields, _, let direction) = parameter.kind, direction.contains(.out) {
        names += fields.map { "\(parameter.name).\($0.name)" }
      } else if value(parameter.name, signature) != nil {
        names.append(parameter.name)
      }
    }
    return names
  }
}

/// Something that a call has given, in its frame.
enum ForeignValue: Equatable, Sendable {
  enum Length: Equatable, Sendable {
    case whole, untilNUL
    case number(offset: Int, ScalarType)
  }
  case number(offset: Int, ScalarType)
  case buffer(offset: Int, capacity: Int, Length)
  /// May be NULL: there is none.
  case resultString
  /// Only to be compared with NULL.
  case resultPointer
}
