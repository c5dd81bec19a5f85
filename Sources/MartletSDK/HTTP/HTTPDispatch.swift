// From a C function to a hook of one type of filter, at the cost of about one indirect call.
//
// C functions cannot be generic, so the host's functions are the same for all filters: they find
// the filter's dispatch table through the first word of what the host holds, and the table's
// functions are specialised for the type where it is exported (`PluginFilter.http`, inlined there).
// A class with virtual methods would do as well but cost an allocation and reference counts a
// stream; a filter lies in its slot instead, and slots are used again on their worker.

/// One filter type's hooks. The SDK's own. A class, because a function that is a constant of an object
/// is called without being retained; of a struct in memory it is not.
public final class HTTPDispatch: Sendable {
  public typealias Head = @Sendable (UnsafeMutableRawPointer, Bool) -> HeadersStatus
  public typealias Body = @Sendable (UnsafeMutableRawPointer, Bool) -> BodyStatus
  public typealias Trailers = @Sendable (UnsafeMutableRawPointer) -> TrailersStatus
  public typealias BackPressure = @Sendable (UnsafeMutableRawPointer, Bool) -> Void
  public typealias Timer = @Sendable (UnsafeMutableRawPointer, Int) -> Void
  public typealias Wake = @Sendable (UnsafeMutableRawPointer, UInt64) -> Void
  public typealias Complete = @Sendable (UnsafeMutableRawPointer, StreamResult) -> Void
  @usableFromInline
  typealias Create = @Sendable (UnsafeMutablePointer<WorkerRecord>, UInt64) -> UnsafeMutableRawPointer
  @usableFromInline typealias Destroy = @Sendable (UnsafeMutableRawPointer) -> Void

  @usableFromInline let create: Create
  @usableFromInline let destroy: Destroy
  @usableFromInline let requestHeaders: Head
  @usableFromInline let requestBody: Body
  @usableFromInline let requestTrailers: Trailers
  @usableFromInline let responseHeaders: Head
  @usableFromInline let responseBody: Body
  @usableFromInline let responseTrailers: Trailers
  @usableFromInline let backPressure: BackPressure
  @usableFromInline let timer: Timer
  @usableFromInline let wake: Wake
  @usableFromInline let complete: Complete
  /// Which of them the filter has. Not by optional functions: a call through one of those retains it.
  @usableFromInline let hooks: Hooks

  /// See `hooks`.
  @usableFromInline
  struct Hooks: Sendable {
    @usableFromInline let requestHeaders, requestBody, requestTrailers: Bool
    @usableFromInline let responseHeaders, responseBody, responseTrailers: Bool
    @usableFromInline let backPressure, timer, wake, complete: Bool

    @inlinable
    init<Filter: HTTPFilter>(_ type: Filter.Type) {
      requestHeaders = Filter._requestHeaders != nil
      requestBody = Filter._requestBody != nil
      requestTrailers = Filter._requestTrailers != nil
      responseHeaders = Filter._responseHeaders != nil
      responseBody = Filter._responseBody != nil
      responseTrailers = Filter._responseTrailers != nil
      backPressure = Filter._backPressure != nil
      timer = Filter._timer != nil
      wake = Filter._wake != nil
      complete = Filter._complete != nil
    }
  }

  @inlinable
  init<Filter: HTTPFilter>(_ type: Filter.Type) {
    hooks = Hooks(type)
    create = { worker, stream in HTTPSlot<Filter>.create(worker, stream) }
    destroy = { HTTPSlot<Filter>.destroy($0) }
    requestHeaders = Filter._requestHeaders ?? { _, _ in .continue }
    requestBody = Filter._requestBody ?? { _, _ in .continue }
    requestTrailers = Filter._requestTrailers ?? { _ in .continue }
    responseHeaders = Filter._responseHeaders ?? { _, _ in .continue }
    responseBody = Filter._responseBody ?? { _, _ in .continue }
    responseTrailers = Filter._responseTrailers ?? { _ in .continue }
    backPressure = Filter._backPressure ?? { _, _ in }
    timer = Filter._timer ?? { _, _ in }
    wake = Filter._wake ?? { _, _ in }
    complete = Filter._complete ?? { _, _ in }
  }
}

/// What stands before a filter in its slot.
@frozen
@usableFromInline
struct SlotHeader {
  /// The HTTPDispatch or NetworkDispatch; the next free slot in one that is free.
  @usableFromInline var dispatch: UnsafeRawPointer?
  @usableFromInline var handle: UInt64
  @usableFromInline var worker: UnsafeMutablePointer<WorkerRecord>

