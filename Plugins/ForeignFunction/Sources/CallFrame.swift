// The memory of one call on one worker: filled with arguments, handed to libffi, read. The plugin's unsafe
// code stands here; offsets come from the signature's layout and from nowhere else.
import CForeignFunction
import Glibc
import MartletSDK

final class CallFrame {
  private var memory: UnsafeMutableRawPointer
  private var capacity = 1024
  /// Bytes of arguments, each ended by NUL.
  private var texts: UnsafeMutableRawPointer
  private var textCapacity = 1024
  private var textCount = 0
  /// Where in `texts` what a parameter points to begins (-1: it points to none), and how long it is.
  private let starts: UnsafeMutablePointer<Int>
  private let counts: UnsafeMutablePointer<Int>
  private let words: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  private static let limit = Signature.parameterLimit
  /// Of `render`.
  private(set) var output: [UInt8] = []

  init() {
    memory = .allocate(byteCount: capacity, alignment: 16)
    texts = .allocate(byteCount: textCapacity, alignment: 16)
    starts = .allocate(capacity: Self.limit)
    counts = .allocate(capacity: Self.limit)
    words = .allocate(capacity: Self.limit)
  }

  deinit {
    memory.deallocate()
    texts.deallocate()
    starts.deallocate()
    counts.deallocate()
    words.deallocate()
  }

  // MARK: Filling

