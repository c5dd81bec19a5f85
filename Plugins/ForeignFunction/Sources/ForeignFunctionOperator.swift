// %FFI(name, arg, ...)%: the value of a C function in header rules, local replies and access logs.
import MartletSDK

/// What %FFI% calls.
struct FunctionsMessage: ConfigurationMessage {
  static var typeNames: [String] { [Martlet_ForeignFunction_V1_Functions.protoMessageName] }
  let message: Martlet_ForeignFunction_V1_Functions

  init(configuration given: GivenConfiguration) throws {
    message = try Martlet_ForeignFunction_V1_Functions(serializedBytes: given.bytes)
  }
}

final class OperatorSettings: FilterSettings {
  let functions: FunctionTable
  let counters: CallCounters

  init(_ given: FunctionsMessage, _ scope: inout ConfigurationScope) throws {
    functions = FunctionTable(given.message.functions, &scope)
    counters = try CallCounters(&scope, relative: false)
  }
}

final class OperatorWorker: FilterWorker {
  let frames = FrameStack()
  init(_ worker: inout WorkerScope, _ settings: OperatorSettings) {}
}

final class ForeignFunctionOperator: FormatOperator {
  typealias Settings = OperatorSettings
  typealias Shared = OperatorWorker
  static let name = "martlet.formatters.foreign_function"
  static let descriptors = Descriptors(base64: embeddedDescriptors)
  static let operators = ["FFI"]

  private let call: PreparedCall
  private let result: ForeignValue
  private let counters: CallCounters
  let kind: OperatorValueKind

  init(
    _ name: String, argument: String?, _ settings: OperatorSettings, _ scope: inout ConfigurationScope
  ) throws {
    let parts: [String]
    do throws(GrammarError) {
      parts = try ArgumentList.split(argument ?? "")
    } catch {
      throw ConfigurationError(error.description, at: "argument")
    }
    guard let first = parts.first, !first.isEmpty else {
      throw ConfigurationError("expected the name of a function in parentheses: %FFI(name, ...)%")
    }
    let function = try settings.functions.find(first, at: "")
    guard let value = function.value else {
      throw ConfigurationError("\(first) gives nothing that could be written")
    }
    result = value
    counters = settings.counters
    if case .number = value { kind = .number } else { kind = .text }
    call = try PreparedCall(function, Array(parts.dropFirst()), &scope) { index in
      index < 0 ? "" : "argument \(index + 1) of \(first)"
    }
  }

  func value(
    _ stream: borrowing FormatStream, _ worker: OperatorWorker, to value: inout OperatorValue
  ) -> Bool {
    let frame = worker.frames.take()
    defer { worker.frames.giveBack() }
    var isThere = false
    _ = call.run(frame, stream, counters) {
      isThere = $0.render(result, call.function.encoding)
    }
    if isThere { value.append(frame.output) }
    return isThere
  }
}
