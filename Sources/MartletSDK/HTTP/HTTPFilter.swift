// What the author of an HTTP filter writes: a type that conforms to HTTPFilter, and to one more
// protocol for each hook that it wants. Hooks that it does not list cost nothing: the host is told
// so when the plugin is loaded.

/// What the headers hooks want of the chain.
public enum HeadersStatus: Int32, Sendable {
  /// On to the next filter.
  case `continue` = 0
  /// Stop here until told to go on or the next bytes come; 413 or 500 over the buffer limit.
  case stop = 1
  /// Stop here; the sender is slowed down over the buffer limit.
  case stopSlowing = 2
  /// As `stop`, and this filter's body and trailers hooks are not called until it goes on.
  case stopAll = 3
  /// As `stopSlowing`, and this filter's body and trailers hooks are not called until it goes on.
  case stopAllSlowing = 4
}

/// What the body hooks want of the chain.
public enum BodyStatus: Int32, Sendable {
  /// On to the next filter, with all that is held.
  case `continue` = 0
  /// Hold it; 413 or 500 over the buffer limit.
  case stop = 1
  /// Hold it; the sender is slowed down over the buffer limit.
  case stopSlowing = 2
}

/// What the trailers hooks want of the chain.
public enum TrailersStatus: Int32, Sendable {
  case `continue` = 0
  case stop = 1
}

/// How a stream ended.
public enum StreamResult: Int32, Sendable {
  /// The response is whole.
  case complete = 0
  /// The client went before it was.
  case clientGone = 1
  /// It was broken off from this side.
  case reset = 2
}

/// A filter for one request and its response: a struct (kept in place, without an allocation or a
/// reference count) or a final class. All of it runs on the stream's worker thread; none of its
/// hooks is called inside another.
///
/// Hooks are handed the stream, which is valid for the call, and what the filter's streams share:
/// the settings, or an object of the worker where `Shared` is a `FilterWorker`. They are handed it
/// so that no stream keeps a reference to what all workers read.
public protocol HTTPFilter: SendableMetatype {
  /// The configuration, compiled.
  associatedtype Settings: FilterSettings
  /// The configuration on routes and virtual hosts; `NoSettings` where there is none.
  associatedtype RouteSettings: FilterSettings = NoSettings
  /// What hooks are handed: `Settings`, or a `FilterWorker` of these settings.
  associatedtype Shared: AnyObject = Settings

  /// The filter's usual name: "com.example.greeting".
  static var name: String { get }
  /// The messages of its configurations; `.none` for JSON.
  static var descriptors: Descriptors { get }

  /// Whether its settings keep something that changes, such as a count: then no two places of the
  /// configuration share settings, and a reload that changes nothing at a place leaves it its own.
  static var isStateful: Bool { get }

  /// A request begins. Its headers can be read; an answer or a reset is not possible yet.
  init(_ stream: inout HTTPStream, _ shared: Shared)

  /// The SDK's own: which hooks there are.
  static var _requestHeaders: HTTPDispatch.Head? { get }
  /// The SDK's own.
  static var _requestBody: HTTPDispatch.Body? { get }
  /// The SDK's own.
  static var _requestTrailers: HTTPDispatch.Trailers? { get }
  /// The SDK's own.
  static var _responseHeaders: HTTPDispatch.Head? { get }
  /// The SDK's own.
  static var _responseBody: HTTPDispatch.Body? { get }
  /// The SDK's own.
  static var _responseTrailers: HTTPDispatch.Trailers? { get }
  /// The SDK's own.
  static var _backPressure: HTTPDispatch.BackPressure? { get }
  /// The SDK's own.
  static var _timer: HTTPDispatch.Timer? { get }
  /// The SDK's own.
  static var _wake: HTTPDispatch.Wake? { get }
  /// The SDK's own.
  static var _complete: HTTPDispatch.Complete? { get }
}

extension HTTPFilter {
  public static var isStateful: Bool { false }
  public static var descriptors: Descriptors { .none }

  @inlinable public static var _requestHeaders: HTTPDispatch.Head? { nil }
  @inlinable public static var _requestBody: HTTPDispatch.Body? { nil }
  @inlinable public static var _requestTrailers: HTTPDispatch.Trailers? { nil }
  @inlinable public static var _responseHeaders: HTTPDispatch.Head? { nil }
  @inlinable public static var _responseBody: HTTPDispatch.Body? { nil }
  @inlinable public static var _responseTrailers: HTTPDispatch.Trailers? { nil }
  @inlinable public static var _backPressure: HTTPDispatch.BackPressure? { nil }
  @inlinable public static var _timer: HTTPDispatch.Timer? { nil }
  @inlinable public static var _wake: HTTPDispatch.Wake? { nil }
  @inlinable public static var _complete: HTTPDispatch.Complete? { nil }
}

/// The request's head has come; `end`: nothing follows.
public protocol OnRequestHeaders: HTTPFilter {
  mutating func onRequestHeaders(
    _ stream: inout HTTPStream, _ shared: Shared, end: Bool
  ) -> HeadersStatus
}

/// More of the request's body has come, or (`end`) its end.
public protocol OnRequestBody: HTTPFilter {
  mutating func onRequestBody(
    _ stream: inout HTTPStream, _ shared: Shared, end: Bool
  ) -> BodyStatus
}

/// The request's trailers have come: the end of the message.
public protocol OnRequestTrailers: HTTPFilter {
  mutating func onRequestTrailers(_ stream: inout HTTPStream, _ shared: Shared) -> TrailersStatus
}

/// The response's head has come, whoever made it; `end`: nothing follows.
public protocol OnResponseHeaders: HTTPFilter {
  mutating func onResponseHeaders(
    _ stream: inout HTTPStream, _ shared: Shared, end: Bool
  ) -> HeadersStatus
}

/// More of the response's body has come, or (`end`) its end.
public protocol OnResponseBody: HTTPFilter {
  mutating func onResponseBody(
    _ stream: inout HTTPStream, _ shared: Shared, end: Bool
  ) -> BodyStatus
}

/// The response's trailers have come: the end of the message.
public protocol OnResponseTrailers: HTTPFilter {
  mutating func onResponseTrailers(_ stream: inout HTTPStream, _ shared: Shared) -> TrailersStatus
}

/// The client takes a streamed reply more slowly than it comes (`stop`), or can take more again.
public protocol OnBackPressure: HTTPFilter {
  mutating func onBackPressure(_ stream: inout HTTPStream, _ shared: Shared, stop: Bool)
}

/// A timer of the stream is due.
public protocol OnTimer: HTTPFilter {
  mutating func onTimer(_ stream: inout HTTPStream, _ shared: Shared, timer: Int)
}

/// A `Waker` of the stream was used.
public protocol OnWake: HTTPFilter {
  mutating func onWake(_ stream: inout HTTPStream, _ shared: Shared, token: UInt64)
}

/// The stream has ended: headers can be read and metrics counted, nothing else can be done. Once.
public protocol OnComplete: HTTPFilter {
  mutating func onComplete(_ stream: inout HTTPStream, _ shared: Shared, result: StreamResult)
}
