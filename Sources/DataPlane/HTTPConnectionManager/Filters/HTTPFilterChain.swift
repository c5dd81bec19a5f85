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
import CMartletBlame
import Model

/// One filter of a chain: a table and what its `create` is given.
struct HTTPFilterFactory {
  /// The filter's name in the configuration.
  let name: String
  let table: UnsafePointer<martlet_http_filter>
  let config: UnsafeMutableRawPointer?
  /// Nil: a filter of the proxy's own.
  let scope: FilterOnWorker?
  /// Takes part only where a route says so.
  let isDisabled: Bool

  init(
    name: String, table: UnsafePointer<martlet_http_filter>, config: UnsafeMutableRawPointer?
  ) {
    self.name = name
    self.table = table
    self.config = config
    scope = nil
    isDisabled = false
  }

  /// A plugin's filter, with its scope on this worker.
  init(_ model: HTTPFilter, _ handles: HandleTable, _ context: WorkerContext) {
    name = model.name
    table = model.binding.table.assumingMemoryBound(to: martlet_http_filter.self)
    config = model.binding.config
    isDisabled = model.isDisabled
    let hooks = FilterOnWorker.Hooks(
      create: table.pointee.worker_create, destroy: table.pointee.worker_destroy,
      onTimer: table.pointee.on_worker_timer, onWake: table.pointee.on_worker_wake)
    scope = handles.filter(model.binding, hooks, context)
  }
}

final class HTTPFilterChain {
  let filters: [HTTPFilterFactory]
  fileprivate let noHead = MessageHead()
  /// What the formats of its filters need to be recorded.
  let formatNeeds: FormatNeeds
  /// Instances between streams, as `HTTPManager.spare`.
  private var spare: [HTTPFilterChainInstance] = []
  private var isRetired = false
  private static let maxSpare = 1024

  init(filters: [HTTPFilterFactory]) {
    self.filters = filters
    formatNeeds = filters.reduce([]) { $0.union($1.scope?.plugin?.formatNeeds ?? []) }
    for filter in filters { filter.scope?.retain() }
  }

  /// The last stream is gone, and the manager.
  deinit { for filter in filters { filter.scope?.release() } }

