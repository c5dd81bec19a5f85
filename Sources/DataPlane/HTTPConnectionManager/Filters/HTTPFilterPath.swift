// One message on its way past the filters of a stream: the request from the first to the last, the
// response from the last to the first. Each filter has a place; what it does not pass on waits
// there, head, body and trailers, whatever the filters before and behind it do meanwhile.
//
//     source --> place 0 --> place 1 --> ... --> sink (router or codec)
import CMartletABI
import CMartletBlame

/// One filter's hooks for one message, side by side with the others' so that a message without a body
/// touches nothing else of those that let it pass.
struct HTTPFilterHooks {
  let headers: (@convention(c) (UnsafeMutableRawPointer?, Bool) -> martlet_filter_status)?
  let body: (@convention(c) (UnsafeMutableRawPointer?, Bool) -> martlet_filter_status)?
  let trailers: (@convention(c) (UnsafeMutableRawPointer?) -> martlet_filter_status)?
  let calls: PluginCalls
  /// Nil before `create` and where it has refused: the message passes by.
  var filter: UnsafeMutableRawPointer?
  /// MARTLET_CONTINUE: nothing is held.
  var stop = MARTLET_CONTINUE
}

/// What one filter holds of one message.
final class HTTPFilterPlace {
  /// In the path's memory.
  let hooks: UnsafeMutablePointer<HTTPFilterHooks>
  private let index: Int
  private unowned(unsafe) let path: HTTPFilterPath
  /// MARTLET_CONTINUE: nothing is held.
  var stop: martlet_filter_status {
    @inline(__always) get { hooks.pointee.stop }
    @inline(__always) set { hooks.pointee.stop = newValue }
  }
  var holdsHead = false
  /// The message's end has come here and has not gone on.
  var holdsEnd = false
  var holdsTrailers = false
  /// One of this filter's hooks of this direction is being called.
  var inHook: Bool { path.active == index }
  /// The filter has given the message trailers, which have not gone on.
  var madeTrailers = false
  /// Bytes that have come and not gone on.
  let body: OutboundQueue

  fileprivate init(_ path: HTTPFilterPath, _ index: Int, pool: ChunkPool) {
    self.path = path
    self.index = index
    hooks = path.hooks + index
    body = OutboundQueue(pool: pool)
  }

  var stopsAll: Bool { stop == MARTLET_STOP_ALL || stop == MARTLET_STOP_ALL_SLOW }
  var isSlow: Bool { stop == MARTLET_STOP_SLOW || stop == MARTLET_STOP_ALL_SLOW }

  func clear() {
    stop = MARTLET_CONTINUE
    holdsHead = false
    holdsEnd = false
    holdsTrailers = false
    madeTrailers = false
    if !body.isEmpty { body.removeAll() }
  }
}

final class HTTPFilterPath {
  enum Direction { case request, response }
  private let direction: Direction
  /// The headers hook; those of body and trailers follow it.
  private let firstHook: UInt32
  /// In the order of the message, as are the places.
  let hooks: UnsafeMutablePointer<HTTPFilterHooks>
  let count: Int
  private var places: [HTTPFilterPlace] = []
  /// One of the places may hold something.
  private var isUsed = false
  private unowned(unsafe) let instance: HTTPFilterChainInstance
  /// The place whose hook is being called; -1: none. What hooks ask for waits until they return, so that
  /// there is never a second.
  fileprivate var active = -1
  /// The hook that is being called was told that the message ends there.
  private var activeSawEnd = false
  /// The hook has changed the body that its place holds, or made trailers.
  private var isTouched = false
  /// What comes from the source, on its way into the first place.
  private let incoming: OutboundQueue
  /// What a filter that stays stopped lets pass.
  private let passed: OutboundQueue
  /// The message is not wanted any more.
  var isOver = false
  private(set) var hasBegun = false
  /// The head has passed the last filter.
  private(set) var headIsOut = false
  /// A filter has added or removed bytes.
  private(set) var bodyChanged = false
  /// The source has been asked to slow down.
  private var isSlowed = false
  /// Content-Length of a head that has gone out, less what has followed it; -1: not counted.
  private var owed: Int64 = -1

  /// The place whose body follows the head that is passed on, and whether the message ends with it.
  private var following: (index: Int, end: Bool)?