  @inlinable
  init(
    dispatch: UnsafeRawPointer?, handle: UInt64, worker: UnsafeMutablePointer<WorkerRecord>
  ) {
    self.dispatch = dispatch
    self.handle = handle
    self.worker = worker
  }
}

/// A filter in its place: what the host holds as `void *filter`.
@frozen
@usableFromInline
struct HTTPSlot<Filter: HTTPFilter> {
  @usableFromInline var header: SlotHeader
  @usableFromInline var filter: Filter

  @inlinable
  init(header: SlotHeader, filter: Filter) {
    self.header = header
    self.filter = filter
  }

  @inlinable
  static func create(
    _ worker: UnsafeMutablePointer<WorkerRecord>, _ handle: UInt64
  ) -> UnsafeMutableRawPointer {
    let memory = worker.pointee.takeSlot(MemoryLayout<HTTPSlot>.self)
    let slot = memory.assumingMemoryBound(to: HTTPSlot.self)
    let header = SlotHeader(
      dispatch: worker.pointee.dispatch, handle: handle, worker: worker)
    let shared = Unmanaged<Filter.Shared>.fromOpaque(worker.pointee.shared)
    var stream = HTTPStream(header)
    let filter = shared._withUnsafeGuaranteedRef { Filter(&stream, $0) }
    slot.initialize(to: HTTPSlot(header: header, filter: filter))
    return memory
  }

  @inlinable
  static func destroy(_ memory: UnsafeMutableRawPointer) {
    let slot = memory.assumingMemoryBound(to: HTTPSlot.self)
    let worker = slot.pointee.header.worker
    slot.deinitialize(count: 1)
    worker.pointee.giveBack(memory)
  }

  /// Calls a hook with its stream and what it shares.
  @inlinable
  @inline(__always)
  static func call<Result>(
    _ memory: UnsafeMutableRawPointer,
    _ hook: (inout Filter, inout HTTPStream, Filter.Shared) -> Result
  ) -> Result {
    let slot = memory.assumingMemoryBound(to: HTTPSlot.self)
    var stream = HTTPStream(slot.pointee.header)
    let shared = Unmanaged<Filter.Shared>.fromOpaque(slot.pointee.header.worker.pointee.shared)
    return shared._withUnsafeGuaranteedRef { hook(&slot.pointee.filter, &stream, $0) }
  }
}

extension OnRequestHeaders {
  @inlinable
  public static var _requestHeaders: HTTPDispatch.Head? {
    { slot, end in
      HTTPSlot<Self>.call(slot) { $0.onRequestHeaders(&$1, $2, end: end) }
    }
  }
}

extension OnRequestBody {
  @inlinable
  public static var _requestBody: HTTPDispatch.Body? {
    { slot, end in HTTPSlot<Self>.call(slot) { $0.onRequestBody(&$1, $2, end: end) } }
  }
}

extension OnRequestTrailers {
  @inlinable
  public static var _requestTrailers: HTTPDispatch.Trailers? {
    { slot in HTTPSlot<Self>.call(slot) { $0.onRequestTrailers(&$1, $2) } }
  }
}

extension OnResponseHeaders {
  @inlinable
  public static var _responseHeaders: HTTPDispatch.Head? {
    { slot, end in HTTPSlot<Self>.call(slot) { $0.onResponseHeaders(&$1, $2, end: end) } }
  }
}

extension OnResponseBody {
  @inlinable
  public static var _responseBody: HTTPDispatch.Body? {
    { slot, end in HTTPSlot<Self>.call(slot) { $0.onResponseBody(&$1, $2, end: end) } }
  }
}

extension OnResponseTrailers {
  @inlinable
  public static var _responseTrailers: HTTPDispatch.Trailers? {
    { slot in HTTPSlot<Self>.call(slot) { $0.onResponseTrailers(&$1, $2) } }
  }
}

extension OnBackPressure {
  @inlinable
  public static var _backPressure: HTTPDispatch.BackPressure? {
    { slot, stop in HTTPSlot<Self>.call(slot) { $0.onBackPressure(&$1, $2, stop: stop) } }
  }
}

extension OnTimer {
  @inlinable
  public static var _timer: HTTPDispatch.Timer? {
    { slot, timer in HTTPSlot<Self>.call(slot) { $0.onTimer(&$1, $2, timer: timer) } }
  }
}

extension OnWake {
  @inlinable
  public static var _wake: HTTPDispatch.Wake? {
    { slot, token in HTTPSlot<Self>.call(slot) { $0.onWake(&$1, $2, token: token) } }
  }
}

extension OnComplete {
  @inlinable
  public static var _complete: HTTPDispatch.Complete? {
    { slot, result in HTTPSlot<Self>.call(slot) { $0.onComplete(&$1, $2, result: result) } }
  }
}
