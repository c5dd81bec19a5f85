// From a parsed format to steps: names become numbers, text and time formats get memory that does
// not move, what is known when the configuration loads (host name, environment) becomes text.
import Glibc
import Model

/// Compiles formats of one worker, and keeps what their steps point to.
struct FormatCompiler {
  let names: HeaderNameTable
  let memory = FormatMemory()
  private(set) var needs: FormatNeeds = []

  init(names: HeaderNameTable) { self.names = names }

  mutating func compile(_ elements: [FormatElement]) -> [FormatStep] {
    elements.map { element in
      switch element {
      case .text(let text): literal(text)
      case .value(let value): compile(value)
      }
    }
  }

  func literal(_ text: String) -> FormatStep {
    var step = FormatStep(.text)
    set(text, in: &step)
    return step
  }

  private func set(_ text: String, in step: inout FormatStep) {
    let kept = memory.keep(Array(text.utf8))
    step.pointer = UnsafeRawPointer(kept.base)
    step.count = Int32(kept.count)
  }

  mutating func compile(_ value: FormatValue) -> FormatStep {
    var step = self.step(for: value.name)
    if let length = value.maxLength {
      step.limit = Int32(clamping: length)
      // Text is written without a look at the limit.
      if step.code == .text { step.count = Swift.min(step.count, step.limit) }
    }
    return step
  }

  private mutating func step(for name: FormatOperator) -> FormatStep {
    switch name {
    case .requestHeader(let main, let other): return fieldStep(.requestField, main, other)
    case .responseHeader(let main, let other): return fieldStep(.responseField, main, other)
    case .responseTrailer(let main, let other): return fieldStep(.trailerField, main, other)
    case .requestWithoutQuery(let main, let other):
      return fieldStep(.requestFieldWithoutQuery, main, other)
    case .path(let withQuery, let source):
      var step = FormatStep(.path)
      step.kind = withQuery ? 1 : 0
      let original = FormatStep.Field(kind: .header, id: .xEnvoyOriginalPath)
      let path = FormatStep.Field(kind: .path)
      switch source {
      case .original: step.field = original
      case .path: step.field = path
      case .originalOrPath:
        step.field = original
        step.alternative = path
      }
      return step
    case .queryParameter(let name):
      var step = FormatStep(.queryParameter)
      set(name, in: &step)
      return step
    case .queryParameters(let decoded): return make(.queryParameters, decoded ? 1 : 0)
    case .headerBytes(.request): return FormatStep(.requestHeadBytes)
    case .headerBytes(.response): return FormatStep(.responseHeadBytes)
    case .headerBytes(.responseTrailers): return FormatStep(.trailerBytes)
    case .grpcStatus(let style):
      return make(.grpcStatus, style == .camel ? 0 : style == .snake ? 1 : 2)
    case .time(let source, let format):
      var step = FormatStep(source == .start ? .startTime : .emitTime)
      let time = CompiledTime(format)
      memory.keep(time)
      step.pointer = UnsafeRawPointer(Unmanaged.passUnretained(time).toOpaque())
      return step
    case .duration(let from, let to, let unit):
      var step = make(.duration, FormatStep.byte(of: from), FormatStep.byte(of: to))
      step.number = unit == .milliseconds ? 1_000_000 : unit == .microseconds ? 1000 : 1
      return step
    case .totalDuration: return FormatStep(.totalDuration)
    case .coalesce(let values):
      var step = FormatStep(.coalesce)
      let steps = values.map { compile($0) }
      step.pointer = UnsafeRawPointer(memory.keep(steps))
      step.count = Int32(steps.count)
      return step
    case .metadata(let source, let namespace, let path):
      return stored(.metadata, FormatStep.byte(of: source), [namespace] + path)
    case .filterState(let key, let face):
      switch face {
      case .text: return stored(.filterState, 0, [key])
      case .typed: return stored(.filterState, 1, [key])
      case .field(let name): return stored(.filterState, 2, [key, name])
      }
    case .plugin(let binding):
      guard let made = FormatOperatorRuntime.make?(binding) else { return FormatStep(.absent) }
      memory.keep(made)
      needs.formUnion(made.needs)
      var step = make(.plugin, binding.kind == .text ? 0 : binding.kind == .number ? 1 : 2)
      step.pointer = UnsafeRawPointer(Unmanaged.passUnretained(made).toOpaque())
      return step
    case .customFlags: return literal("")
    case .hostname: return constant(HostFacts.name)
    case .environment(let variable): return constant(getenv(variable).map { String(cString: $0) })
    default: return simple(name)
    }
  }