  init(
    _ direction: Direction, hooks: [HTTPFilterHooks], instance: HTTPFilterChainInstance, pool: ChunkPool
  ) {
    self.direction = direction
    self.instance = instance
    firstHook = UInt32(
      direction == .request ? MARTLET_HOOK_ON_REQUEST_HEADERS : MARTLET_HOOK_ON_RESPONSE_HEADERS)
    count = hooks.count
    self.hooks = .allocate(capacity: hooks.count)
    self.hooks.initialize(from: hooks, count: hooks.count)
    incoming = OutboundQueue(pool: pool)
    passed = OutboundQueue(pool: pool)
    places = hooks.indices.map { HTTPFilterPlace(self, $0, pool: pool) }
  }

  deinit { hooks.deallocate() }

  /// What the filter at `index` holds, to be changed.
  func place(at index: Int) -> HTTPFilterPlace {
    isUsed = true
    return places[index]
  }

  /// From a hook of the active place.
  func bodyWasChanged() {
    bodyChanged = true
    isTouched = true
  }

  /// Lets go of all that is held.
  func clear() {
    if !isUsed { return }
    isUsed = false
    for place in places { place.clear() }
  }

  func reset() {
    isOver = false
    hasBegun = false
    headIsOut = false
    bodyChanged = false
    isSlowed = false
    owed = -1
    following = nil
  }

  // MARK: From the source

  func head(end: Bool) {
    guard !isOver else { return }
    hasBegun = true
    head(from: 0, end: end)
  }

  func data(_ slice: Slice) {
    guard !isOver else {
      slice.release()
      return
    }
    incoming.append(slice)
    body(from: 0, incoming, end: false)
    incoming.removeAll()
    checkHeld()
  }

  func end(trailers: Bool) {
    guard !isOver else { return }
    if trailers { self.trailers(from: 0) } else { body(from: 0, incoming, end: true) }
    checkHeld()
  }

  // MARK: Past the places

  private func head(from start: Int, end: Bool) {
    // No hook of this path is called from another, so these hold for all that let the head pass.
    activeSawEnd = end
    isTouched = false
    let kind = firstHook
    var index = start
    while index < count {
      let hooks = hooks + index
      guard let hook = hooks.pointee.headers, let filter = hooks.pointee.filter else {
        index &+= 1
        continue
      }
      active = index
      let status = hooks.pointee.calls.callInScope(kind) { hook(filter, end) }
      active = -1
      if isOver { return }
      if status != MARTLET_CONTINUE {
        let place = place(at: index)
        place.stop = status
        place.holdsHead = true
        place.holdsEnd = end
        return
      }
      if isTouched {
        headTouched(at: index, end: end)
        return
      }
      index &+= 1
    }
    sinkHead(end: end)
  }

  /// The filter has let the head pass and given the message trailers, or a body, or a beginning of one.
  private func headTouched(at index: Int, end: Bool) {
    let place = place(at: index)
    if place.madeTrailers {
      place.madeTrailers = false
      if place.body.isEmpty {
        head(from: index + 1, end: false)
      } else {
        headWithBody(of: index, isWhole: false)
        if !isOver { body(from: index + 1, place.body, end: false) }
      }
      if !isOver { trailers(from: index + 1) }
    } else if place.body.isEmpty {
      head(from: index + 1, end: end)
    } else {
      headWithBody(of: index, isWhole: end)
      if !isOver { body(from: index + 1, place.body, end: end) }
    }
  }

  /// The head that a place has held goes on, in front of the body that it holds.
  private func headWithBody(of index: Int, isWhole: Bool) {
    following = (index, isWhole)
    head(from: index + 1, end: isWhole && places[index].body.isEmpty)
    following = nil
  }

  /// Moves what is in `source` along. With `end`, the message ends behind it.
  private func body(from start: Int, _ source: OutboundQueue, end: Bool) {
    var source = source
    var index = start
    while index < count {
      let hooks = hooks + index
      if hooks.pointee.stop == MARTLET_CONTINUE, hooks.pointee.body == nil || hooks.pointee.filter == nil {
        index &+= 1
        continue
      }
      let place = place(at: index)
      if source !== place.body { place.body.append(contentsOf: source) }
      if end { place.holdsEnd = true }
      if place.stopsAll { return }
      guard callBody(index, end: end) else { return }
      let wasHolding = place.holdsHead
      release(place)
      if place.madeTrailers {
        place.madeTrailers = false
        if wasHolding { headWithBody(of: index, isWhole: false) }
        if !isOver, !place.body.isEmpty { body(from: index + 1, place.body, end: false) }
        if !isOver { trailers(from: index + 1) }
        return
      }
      if wasHolding {
        headWithBody(of: index, isWhole: end)
        if isOver || (end && place.body.isEmpty) { return }
      }
      source = place.body
      if source.isEmpty && !end { return }
      index += 1
    }
    sinkBody(source, end: end)
  }

