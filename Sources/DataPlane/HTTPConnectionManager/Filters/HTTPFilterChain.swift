// Chains of HTTP filters: C function tables between a stream's codec and its router.
//
//     codec --request-->  filter 0 -> filter 1 -> ... -> router
//     codec <-response--  filter 0 <- filter 1 <- ... <- router, or a local reply
//
// A configuration gives an `HTTPFilterChain` (tables and their configurations), one a worker; each
// stream of a chain that is not empty gets an `HTTPFilterChainInstance`, used again for later ones.
// A stream without filters pays one comparison with nil for each event.
//
// Re-entrancy: what a hook asks for (go on, reply, reset) is done when the outermost hook of the
// stream has returned, and so is the end of the filters.
import CMartletABI

/// One filter of a chain: a table and what its `create` is given.
struct HTTPFilterFactory {
  /// The filter's name in the configuration, for logs.
  let name: String
  let table: UnsafePointer<martlet_http_filter>
  let config: UnsafeMutableRawPointer?
}

final class HTTPFilterChain {
  let filters: [HTTPFilterFactory]
  /// Instances between streams, as `HTTPManager.spare`.
  private var spare: [HTTPFilterChainInstance] = []
  private var isRetired = false
  private static let maxSpare = 1024

  init(filters: [HTTPFilterFactory]) { self.filters = filters }

  func take(for stream: HTTPStream) -> HTTPFilterChainInstance {
    let instance = spare.popLast() ?? HTTPFilterChainInstance(self, reactor: stream.manager.context.reactor)
    instance.begin(stream)
    return instance
  }

  func giveBack(_ instance: HTTPFilterChainInstance) {
    if spare.count < HTTPFilterChain.maxSpare, !isRetired { spare.append(instance) }
  }

  /// Instances hold their chain: without this, the two would keep each other for ever.
  func retire() {
    isRetired = true
    spare.removeAll()
  }
}

/// A filter's place in the chain of one stream.
final class HTTPFilterSlot: TimerTarget {
  unowned let instance: HTTPFilterChainInstance
  let factory: HTTPFilterFactory
  let index: Int
  /// Nil before `create` and after `destroy`, and where `create` has refused.
  var filter: UnsafeMutableRawPointer? {
    didSet {
      request.filter = filter
      response.filter = filter
    }
  }
  var handle = Handle.none
  var timer = TimerID.none
  /// `continue_message` was called and has not been carried out.
  var requestGoesOn = false
  var responseGoesOn = false
  let request: HTTPFilterPlace
  let response: HTTPFilterPlace

  init(_ instance: HTTPFilterChainInstance, _ factory: HTTPFilterFactory, index: Int, pool: ChunkPool) {
    self.instance = instance
    self.factory = factory
    self.index = index
    let table = factory.table.pointee
    request = HTTPFilterPlace(
      hooks: .init(
        headers: table.on_request_headers, body: table.on_request_body, trailers: table.on_request_trailers),
      pool: pool)
    response = HTTPFilterPlace(
      hooks: .init(
        headers: table.on_response_headers, body: table.on_response_body,
        trailers: table.on_response_trailers), pool: pool)
  }

  func place(_ direction: martlet_direction) -> HTTPFilterPlace? {
    switch direction {
    case MARTLET_REQUEST: request
    case MARTLET_RESPONSE: response
    default: nil
    }
  }

  override func timerFired(now: UInt64) {
    timer = .none
    guard let filter, let hook = factory.table.pointee.on_timer else { return }
    instance.enter()
    hook(filter)
    instance.leave()
  }
}

final class HTTPFilterChainInstance {
  private let chain: HTTPFilterChain
  private let reactor: Reactor
  private(set) var slots: [HTTPFilterSlot] = []
  private(set) var request: HTTPFilterPath!
  private(set) var response: HTTPFilterPath!
  /// Nil between streams.
  private(set) var stream: HTTPStream?
  private var depth = 0
  /// No hook is called any more but the last two.
  private(set) var isOver = false
  private var releasePending = false
  private var creating = false

  // What hooks have asked for.
  private var wanted = Wanted()
  private struct Wanted {
    var reset = false
    var reply: Reply?
    /// Some slot wants a message to go on.
    var goOn = false
    var any: Bool { reset || reply != nil || goOn }
  }
  struct Reply {
    var status: Int
    var headers: [(name: [UInt8], value: [UInt8])] = []
    var body: [UInt8] = []
    var details: [UInt8]
  }

  init(_ chain: HTTPFilterChain, reactor: Reactor) {
    self.chain = chain
    self.reactor = reactor
    slots = chain.filters.enumerated().map { index, factory in
      HTTPFilterSlot(self, factory, index: index, pool: reactor.pool)
    }
    request = HTTPFilterPath(.request, places: slots.map(\.request), instance: self, pool: reactor.pool)
    response = HTTPFilterPath(
      .response, places: slots.reversed().map(\.response), instance: self, pool: reactor.pool)
  }