  func take(for stream: HTTPStream) -> HTTPFilterChainInstance {
    let instance = spare.popLast() ?? HTTPFilterChainInstance(self, stream)
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

/// The heads of a stream's messages for what filters ask for most, at an address that stays.
struct HTTPFilterMaps {
  fileprivate(set) var request: Unmanaged<HeaderMap>?
  /// Nil until the filters see it.
  fileprivate(set) var response: Unmanaged<HeaderMap>?
  /// What can still be changed.
  fileprivate(set) var openRequest: Unmanaged<HeaderMap>?
  fileprivate(set) var openResponse: Unmanaged<HeaderMap>?

  /// To be read. Nil: there is none, or the map is one of trailers.
  @inline(__always)
  func readable(_ map: martlet_header_map) -> Unmanaged<HeaderMap>? {
    map == MARTLET_REQUEST_HEADERS ? request : map == MARTLET_RESPONSE_HEADERS ? response : nil
  }

  @inline(__always)
  func writable(_ map: martlet_header_map) -> Unmanaged<HeaderMap>? {
    map == MARTLET_REQUEST_HEADERS ? openRequest : map == MARTLET_RESPONSE_HEADERS ? openResponse : nil
  }
}

final class HTTPFilterChainInstance {
  private let chain: HTTPFilterChain
  /// The worker's.
  let handles: HandleTable
  let names: Unmanaged<HeaderNameTable>
  /// Stands where there is no head.
  let noHead: MessageHead
  private var slots: [HTTPFilterSlot] = []
  // The same for what happens many times a request: nothing is retained.
  private let borrowedSlots: UnsafeMutablePointer<Unmanaged<HTTPFilterSlot>>
  private(set) var request: HTTPFilterPath!
  private(set) var response: HTTPFilterPath!
  /// Nil between streams.
  private(set) var stream: HTTPStream? {
    didSet { borrowedStream = stream.map(Unmanaged.passUnretained) }
  }
  // The same for what happens many times a request: nothing is retained.
  private(set) var borrowedStream: Unmanaged<HTTPStream>?
  let maps: UnsafeMutablePointer<HTTPFilterMaps>
  /// Who the stream is, for whoever looks at the thread from outside.
  let subject: UnsafeMutablePointer<martlet_subject>
  var borrowedRequest: Unmanaged<HTTPFilterPath> { requestReference.unsafelyUnwrapped }
  var borrowedResponse: Unmanaged<HTTPFilterPath> { responseReference.unsafelyUnwrapped }
  private var requestReference: Unmanaged<HTTPFilterPath>?
  private var responseReference: Unmanaged<HTTPFilterPath>?
  private var depth = 0
  /// What the thread did before the outermost hook.
  private var scope = martlet_scope()
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
    /// Nil: it follows from the status.
    var grpcStatus: UInt32?
    /// The body follows bit by bit (`reply_start`).
    var isStreamed = false
  }

  /// `reply_start` was called: what has been given of the body and has not gone on.
  private(set) var streamedBy: HTTPFilterSlot?
  private let streamed: OutboundQueue
  private var streamedEnd = false
  private var streamedHeadIsOut = false

  fileprivate init(_ chain: HTTPFilterChain, _ stream: HTTPStream) {
    self.chain = chain
    let context = stream.manager.context
    guard let handles = HandleTable.current else { preconditionFailure("streams live on workers") }
    self.handles = handles
    names = Unmanaged.passUnretained(context.names)
    noHead = chain.noHead
    maps = .allocate(capacity: 1)
    maps.initialize(to: HTTPFilterMaps())
    subject = .allocate(capacity: 1)
    subject.initialize(to: martlet_subject())
    borrowedSlots = .allocate(capacity: chain.filters.count)
    let pool = context.reactor.pool
    streamed = OutboundQueue(pool: pool)
    request = HTTPFilterPath(
      .request, hooks: chain.filters.map { HTTPFilterSlot.hooks($0, handles, ofRequest: true) },
      instance: self, pool: pool)
    response = HTTPFilterPath(
      .response, hooks: chain.filters.reversed().map { HTTPFilterSlot.hooks($0, handles, ofRequest: false) },
      instance: self, pool: pool)
    requestReference = Unmanaged.passUnretained(request)
    responseReference = Unmanaged.passUnretained(response)
    slots = chain.filters.enumerated().map { index, factory in
      let slot = HTTPFilterSlot(self, factory, index: index, context: context)
      (borrowedSlots + index).initialize(to: Unmanaged.passUnretained(slot))
      return slot
    }
  }

  /// Every slot, first to last; they live as long as the instance.
  @inline(__always)
  private func forEachSlot(_ body: (HTTPFilterSlot) -> Void) {
    for index in 0..<slots.count { borrowedSlots[index]._withUnsafeGuaranteedRef(body) }
  }

  deinit {
    maps.deallocate()
    subject.deallocate()
    borrowedSlots.deallocate()
  }

  /// Acts on the stream are possible.
  var takesActs: Bool { !creating && !isOver }

  func begin(_ stream: HTTPStream) {
    self.stream = stream
    isOver = false
    releasePending = false
    wanted = Wanted()
    streamedBy = nil
    streamedEnd = false
    streamedHeadIsOut = false
    request.reset()
    response.reset()
    let headers = Unmanaged.passUnretained(stream.request.headers)
    maps.pointee = HTTPFilterMaps(request: headers, openRequest: headers)
    stream.describe(to: subject)
  }

  /// The request's head has passed the last filter.
  func requestIsOut() { maps.pointee.openRequest = nil }
  /// The response's head is on its way to the client, with or without having passed the filters.
  func responseIsOut() { maps.pointee.openResponse = nil }

  // MARK: The stream's side

  /// Makes the filters and shows them the request's head.
  func requestHead(end: Bool) {
    enter()
    creating = true
    var refusing = -1
    let routes = borrowedStream?._withUnsafeGuaranteedRef { $0.routeFilters }
    for index in 0..<slots.count {
      if borrowedSlots[index]._withUnsafeGuaranteedRef({ $0.create(routes) }) { continue }
      refusing = index
      break
    }
    creating = false
    if refusing >= 0 {
      stream?.manager.context.log(.warning, "filter", "\(slots[refusing].name) refused a stream")
      request.isOver = true
      wanted.reply = Reply(status: 500, details: Array("filter_refused_stream".utf8))
    } else {
      borrowedRequest._withUnsafeGuaranteedRef { $0.head(end: end) }
    }
    leave()
  }

  func requestData(_ slice: Slice) {
    enter()
    borrowedRequest._withUnsafeGuaranteedRef { $0.data(slice) }
    leave()
  }

  func requestEnd(trailers: Bool) {
    enter()
    borrowedRequest._withUnsafeGuaranteedRef { $0.end(trailers: trailers) }
    leave()
  }

  /// False: the response goes past the filters, for one of them has seen another already.
  var takesReply: Bool { !response.hasBegun && !isOver }

  func responseHead(end: Bool) {
    borrowedStream?._withUnsafeGuaranteedRef { stream in
      let headers = Unmanaged.passUnretained(stream.response.headers)
      maps.pointee.response = headers
      maps.pointee.openResponse = headers
    }
    enter()
    borrowedResponse._withUnsafeGuaranteedRef { $0.head(end: end) }
    leave()
  }

  func responseData(_ slice: Slice) {
    enter()
    borrowedResponse._withUnsafeGuaranteedRef { $0.data(slice) }
    leave()
  }

  func responseEnd(trailers: Bool) {
    enter()
    borrowedResponse._withUnsafeGuaranteedRef { $0.end(trailers: trailers) }
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

  func reply(_ reply: Reply, by slot: HTTPFilterSlot) -> martlet_status {
    if creating || isOver || wanted.reply != nil || wanted.reset || streamedBy != nil {
      return MARTLET_E_STATE
    }
    enter()
    if reply.isStreamed { streamedBy = slot }
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

  /// `body_pass`.
  func pass(_ slot: HTTPFilterSlot, _ direction: martlet_direction, _ count: Int) -> martlet_status {
    if creating || isOver { return MARTLET_E_STATE }
    enter()
    wanted.goOn = true
    if direction == MARTLET_REQUEST { slot.requestPasses += count } else { slot.responsePasses += count }
    leave()
    return MARTLET_OK
  }

  /// `reply_body`.
  func replyBody(_ slot: HTTPFilterSlot, _ bytes: martlet_bytes, end: Bool) -> martlet_status {
    guard streamedBy === slot, !streamedEnd, !isOver else { return MARTLET_E_STATE }
    enter()
    if let data = bytes.data, bytes.size > 0 { streamed.append(copying: data, count: bytes.size) }
    streamedEnd = end
    wanted.goOn = true
    leave()
    return MARTLET_OK
  }

  private func sendStreamed() {
    guard streamedHeadIsOut else { return }
    while let slice = streamed.popSlice() {
      if isOver { slice.release() } else { stream?.responseData(slice) }
    }
    if streamedEnd, !isOver {
      streamedBy = nil
      stream?.responseEnd(trailers: nil)
    }
  }

  /// The client takes less than comes: whoever streams a reply is told.
  func backPressure(_ stop: Bool) { streamedBy?.backPressure(stop) }

  // MARK: Depth

  func enter() {
    if depth == 0 { scope = martlet_scope_begin(subject) }
    depth += 1
  }

  /// Does what hooks have asked for when the outermost has returned.
  func leave() {
    if depth > 1 {
      depth -= 1
      return
    }
    while wanted.any, !isOver { carryOut() }
    depth -= 1
    martlet_scope_end(scope)
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
      // What was to go on belongs to messages that the reply takes the place of.
      for slot in slots { slot.forgetWishes() }
      if reply.isStreamed { streamedHeadIsOut = true }
      stream?.reply(reply)
      if streamedBy != nil { sendStreamed() }
      return
    }
    if streamedBy != nil { sendStreamed() }
    for slot in slots {
      if slot.requestPasses > 0 {
        let count = slot.requestPasses
        slot.requestPasses = 0
        request.pass(slot.index, count)
      }
      if slot.requestGoesOn {
        slot.requestGoesOn = false
        request.goOn(slot.index)
      }
    }
    for slot in slots {
      if slot.responsePasses > 0 {
        let count = slot.responsePasses
        slot.responsePasses = 0
        response.pass(slots.count - 1 - slot.index, count)
      }
      if slot.responseGoesOn {
        slot.responseGoesOn = false
        response.goOn(slots.count - 1 - slot.index)
      }
    }
  }

  // MARK: The end

  /// The stream is over. Calls `HTTPStream.filtersEnded` when no hook is on the stack any more.
  func end() {
    isOver = true
    requestIsOut()
    responseIsOut()
    request.isOver = true
    response.isOver = true
    releasePending = true
    if depth == 0 { finish() }
  }

  private func finish() {
    releasePending = false
    guard let stream else { return }
    forEachSlot { $0.beginEnd() }
    borrowedRequest._withUnsafeGuaranteedRef { $0.clear() }
    borrowedResponse._withUnsafeGuaranteedRef { $0.clear() }
    if !streamed.isEmpty { streamed.removeAll() }
    let scope = martlet_scope_begin(subject)
    let result = stream.result
    forEachSlot { $0.complete(result) }
    forEachSlot { $0.destroy() }
    martlet_scope_end(scope)
    self.stream = nil
    stream.filtersEnded()
    chain.giveBack(self)
  }
}