  private mutating func simple(_ name: FormatOperator) -> FormatStep {
    switch name {
    case .bytes(let counter):
      if counter == .downstreamHeadReceived || counter == .upstreamHeadReceived {
        needs.insert(.headBytes)
      }
      return make(.bytes, FormatStep.byte(of: counter))
    case .responseCode: return FormatStep(.responseCode)
    case .responseCodeDetails(let allow): return make(.responseCodeDetails, allow ? 1 : 0)
    case .responseFlags(let long): return make(.responseFlags, long ? 1 : 0)
    case .connectionTerminationDetails: return FormatStep(.terminationDetails)
    case .upstreamTransportFailureReason: return FormatStep(.transportFailure)
    case .protocol: return FormatStep(.httpProtocol)
    case .upstreamProtocol: return FormatStep(.upstreamProtocol)
    case .address(let source, let part):
      switch source {
      case .upstreamLocal: needs.insert(.upstreamLocal)
      case .downstreamLocal, .downstreamDirectLocal: needs.insert(.downstreamLocal)
      default: break
      }
      var step = make(.address, FormatStep.byte(of: source))
      switch part {
      case .full: step.second = 0
      case .withoutPort(let prefix):
        step.second = 1
        if let prefix { step.number = Int32(prefix) }
      case .port: step.second = 2
      }
      return step
    case .upstreamHost(let part):
      let kinds: [FormatOperator.UpstreamHostPart] = [.address, .addressWithoutPort, .name, .nameWithoutPort]
      return make(.upstreamHost, UInt8(kinds.firstIndex(of: part) ?? 0))
    case .listenerName: return FormatStep(.listenerName)
    case .routeResolutions: return FormatStep(.routeResolutions)
    case .routeResolutionTime:
      needs.insert(.routeTime)
      return FormatStep(.routeResolutionTime)
    case .roundTripTime: return FormatStep(.roundTripTime)
    case .downstreamCloseType: return FormatStep(.downstreamCloseType)
    case .attempted(let part):
      needs.insert(.attempts)
      let kinds: [FormatOperator.AttemptPart] = [
        .address, .addressWithoutPort, .name, .nameWithoutPort, .connectionID,
      ]
      return make(.attempted, UInt8(kinds.firstIndex(of: part) ?? 0))
    case .upstreamCluster(let raw): return make(.upstreamCluster, raw ? 1 : 0)
    case .upstreamAttempts: return FormatStep(.upstreamAttempts)
    case .routeName: return FormatStep(.routeName)
    case .filterChainName: return FormatStep(.filterChainName)
    case .connectionID: return FormatStep(.connectionID)
    case .upstreamConnectionID: return FormatStep(.upstreamConnectionID)
    case .streamID: return FormatStep(.streamID)
    case .uniqueID: return FormatStep(.uniqueID)
    case .localReplyBody: return FormatStep(.localReplyBody)
    case .accessLogType: return FormatStep(.accessLogType)
    case .zero: return FormatStep(.zero)
    case .absent(.number): return FormatStep(.absentNumber)
    default: return FormatStep(.absent)
    }
  }

  private func stored(_ code: FormatStep.Code, _ kind: UInt8, _ path: [String]) -> FormatStep {
    var step = make(code, kind)
    let path = MetadataPath(path)
    memory.keep(path)
    step.pointer = UnsafeRawPointer(Unmanaged.passUnretained(path).toOpaque())
    return step
  }

