// A filter's place in the chain of one stream: what its handle names. It hears timers and wakes, and
// answers for the facts of its stream.
import CMartletABI
import CMartletBlame
import Model

final class HTTPFilterSlot: FilterScope {
  unowned(unsafe) let instance: HTTPFilterChainInstance
  /// The same for what happens many times a request: nothing is retained.
  let borrowedInstance: Unmanaged<HTTPFilterChainInstance>
  /// The instance's.
  let maps: UnsafeMutablePointer<HTTPFilterMaps>
  private let calls: PluginCalls
  let table: UnsafePointer<martlet_http_filter>
  private let config: UnsafeMutableRawPointer?
  /// The filter on this worker, which the chain holds. Nil: a filter of the proxy's own.
  private unowned(unsafe) let scope: FilterOnWorker?
  // Of that, for every stream: nothing is retained. They do not change while a chain holds it.
  private let workerObject: UnsafeMutableRawPointer?
  private let isRefused: Bool
  private let counters: Counters<PluginStat>?
  private let isUsuallyDisabled: Bool
  let index: Int
  /// The worker's, and the place in it.
  private let handles: HandleTable
  private let tablePlace: Int
  /// Nil before `create` and after `destroy`, where `create` has refused, and where the route has turned
  /// the filter off.
  private(set) var filter: UnsafeMutableRawPointer?
  /// `continue_message` was called and has not been carried out.
  var requestGoesOn = false
  var responseGoesOn = false
  /// `body_pass`: bytes that may go on.
  var requestPasses = 0
  var responsePasses = 0
  /// In the paths' memory.
  private let requestHooks: UnsafeMutablePointer<HTTPFilterHooks>
  private let responseHooks: UnsafeMutablePointer<HTTPFilterHooks>

  init(_ instance: HTTPFilterChainInstance, _ factory: HTTPFilterFactory, index: Int, context: WorkerContext)
  {
    self.instance = instance
    borrowedInstance = Unmanaged.passUnretained(instance)
    maps = instance.maps
    calls = factory.scope?.calls ?? instance.handles.ownCalls
    table = factory.table
    config = factory.config
    scope = factory.scope
    workerObject = factory.scope?.object
    isRefused = factory.scope?.refused ?? false
    counters = factory.scope?.counters
    isUsuallyDisabled = factory.isDisabled
    self.index = index
    handles = instance.handles
    tablePlace = handles.filters.reserve()
    requestHooks = instance.request.hooks + index
    responseHooks = instance.response.hooks + (instance.response.count - 1 - index)
    super.init(kind: .stream, context: context, plugin: factory.scope?.plugin, name: factory.name)
  }

  deinit {
    if handle != .none { handles.filters.withdraw(tablePlace) }
    handles.filters.free(tablePlace)
  }

  static func hooks(_ factory: HTTPFilterFactory, _ handles: HandleTable, ofRequest: Bool) -> HTTPFilterHooks
  {
    let table = factory.table.pointee
    let calls = factory.scope?.calls ?? handles.ownCalls
    return ofRequest
      ? HTTPFilterHooks(
        headers: table.on_request_headers, body: table.on_request_body, trailers: table.on_request_trailers,
        calls: calls)
      : HTTPFilterHooks(
        headers: table.on_response_headers, body: table.on_response_body,
        trailers: table.on_response_trailers, calls: calls)
  }

  /// Between the instance's `enter` and `leave`.
  @inline(__always)
  private func call<Result>(_ hook: Int32, _ body: () -> Result) -> Result {
    calls.callInScope(UInt32(hook), body)
  }

  // MARK: A stream's filter

  /// Makes the filter where the route has it. False: it refuses the stream.
  @inline(__always)
  func create(_ routes: RouteFilterTable?) -> Bool {
    if let routes, let isDisabled = routes.isDisabled(index) {
      if isDisabled { return true }
    } else if isUsuallyDisabled {
      return true
    }
    isEnding = false
    handle = handles.filters.lend(self, at: tablePlace)
    if let counters {
      counters.add(.streamsTotal)
      counters.add(.streamsActive)
    }
    if isRefused { return false }
    let raw = handle.rawValue
    let made = call(MARTLET_HOOK_CREATE) {
      table.pointee.create(config, workerObject, HostHTTPServices.table, raw)
    }
    filter = made
    requestHooks.pointee.filter = made
    responseHooks.pointee.filter = made
    return made != nil
  }

  /// Nothing is asked of it any more but its end.
  @inline(__always)
  func beginEnd() {
    isEnding = true
    cancelTimers()
    forgetWishes()
  }

  @inline(__always)
  func complete(_ result: martlet_stream_result) {
    guard let filter, let hook = table.pointee.on_complete else { return }
    call(MARTLET_HOOK_ON_COMPLETE) { hook(filter, result) }
  }