  /// True: all that the place holds goes on.
  private func callBody(_ index: Int, end: Bool) -> Bool {
    let hooks = hooks + index
    guard let hook = hooks.pointee.body, let filter = hooks.pointee.filter else {
      return hooks.pointee.stop == MARTLET_CONTINUE
    }
    let status = call(index, firstHook + 1, end: end) { hook(filter, end) }
    if isOver { return false }
    if status != MARTLET_CONTINUE {
      hooks.pointee.stop = status == MARTLET_STOP_SLOW ? MARTLET_STOP_SLOW : MARTLET_STOP
      return false
    }
    return true
  }

  @inline(__always)
  private func call(
    _ index: Int, _ kind: UInt32, end: Bool, _ hook: () -> martlet_filter_status
  ) -> martlet_filter_status {
    active = index
    activeSawEnd = end
    isTouched = false
    let status = hooks[index].calls.callInScope(kind, hook)
    active = -1
    return status
  }

  /// `trailers_create`: in a hook that was told of the message's end.
  func createTrailers(at place: HTTPFilterPlace) -> martlet_status {
    guard let stream = instance.stream, place.inHook, activeSawEnd, !place.madeTrailers,
      stream.makeTrailers(ofRequest: direction == .request)
    else { return MARTLET_E_STATE }
    place.madeTrailers = true
    isTouched = true
    if !headIsOut {
      // Trailers want a body in chunks (RFC 9112 section 7.1.2).
      let head = direction == .request ? stream.request : stream.response
      head.headers.remove(.contentLength)
      head.contentLength = -1
      head.isChunked = true
    }
    return MARTLET_OK
  }

  private func release(_ place: HTTPFilterPlace) {
    place.stop = MARTLET_CONTINUE
    place.holdsHead = false
    place.holdsEnd = false
  }

  private func trailers(from start: Int) {
    for index in start..<count {
      let place = place(at: index)
      if place.stopsAll {
        place.holdsTrailers = true
        return
      }
      guard callTrailers(index) else {
        if !isOver { place.holdsTrailers = true }
        return
      }
      let wasHolding = place.holdsHead
      release(place)
      place.holdsTrailers = false
      if wasHolding { headWithBody(of: index, isWhole: false) }
      if isOver { return }
      if !place.body.isEmpty { body(from: index + 1, place.body, end: false) }
      if isOver { return }
    }
    sinkTrailers()
  }

  /// A filter without a hook for trailers hears the end by its body hook; one without either goes on
  /// where it has not stopped.
  private func callTrailers(_ index: Int) -> Bool {
    let hooks = hooks + index
    guard let hook = hooks.pointee.trailers, let filter = hooks.pointee.filter else {
      return callBody(index, end: true)
    }
    let status = call(index, firstHook + 2, end: false) { hook(filter) }
    if isOver { return false }
    if status == MARTLET_CONTINUE { return true }
    if hooks.pointee.stop == MARTLET_CONTINUE { hooks.pointee.stop = MARTLET_STOP }
    return false
  }

  /// The filter at a place has said that what it holds may go on.
  func goOn(_ index: Int) {
    let place = place(at: index)
    guard !isOver, place.stop != MARTLET_CONTINUE else { return }
    let unseen = place.stopsAll
    let holdsHead = place.holdsHead
    let end = place.holdsEnd && !place.holdsTrailers && !place.madeTrailers
    let holdsTrailers = place.holdsTrailers || place.madeTrailers
    release(place)
    place.holdsTrailers = false
    place.madeTrailers = false
    if holdsHead {
      headWithBody(of: index, isWhole: end)
      if isOver || (end && place.body.isEmpty) { return }
    }
    // What came under MARTLET_STOP_ALL has not been shown to the filter itself.
    let next = unseen ? index : index + 1
    if !place.body.isEmpty || end { body(from: next, place.body, end: end) }
    if holdsTrailers, !isOver { trailers(from: next) }
    if !isOver { checkHeld() }
  }

  /// The filter at a place has said that the first `count` bytes of what it holds may go on, while it
  /// stays stopped.
  func pass(_ index: Int, _ count: Int) {
    let place = place(at: index)
    guard !isOver, place.stop != MARTLET_CONTINUE, !place.inHook else { return }
    let count = Swift.min(count, place.body.byteCount)
    let last = count == place.body.byteCount && place.holdsEnd && !place.holdsTrailers
    if last {
      // Nothing is left to hold.
      goOn(index)
      return
    }
    if place.holdsHead {
      place.holdsHead = false
      head(from: index + 1, end: false)
      if isOver { return }
    }
    if count > 0 {
      passed.take(count, of: place.body)
      body(from: index + 1, passed, end: false)
      passed.removeAll()
    }
    if !isOver { checkHeld() }
  }