  func begin(_ stream: HTTPStream) {
    self.stream = stream
    isOver = false
    releasePending = false
    wanted = Wanted()
    request.reset()
    response.reset()
  }

  // MARK: The stream's side

  /// Makes the filters and shows them the request's head.
  func requestHead(end: Bool) {
    guard let handles = HandleTable.current else { return }
    enter()
    creating = true
    var refusing: HTTPFilterSlot?
    for slot in slots {
      slot.handle = handles.httpFilters.insert(slot)
      slot.filter = slot.factory.table.pointee.create(
        slot.factory.config, HostHTTPServices.table, slot.handle.rawValue)
      if slot.filter == nil {
        refusing = slot
        break
      }
    }
    creating = false
    if let refusing {
      stream?.manager.context.log(.warning, "filter", "\(refusing.factory.name) refused a stream")
      request.isOver = true
      wanted.reply = Reply(status: 500, details: Array("filter_refused_stream".utf8))
    } else {
      request.head(end: end)
    }
    leave()
  }

  func requestData(_ slice: Slice) {
    enter()
    request.data(slice)
    leave()
  }

  func requestEnd(trailers: Bool) {
    enter()
    request.end(trailers: trailers)
    leave()
  }

  /// False: the response goes past the filters, for one of them has seen another already.
  var takesReply: Bool { !response.hasBegun && !isOver }

  func responseHead(end: Bool) {
    enter()
    response.head(end: end)
    leave()
  }

  func responseData(_ slice: Slice) {
    enter()
    response.data(slice)
    leave()
  }

  func responseEnd(trailers: Bool) {
    enter()
    response.end(trailers: trailers)
    leave()
  }

  /// The stream is answered without the router: nothing more of the request passes.
  func stopRequest() { request.isOver = true }

  // MARK: The filters' side

  func `continue`(_ slot: HTTPFilterSlot, _ direction: martlet_direction) -> martlet_status {
    if creating || isOver { return MARTLET_E_STATE }
    enter()
    wanted.goOn = true
    if direction == MARTLET_REQUEST { slot.requestGoesOn = true } else { slot.responseGoesOn = true }
    leave()
    return MARTLET_OK
  }

  func reply(_ reply: Reply) -> martlet_status {
    if creating || isOver || wanted.reply != nil || wanted.reset { return MARTLET_E_STATE }
    enter()
    request.isOver = true
    if response.hasBegun { response.isOver = true }
    wanted.reply = reply
    leave()
    return MARTLET_OK
  }

  func reset() -> martlet_status {
    if creating || isOver { return MARTLET_E_STATE }
    enter()
    request.isOver = true
    response.isOver = true
    wanted.reset = true
    leave()
    return MARTLET_OK
  }

  func setTimer(_ slot: HTTPFilterSlot, milliseconds: UInt64) -> martlet_status {
    if creating || isOver { return MARTLET_E_STATE }
    reactor.timers.cancel(&slot.timer)
    if milliseconds > 0 {
      slot.timer = reactor.timers.add(slot, at: reactor.now &+ milliseconds &* 1_000_000)
    }
    return MARTLET_OK
  }

  // MARK: Depth

  func enter() { depth += 1 }

  /// Does what hooks have asked for when the outermost has returned.
  func leave() {
    if depth > 1 {
      depth -= 1
      return
    }
    while wanted.any, !isOver { carryOut() }
    depth -= 1
    if releasePending { finish() }
  }

  private func carryOut() {
    let all = wanted
    wanted = Wanted()
    if all.reset {
      stream?.reset()
      return
    }
    if let reply = all.reply {
      stream?.reply(reply)
      return
    }
    for slot in slots where slot.requestGoesOn {
      slot.requestGoesOn = false
      request.goOn(slot.index)
    }
    for slot in slots where slot.responseGoesOn {
      slot.responseGoesOn = false
      response.goOn(slots.count - 1 - slot.index)
    }
  }

  // MARK: The end

  /// The stream is over. Calls `HTTPStream.filtersEnded` when no hook is on the stack any more.
  func end() {
    isOver = true
    request.isOver = true
    response.isOver = true
    releasePending = true
    if depth == 0 { finish() }
  }

  private func finish() {
    releasePending = false
    guard let stream else { return }
    let handles = HandleTable.current
    for slot in slots {
      reactor.timers.cancel(&slot.timer)
      slot.request.clear()
      slot.response.clear()
      slot.requestGoesOn = false
      slot.responseGoesOn = false
    }
    for slot in slots {
      if let filter = slot.filter { slot.factory.table.pointee.on_complete?(filter, stream.result) }
    }
    for slot in slots {
      handles?.httpFilters.remove(slot.handle)
      slot.handle = .none
      if let filter = slot.filter {
        slot.filter = nil
        slot.factory.table.pointee.destroy(filter)
      }
    }
    self.stream = nil
    stream.filtersEnded()
    chain.giveBack(self)
  }
}
