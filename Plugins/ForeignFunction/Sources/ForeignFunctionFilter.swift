// martlet.filters.http.foreign_function: C functions that are called for requests and responses, and what is
// done with what they say.
import MartletSDK

/// The calls of a filter or of a route.
final class CallRules: Sendable {
  let request: FrozenList<FilterCall>
  let response: FrozenList<FilterCall>

  init(
    functions messages: [Martlet_ForeignFunction_V1_Function], request: [Martlet_ForeignFunction_V1_Call],
    response: [Martlet_ForeignFunction_V1_Call], _ scope: inout ConfigurationScope
  ) throws {
    let functions = FunctionTable(messages, &scope)
    func list(
      _ calls: [Martlet_ForeignFunction_V1_Call], _ field: String, ofResponse: Bool,
      _ scope: inout ConfigurationScope
    ) throws -> FrozenList<FilterCall> {
      try FrozenList(count: calls.count) {
        try FilterCall(calls[$0], functions, &scope, at: "\(field)[\($0)]", ofResponse: ofResponse)
      }
    }
    self.request = try list(request, "request_calls", ofResponse: false, &scope)
    self.response = try list(response, "response_calls", ofResponse: true, &scope)
  }
}

struct FilterMessage: ConfigurationMessage {
  static var typeNames: [String] { [Martlet_ForeignFunction_V1_ForeignFunction.protoMessageName] }
  let message: Martlet_ForeignFunction_V1_ForeignFunction

  init(configuration given: GivenConfiguration) throws {
    message = try Martlet_ForeignFunction_V1_ForeignFunction(serializedBytes: given.bytes)
  }
}

struct RouteMessage: ConfigurationMessage {
  static var typeNames: [String] { [Martlet_ForeignFunction_V1_ForeignFunctionPerRoute.protoMessageName] }
  let message: Martlet_ForeignFunction_V1_ForeignFunctionPerRoute

  init(configuration given: GivenConfiguration) throws {
    message = try Martlet_ForeignFunction_V1_ForeignFunctionPerRoute(serializedBytes: given.bytes)
  }
}

struct ForeignFunctionFilter: HTTPFilter, OnRequestHeaders, OnResponseHeaders {
  typealias Shared = Worker
  static let name = "martlet.filters.http.foreign_function"
  static let descriptors = Descriptors(base64: embeddedDescriptors)

  final class Settings: FilterSettings {
    let rules: CallRules
    let counters: CallCounters
    let denied: Counter

    init(_ given: FilterMessage, _ scope: inout ConfigurationScope) throws {
      let message = given.message
      rules = try CallRules(
        functions: message.functions, request: message.requestCalls, response: message.responseCalls, &scope)
      counters = try CallCounters(&scope, relative: true)
      denied = try scope.counter("foreign_function.denied")
    }
  }

  final class RouteSettings: FilterSettings {
    let rules: CallRules

    init(_ given: RouteMessage, _ scope: inout ConfigurationScope) throws {
      let message = given.message
      rules = try CallRules(
        functions: message.functions, request: message.requestCalls, response: message.responseCalls, &scope)
    }
  }

  final class Worker: FilterWorker {
    let settings: Settings
    let frames = FrameStack()
    init(_ worker: inout WorkerScope, _ settings: Settings) { self.settings = settings }
  }

  private var isDenied = false

  init(_ stream: inout HTTPStream, _ worker: Worker) {}

  mutating func onRequestHeaders(
    _ stream: inout HTTPStream, _ worker: Worker, end: Bool
  ) -> HeadersStatus {
    let answers =
      stream.withRouteSettings(RouteSettings.self) { Self.run($0.rules.request, stream, worker) }
      ?? Self.run(worker.settings.rules.request, stream, worker)
    isDenied = answers
    return answers ? .stop : .continue
  }

  /// Its own answer is no response that it has anything to say about.
  mutating func onResponseHeaders(
    _ stream: inout HTTPStream, _ worker: Worker, end: Bool
  ) -> HeadersStatus {
    if isDenied { return .continue }
    let answers =
      stream.withRouteSettings(RouteSettings.self) { Self.run($0.rules.response, stream, worker) }
      ?? Self.run(worker.settings.rules.response, stream, worker)
    return answers ? .stop : .continue
  }

  /// True: the stream is answered.
  private static func run(
    _ calls: borrowing FrozenList<FilterCall>, _ stream: borrowing HTTPStream, _ worker: Worker
  ) -> Bool {
    let span = calls.span
    for index in 0..<span.count
    where span[index].run(stream, worker.frames, worker.settings.counters, worker.settings.denied) {
      return true
    }
    return false
  }
}
