// A C function as a configuration names it, ready to be called on any worker.
import CForeignFunction
import MartletSDK

final class ForeignFunction: Sendable {
  let name: String
  let signature: Signature
  let layout: FrameLayout
  /// When a call has succeeded. Nil: always.
  let success: Comparison?
  /// What %FFI% writes. Nil: it has nothing to say.
  let value: ForeignValue?
  let encoding: Martlet_ForeignFunction_V1_Encoding
  nonisolated(unsafe) let symbol: UnsafeMutableRawPointer
  /// What frees a string result.
  nonisolated(unsafe) let free: UnsafeMutableRawPointer?
  nonisolated(unsafe) let interface: UnsafeMutablePointer<martlet_ffi_interface>
  let plan: CallPlan

  /// Throws where something of it is wrong, at its field below `path`.
  init(_ message: Martlet_ForeignFunction_V1_Function, at path: String) throws {
    let signature: Signature
    do throws(GrammarError) {
      signature = try SignatureParser.parse(message.signature)
    } catch {
      throw ConfigurationError(error.description, at: "\(path).signature")
    }
    let layout = FrameLayout(signature)
    let symbol: UnsafeMutableRawPointer
    var free: UnsafeMutableRawPointer?
    do throws(ForeignLibraryError) {
      symbol = try ForeignLibrary.symbol(
        message.symbol.isEmpty ? message.name : message.symbol, of: message.library)
      if case .string(let freedBy?) = signature.result {
        free = try ForeignLibrary.symbol(freedBy, of: message.library, field: .signature)
      }
    } catch {
      throw ConfigurationError(error.message, at: "\(path).\(error.field.rawValue)")
    }
    success = try Comparison.make(message.success, layout, signature, at: "\(path).success")
    value = try Self.value(message, layout, signature, at: "\(path).value")
    guard let interface = Self.prepare(layout, signature) else {
      throw ConfigurationError("libffi cannot call a function of this type", at: "\(path).signature")
    }
    name = message.name
    encoding = message.encoding
    self.signature = signature
    self.layout = layout
    self.symbol = symbol
    self.free = free
    self.interface = interface
    plan = CallPlan(layout)
  }

  deinit { martlet_ffi_release(interface) }

  private static func prepare(
    _ layout: FrameLayout, _ signature: Signature
  ) -> UnsafeMutablePointer<martlet_ffi_interface>? {
    let result: UInt8 =
      switch signature.result {
      case .void: UInt8(MARTLET_FFI_VOID)
      case .scalar(let type): type.rawValue
      case .string, .pointer: UInt8(MARTLET_FFI_POINTER)
      }
    return martlet_ffi_prepare(result, layout.kinds, UInt32(layout.kinds.count))
  }

  private static func value(
    _ message: Martlet_ForeignFunction_V1_Function, _ layout: FrameLayout, _ signature: Signature,
    at path: String
  ) throws -> ForeignValue? {
    if !message.value.isEmpty { return try Self.value(message.value, layout, signature, at: path) }
    for name in layout.valueNames(signature) {
      if let value = layout.value(name, signature), value != .resultPointer { return value }
    }
    return nil
  }

  /// A value that can be shown.
  static func value(
    _ name: String, _ layout: FrameLayout, _ signature: Signature, at path: String
  ) throws -> ForeignValue {
    guard let value = layout.value(name, signature) else {
      let names = layout.valueNames(signature).map { "`\($0)`" }.joined(separator: ", ")
      throw ConfigurationError(
        "the function has no value `\(name)`" + (names.isEmpty ? "" : "; it has \(names)"), at: path)
    }
    if value == .resultPointer {
      throw ConfigurationError("a pointer can be compared with null and nothing else", at: path)
    }
    return value
  }
}
