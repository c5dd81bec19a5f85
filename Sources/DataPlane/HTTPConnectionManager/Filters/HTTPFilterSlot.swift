// A filter's place in the chain of one stream: what its handle names. It hears timers and wakes, and
// answers for the facts of its stream.
import CMartletABI
import Model

final class HTTPFilterSlot: FilterScope {
  unowned let instance: HTTPFilterChainInstance
  let factory: HTTPFilterFactory
  let index: Int
  /// Nil before `create` and after `destroy`, where `create` has refused, and where the route has turned
  /// the filter off.
  var filter: UnsafeMutableRawPointer? {
    didSet {
      request.filter = filter
      response.filter = filter
    }
  }
  /// `continue_message` was called and has not been carried out.
  var requestGoesOn = false
  var responseGoesOn = false
  /// `body_pass`: bytes that may go on.
  var requestPasses = 0
  var responsePasses = 0
  let request: HTTPFilterPlace
  let response: HTTPFilterPlace

  init(_ instance: HTTPFilterChainInstance, _ factory: HTTPFilterFactory, index: Int, context: WorkerContext)
  {
    self.instance = instance
    self.factory = factory
    self.index = index
    let table = factory.table.pointee
    let pool = context.reactor.pool
    request = HTTPFilterPlace(
      hooks: .init(
        headers: table.on_request_headers, body: table.on_request_body, trailers: table.on_request_trailers),
      pool: pool)
    response = HTTPFilterPlace(
      hooks: .init(
        headers: table.on_response_headers, body: table.on_response_body,
        trailers: table.on_response_trailers), pool: pool)
    super.init(kind: .stream, context: context, plugin: factory.scope?.plugin, name: factory.name)
  }

  /// Nothing that was asked for and not carried out is wanted any more.
  func forgetWishes() {
    requestGoesOn = false
    responseGoesOn = false
    requestPasses = 0
    responsePasses = 0
  }

  func place(_ direction: martlet_direction) -> HTTPFilterPlace? {
    switch direction {
    case MARTLET_REQUEST: request
    case MARTLET_RESPONSE: response
    default: nil
    }
  }

  override var takesTimers: Bool { factory.table.pointee.on_timer != nil && !instance.isOver }

  override func timerDue(_ timer: UInt32) {
    guard let filter, let hook = factory.table.pointee.on_timer else { return }
    instance.enter()
    hook(filter, timer)
    instance.leave()
  }

  override func woken(_ token: UInt64) {
    guard let filter, let hook = factory.table.pointee.on_wake, !instance.isOver else { return }
    instance.enter()
    hook(filter, token)
    instance.leave()
  }

  func backPressure(_ stop: Bool) {
    guard let filter, let hook = factory.table.pointee.on_back_pressure else { return }
    instance.enter()
    hook(filter, stop)
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