  // MARK: Limits

  /// What is held is bounded by the stream's buffer limit.
  private func checkHeld() {
    if !isSlowed, (0..<count).allSatisfy({ hooks[$0].stop == MARTLET_CONTINUE }) { return }
    guard !isOver, let stream = instance.stream else { return }
    var held = 0
    var slow = true
    for place in places where !place.body.isEmpty {
      held += place.body.byteCount
      if !place.isSlow { slow = false }
    }
    let limit = stream.bufferLimit
    if held > limit {
      if slow {
        if !isSlowed { slowDown(stream, true) }
      } else {
        isOver = true
        stream.heldTooMuch(ofRequest: direction == .request)
      }
    } else if isSlowed, held <= limit / 2 {
      slowDown(stream, false)
    }
  }

  private func slowDown(_ stream: HTTPStream, _ slow: Bool) {
    isSlowed = slow
    if direction == .request {
      if slow { stream.pauseRequest(.filters) } else { stream.continueRequest(.filters) }
    } else {
      if slow { stream.pauseResponse(.filters) } else { stream.continueResponse(.filters) }
    }
  }

  // MARK: To the sink

  // The instance holds its stream until the outermost hook or event of the stream is over (`enter`, `leave`),
  // and so borrowing it is enough here.

  private func sinkHead(end: Bool) {
    guard let stream = instance.borrowedStream else { return }
    headIsOut = true
    if direction == .request { instance.requestIsOut() }
    stream._withUnsafeGuaranteedRef { stream in
      let head = direction == .request ? stream.request : stream.response
      correctFraming(of: head, end: end)
      owed = end ? -1 : head.contentLength
      if direction == .request { stream.forwardHead(end: end) } else { stream.sendHead(end: end) }
    }
  }

  /// The length that the head announces is that of the body as the filters have left it, where that
  /// is known; where it is not, the body is framed without one.
  private func correctFraming(of head: MessageHead, end: Bool) {
    if direction == .request {
      // What follows an upgrade or CONNECT has no frame.
      if head.isTunnel { return }
      if end {
        head.isChunked = false
        if head.contentLength > 0 { setLength(head, 0) }
      } else if bodyChanged || (head.contentLength < 0 && !head.isChunked) {
        setLengthOfHeld(head)
      }
    } else if bodyChanged, instance.stream?.opensTunnel != true {
      if end { setLength(head, 0) } else { setLengthOfHeld(head) }
    }
  }

  private func setLengthOfHeld(_ head: MessageHead) {
    if let following, following.end, ((following.index + 1)..<count).allSatisfy({ hooks[$0].body == nil }) {
      setLength(head, Int64(places[following.index].body.byteCount))
    } else {
      head.headers.remove(.contentLength)
      head.contentLength = -1
      head.isChunked = true
    }
  }

  private func setLength(_ head: MessageHead, _ length: Int64) {
    head.headers.remove(.contentLength)
    head.headers.add(.contentLength, "content-length", decimal: UInt64(length))
    head.contentLength = length
    head.isChunked = false
  }

  private func sinkBody(_ source: OutboundQueue, end: Bool) {
    while let slice = source.popSlice() {
      guard !isOver, let stream = instance.borrowedStream, accounts(slice.count) else {
        slice.release()
        continue
      }
      stream._withUnsafeGuaranteedRef { stream in
        if direction == .request { stream.forwardData(slice) } else { stream.sendData(slice) }
      }
    }
    if end { sinkEnd(trailers: false) }
  }

  private func sinkTrailers() { sinkEnd(trailers: true) }

  private func sinkEnd(trailers: Bool) {
    guard !isOver, let stream = instance.borrowedStream else { return }
    if owed > 0 {
      mismatch()
      return
    }
    stream._withUnsafeGuaranteedRef { stream in
      if direction == .request {
        stream.forwardEnd(trailers: trailers ? stream.requestTrailers : nil)
      } else {
        stream.sendEnd(trailers: trailers ? stream.responseTrailers : nil)
      }
    }
  }

  /// More or less body than the head that has gone out announces would move the border of the next
  /// message on the connection: the stream is broken off instead.
  private func accounts(_ count: Int) -> Bool {
    guard owed >= 0 else { return true }
    owed -= Int64(count)
    if owed >= 0 { return true }
    mismatch()
    return false
  }

  private func mismatch() {
    isOver = true
    guard let stream = instance.stream else { return }
    stream.manager.context.log(
      .error, "filter", "a filter changed the length of a body after its content-length had gone out")
    stream.reset()
  }
}