  private func make(_ code: FormatStep.Code, _ kind: UInt8, _ second: UInt8 = 0) -> FormatStep {
    var step = FormatStep(code)
    step.kind = kind
    step.second = second
    return step
  }

  private func constant(_ text: String?) -> FormatStep {
    guard let text else { return FormatStep(.absent) }
    return literal(text)
  }

  private func fieldStep(_ code: FormatStep.Code, _ main: String, _ other: String?) -> FormatStep {
    var step = FormatStep(code)
    step.field = field(main)
    if let other { step.alternative = field(other) }
    return step
  }

  private func field(_ name: String) -> FormatStep.Field {
    switch name {
    case ":method": return .init(kind: .method)
    case ":path": return .init(kind: .path)
    case ":authority", "host": return .init(kind: .authority)
    case ":scheme": return .init(kind: .scheme)
    case ":status": return .init(kind: .status)
    default:
      // A field without a number, when all of them are used up, is never found.
      guard !name.isEmpty, let id = names.intern(Array(name.utf8)) else { return .init() }
      return .init(kind: .header, id: id)
    }
  }
}

extension FormatStep {
  static func byte(of point: FormatOperator.TimePoint) -> UInt8 {
    switch point {
    case .downstreamReceiveBegin: 0
    case .downstreamReceiveEnd: 1
    case .downstreamSendBegin: 2
    case .downstreamSendEnd: 3
    case .upstreamConnectBegin: 4
    case .upstreamConnectEnd: 5
    case .upstreamSendBegin: 6
    case .upstreamSendEnd: 7
    case .upstreamReceiveBegin: 8
    case .upstreamBodyBegin: 9
    case .upstreamReceiveEnd: 10
    case .upstreamRequestBegin: 11
    case .poolReady: 12
    case .downstreamConnectionBegin: 13
    case .downstreamConnectionEnd: 14
    case .never: 15
    }
  }

  static func byte(of counter: FormatOperator.ByteCounter) -> UInt8 {
    switch counter {
    case .bodyReceived: 0
    case .bodySent: 1
    case .downstreamWireReceived: 2
    case .downstreamWireSent: 3
    case .downstreamHeadReceived: 4
    case .downstreamHeadSent: 5
    case .upstreamWireReceived: 6
    case .upstreamWireSent: 7
    case .upstreamHeadReceived: 8
    case .upstreamHeadSent: 9
    }
  }

  static func byte(of source: FormatOperator.AddressSource) -> UInt8 {
    switch source {
    case .downstreamRemote: 0
    case .downstreamDirectRemote: 1
    case .downstreamLocal: 2
    case .downstreamDirectLocal: 3
    case .upstreamLocal: 4
    case .upstreamRemote: 5
    }
  }
}

/// What the steps of a program point to.
final class FormatMemory {
  private var texts: [OwnedText] = []
  private var times: [CompiledTime] = []
  private var paths: [MetadataPath] = []
  private var runs: [UnsafeMutablePointer<FormatStep>] = []
  private var operators: [FormatOperatorRuntime] = []

  deinit { for run in runs { run.deallocate() } }

  func keep(_ bytes: [UInt8]) -> ByteView {
    let text = OwnedText(bytes)
    texts.append(text)
    return text.view
  }

  func keep(_ time: CompiledTime) { times.append(time) }
  func keep(_ path: MetadataPath) { paths.append(path) }
  func keep(_ made: FormatOperatorRuntime) { operators.append(made) }

  func keep(_ steps: [FormatStep]) -> UnsafePointer<FormatStep> {
    let run = UnsafeMutablePointer<FormatStep>.allocate(capacity: Swift.max(steps.count, 1))
    for (index, step) in steps.enumerated() { (run + index).initialize(to: step) }
    runs.append(run)
    return UnsafePointer(run)
  }
}

enum HostFacts {
  /// The host's name; nil where the system does not tell.
  static let name: String? = {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard let base = buffer.baseAddress, gethostname(base, 255) == 0 else { return nil }
      base[255] = 0
      return String(cString: base)
    }
  }()
}