  func begin(_ function: ForeignFunction) {
    function.plan.image.withBytes { image in
      if image.count > capacity {
        memory.deallocate()
        capacity = image.count
        memory = .allocate(byteCount: capacity, alignment: 16)
      }
      image.span.withUnsafeBytes { memory.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    }
    textCount = 0
    for index in 0..<function.plan.parameterCount {
      starts[index] = -1
      counts[index] = 0
    }
  }

  /// False: this is no such number, or does not fit.
  func fill(_ target: FrameLayout.Target, _ value: BytesView) -> Bool {
    value.span.withUnsafeBytes { bytes in
      switch target {
      case .number(let offset, let type):
        guard let bits = type.bits(bytes.bindMemory(to: UInt8.self)) else { return false }
        fill(bits, at: offset, type)
      case .address(let parameter, let isString):
        if isString, Self.hasNUL(bytes) { return false }
        starts[parameter] = keep(bytes)
        counts[parameter] = bytes.count
      case .buffer(let offset, let capacity, let isString):
        if bytes.count > capacity || (isString && (bytes.count == capacity || Self.hasNUL(bytes))) {
          return false
        }
        if let base = bytes.baseAddress { (memory + offset).copyMemory(from: base, byteCount: bytes.count) }
      }
      return true
    }
  }

  /// A number whose bits are known.
  func fill(_ bits: UInt64, at offset: Int, _ type: ScalarType) {
    withUnsafeBytes(of: bits.littleEndian) {
      (memory + offset).copyMemory(from: $0.baseAddress!, byteCount: type.size)
    }
  }

  private static func hasNUL(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let base = bytes.baseAddress, bytes.count > 0 else { return false }
    return memchr(base, 0, bytes.count) != nil
  }

  private func keep(_ bytes: UnsafeRawBufferPointer) -> Int {
    if textCapacity - textCount < bytes.count + 1 {
      textCapacity = max(textCapacity * 2, textCount + bytes.count + 1)
      let larger = UnsafeMutableRawPointer.allocate(byteCount: textCapacity, alignment: 16)
      larger.copyMemory(from: texts, byteCount: textCount)
      texts.deallocate()
      texts = larger
    }
    let start = textCount
    if let base = bytes.baseAddress { (texts + start).copyMemory(from: base, byteCount: bytes.count) }
    (texts + start + bytes.count).storeBytes(of: 0, as: UInt8.self)
    textCount += bytes.count + 1
    return start
  }

  // MARK: The call

  /// False: the size of an argument does not fit into the number that is to say it.
  func call(_ function: ForeignFunction) -> Bool {
    guard fillSizes(function.plan.sizes) else { return false }
    point(function.plan.pointers)
    for index in 0..<function.plan.parameterCount {
      if starts[index] >= 0 { point(index, texts + starts[index]) }
      words[index] = memory + FrameLayout.word(index)
    }
    point(function.plan.constants)
    martlet_ffi_call(function.interface, function.symbol, memory, words)
    return true
  }

  private func fillSizes(_ sizes: borrowing FrozenList<FrameLayout.Size>) -> Bool {
    let span = sizes.span
    for index in 0..<span.count {
      let size = span[index]
      let count = UInt64(counts[size.of])
      let limit = UInt64.max >> UInt64(64 - size.type.size * 8 + (size.type.isSigned ? 1 : 0))
      guard count <= limit else { return false }
      fill(count, at: size.offset, size.type)
    }
    return true
  }

  private func point(_ pointers: borrowing FrozenList<FrameLayout.Pointer>) {
    let span = pointers.span
    for index in 0..<span.count { point(span[index].parameter, memory + span[index].offset) }
  }

  private func point(_ constants: borrowing FrozenList<CallPlan.Constant>) {
    let span = constants.span
    for index in 0..<span.count { point(span[index].parameter, span[index].text) }
  }

  private func point(_ parameter: Int, _ address: UnsafeRawPointer) {
    (memory + FrameLayout.word(parameter)).storeBytes(of: address, as: UnsafeRawPointer.self)
  }

  /// Nothing more is read.
  func finish(_ function: ForeignFunction) {
    if let free = function.free, let result { martlet_ffi_free(free, result) }
  }

  // MARK: Reading

  private var result: UnsafeMutableRawPointer? { memory.load(as: UnsafeMutableRawPointer?.self) }

  /// Whether a result that is a pointer is NULL.
  var resultIsNull: Bool { result == nil }

  func number(at offset: Int, _ type: ScalarType) -> ForeignNumber {
    var bits: UInt64 = 0
    withUnsafeMutableBytes(of: &bits) {
      $0.baseAddress!.copyMemory(from: memory + offset, byteCount: type.size)
    }
    bits = UInt64(littleEndian: bits)
    switch type {
    case .double: return .floating(Double(bitPattern: bits))
    case .float: return .floating(Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits))))
    default:
      if !type.isSigned { return .whole(Int128(bits)) }
      let shift = UInt64(64 - type.size * 8)
      return .whole(Int128(Int64(bitPattern: bits << shift) >> Int64(shift)))
    }
  }

  /// Calls `body` with the bytes of a buffer or string. Nil, and no call: there are none.
  func withBytes<Result>(_ value: ForeignValue, _ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
    switch value {
    case .number, .resultPointer: return nil
    case .resultString:
      guard let result else { return nil }
      return body(
        UnsafeRawBufferPointer(start: result, count: strlen(result.assumingMemoryBound(to: CChar.self))))
    case .buffer(let offset, let capacity, let length):
      let base = memory + offset
      var count = capacity
      switch length {
      case .whole: break
      case .untilNUL: count = strnlen(base.assumingMemoryBound(to: CChar.self), capacity)
      case .number(let place, let type):
        guard case .whole(let number) = number(at: place, type), number >= 0, number <= Int128(capacity)
        else {
          return nil
        }
        count = Int(number)
      }
      return body(UnsafeRawBufferPointer(start: base, count: count))
    }
  }

  /// Writes a value to `output`. False: there is none.
  func render(_ value: ForeignValue, _ encoding: Martlet_ForeignFunction_V1_Encoding) -> Bool {
    output.removeAll(keepingCapacity: true)
    if case .number(let offset, let type) = value {
      output.append(contentsOf: number(at: offset, type).text.utf8)
      return true
    }
    return withBytes(value) { encoding.append($0, to: &output) } != nil
  }
}

/// A number that a function has given.
enum ForeignNumber: Equatable {
  case whole(Int128)
  case floating(Double)

  var text: String {
    switch self {
    case .whole(let number): String(number)
    case .floating(let number): String(number)
    }
  }
}

/// The frames of a worker: one for each call that another is made in, in a format of its argument.
final class FrameStack {
  private var frames: [CallFrame] = []
  private var depth = 0

  func take() -> CallFrame {
    if depth == frames.count { frames.append(CallFrame()) }
    depth += 1
    return frames[depth - 1]
  }

  func giveBack() { depth -= 1 }
}
