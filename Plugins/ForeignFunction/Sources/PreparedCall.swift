// A function with its arguments: constants that are converted already, and formats that are written for each
// call.
import MartletSDK

/// What became of a call.
enum CallOutcome {
  case succeeded
  /// An argument does not convert; the function was not called.
  case unconverted
  /// `success` of the function does not hold.
  case failed
}

/// What is counted of calls.
struct CallCounters: Sendable {
  let calls: Counter
  let unconverted: Counter
  let failures: Counter

  /// `relative`: below the connection manager's prefix.
  init(_ scope: inout ConfigurationScope, relative: Bool) throws {
    calls = try scope.counter("foreign_function.calls", relative: relative)
    unconverted = try scope.counter("foreign_function.unconverted", relative: relative)
    failures = try scope.counter("foreign_function.failures", relative: relative)
  }
}

// Not private: a debug build by Swift 6.3.1 fails then (its linkage is wrong).
struct CallArgument: ~Copyable, Sendable {
  let target: FrameLayout.Target
  /// Nil: it is a constant.
  let format: Format?
  let literal: FrozenBytes
  /// Of a constant number.
  let bits: UInt64

  init(
    _ text: String, _ target: FrameLayout.Target, _ scope: inout ConfigurationScope, at path: String
  ) throws {
    let isFormat = text.utf8.contains(UInt8(ascii: "%"))
    let format = isFormat ? try scope.format(text, at: path) : nil
    var bits: UInt64 = 0
    if !isFormat {
      guard let converted = Self.convert(text, target) else {
        throw ConfigurationError("\"\(text)\" is no \(Self.describe(target))", at: path)
      }
      bits = converted
    }
    self.target = target
    self.format = format
    self.bits = bits
    literal = FrozenBytes(isFormat ? "" : text)
  }

  private static func convert(_ text: String, _ target: FrameLayout.Target) -> UInt64? {
    let hasNUL = text.utf8.contains(0)
    switch target {
    case .number(_, let type): return type.bits(text)
    case .address(_, let isString): return isString && hasNUL ? nil : 0
    case .buffer(_, let capacity, let isString):
      return text.utf8.count + (isString ? 1 : 0) > capacity || isString && hasNUL ? nil : 0
    }
  }

  private static func describe(_ target: FrameLayout.Target) -> String {
    switch target {
    case .number(_, let type): "\(type)"
    case .address(_, let isString): isString ? "C string" : "bytes"
    case .buffer(_, let capacity, let isString):
      "\(isString ? "C string" : "text") for a buffer of \(capacity) bytes"
    }
  }

  borrowing func fill(
    _ frame: CallFrame, _ stream: borrowing some StreamScope & ~Copyable & ~Escapable
  ) -> Bool {
    if let format { return frame.fill(target, stream.text(of: format)) }
    if case .number(let offset, let type) = target {
      frame.fill(bits, at: offset, type)
      return true
    }
    return frame.fill(target, literal.view)
  }
}

struct PreparedCall: ~Copyable, Sendable {
  let function: ForeignFunction
  private let arguments: FrozenList<CallArgument>

  /// `path(index)` names an argument in the configuration.
  init(
    _ function: ForeignFunction, _ texts: [String], _ scope: inout ConfigurationScope,
    at path: (Int) -> String
  ) throws {
    let targets = function.layout.targets
    guard texts.count == targets.count else {
      throw ConfigurationError(
        "\(function.name) takes \(targets.count) arguments, found \(texts.count)", at: path(-1))
    }
    let made = try FrozenList(count: texts.count) {
      try CallArgument(texts[$0], targets[$0], &scope, at: path($0))
    }
    self.function = function
    arguments = made
  }

  /// Calls the function, and `body` with the frame where the call succeeds. The frame is whoever calls it's
  /// own: a format of an argument may make calls of its own.
  borrowing func run(
    _ frame: CallFrame, _ stream: borrowing some StreamScope & ~Copyable & ~Escapable,
    _ counters: CallCounters, _ body: (CallFrame) -> Void
  ) -> CallOutcome {
    frame.begin(function)
    let span = arguments.span
    for index in 0..<span.count where !span[index].fill(frame, stream) {
      stream.add(to: counters.unconverted)
      return .unconverted
    }
    guard frame.call(function) else {
      stream.add(to: counters.unconverted)
      return .unconverted
    }
    defer { frame.finish(function) }
    stream.add(to: counters.calls)
    if let success = function.success, !success.holds(frame) {
      stream.add(to: counters.failures)
      return .failed
    }
    body(frame)
    return .succeeded
  }
}