  @inline(__always)
  func destroy() {
    guard handle != .none else { return }
    handles.filters.withdraw(tablePlace)
    handle = .none
    if let filter {
      self.filter = nil
      requestHooks.pointee.filter = nil
      responseHooks.pointee.filter = nil
      call(MARTLET_HOOK_DESTROY) { table.pointee.destroy(filter) }
    }
    counters?.subtract(.streamsActive)
  }

  /// Nothing that was asked for and not carried out is wanted any more.
  @inline(__always)
  func forgetWishes() {
    requestGoesOn = false
    responseGoesOn = false
    requestPasses = 0
    responsePasses = 0
  }

  func place(_ direction: martlet_direction) -> HTTPFilterPlace? {
    switch direction {
    case MARTLET_REQUEST: instance.request.place(at: index)
    case MARTLET_RESPONSE: instance.response.place(at: instance.response.count - 1 - index)
    default: nil
    }
  }

  override var takesTimers: Bool { table.pointee.on_timer != nil && !instance.isOver }

  override func timerDue(_ timer: UInt32) {
    guard let filter, let hook = table.pointee.on_timer else { return }
    instance.enter()
    call(MARTLET_HOOK_ON_TIMER) { hook(filter, timer) }
    instance.leave()
  }

  override func woken(_ token: UInt64) {
    guard let filter, let hook = table.pointee.on_wake, !instance.isOver else { return }
    instance.enter()
    call(MARTLET_HOOK_ON_WAKE) { hook(filter, token) }
    instance.leave()
  }

  func backPressure(_ stop: Bool) {
    guard let filter, let hook = table.pointee.on_back_pressure else { return }
    instance.enter()
    call(MARTLET_HOOK_ON_BACK_PRESSURE) { hook(filter, stop) }
    instance.leave()
  }

  // MARK: Facts

  override func text(_ attribute: martlet_text_attribute, to out: TextBuffer) -> Bool {
    guard let stream = instance.stream else { return false }
    let info = stream.info
    func write(_ text: ByteView) -> Bool {
      out.append(text)
      return text.count > 0
    }
    switch attribute {
    case MARTLET_DOWNSTREAM_REMOTE_ADDRESS where info.remote != nil:
      AddressText.write(info.remote.unsafelyUnwrapped, to: out)
      return true
    case MARTLET_ROUTE_NAME: return write(info.routeName)
    case MARTLET_VIRTUAL_HOST_NAME: return write(info.virtualHostName)
    case MARTLET_CLUSTER_NAME: return write(stream.clusterOfRoute?.nameText.view ?? MessageHead.empty)
    case MARTLET_UPSTREAM_ADDRESS:
      guard let endpoint = info.endpoint else { return false }
      AddressText.write(endpoint.model.address, to: out)
      return true
    case MARTLET_RESPONSE_CODE_DETAILS: return write(info.details)
    case MARTLET_RESPONSE_FLAGS:
      if info.flags.isEmpty { return false }
      info.flags.write(long: false, to: out)
      return true
    case MARTLET_PROTOCOL:
      out.append(stream.request.minorVersion == 0 ? "HTTP/1.0" : "HTTP/1.1")
      return true
    default:
      guard let connection = stream.codec?.connection else { return false }
      return FilterScope.text(attribute, of: connection, to: out)
    }
  }

  override func number(_ attribute: martlet_number_attribute) -> UInt64? {
    guard let stream = instance.stream else { return nil }
    let info = stream.info
    switch attribute {
    case MARTLET_START_TIME:
      return UInt64(bitPattern: context.wall.nanoseconds(at: info.start, now: context.reactor.now))
    case MARTLET_DURATION: return context.reactor.now &- info.start
    case MARTLET_RESPONSE_CODE:
      return UInt64(instance.response.hasBegun ? stream.response.status : info.responseCode)
    case MARTLET_RESPONSE_SOURCE:
      if !instance.response.hasBegun, info.responseCode == 0 { return 0 }
      return stream.isLocalReply ? 2 : 1
    case MARTLET_REQUEST_BYTES: return info.bodyReceived
    case MARTLET_RESPONSE_BYTES: return info.bodySent
    case MARTLET_ATTEMPTS: return UInt64(info.attempts)
    default:
      guard let connection = stream.codec?.connection else { return nil }
      return FilterScope.number(attribute, of: connection, context)
    }
  }

  override var downstream: Connection? { instance.stream?.codec?.connection }
  override var filterBinding: FilterBinding? { scope?.binding }
  override var storedView: StoredView { instance.stream?.storedView ?? StoredView(isStream: true) }
  override func storedForWriting() -> StoredData? { instance.stream?.storedForWriting() }

  override func note(_ flag: ResponseFlags) -> Bool {
    guard let stream = instance.stream else { return false }
    stream.info.flags.formUnion(flag)
    return true
  }

  override func withFormatContext(_ body: (inout FormatContext) -> Void) -> Bool {
    guard let stream = instance.stream else { return false }
    stream.withFormatContext(nil, body)
    return true
  }

  override func keep(_ view: ByteView) -> ByteView {
    instance.stream?.request.headers.keep(view) ?? view
  }
}
