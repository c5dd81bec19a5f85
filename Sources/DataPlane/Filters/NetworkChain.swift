// Chains of network filters: C function tables called in the order of the configuration.
//
// A configuration gives a `NetworkChain` (tables and their configurations); a connection whose
// chain has more than the terminal gets a `NetworkChainInstance` with a filter for each.
//
// Re-entrancy: hooks may write, close and continue. `close` and `continue` take effect when the
// outermost callback has returned; so does the end of the filters.
import CMartletABI
import CMartletBlame
import Model

/// One filter of a chain: a table and what its `create` is given.
struct NetworkFilterFactory {
  let name: String
  let table: UnsafePointer<martlet_network_filter>
  let config: UnsafeMutableRawPointer?
  /// Nil: a filter of the proxy's own.
  let scope: FilterOnWorker?

  init(
    name: String = "", table: UnsafePointer<martlet_network_filter>, config: UnsafeMutableRawPointer?
  ) {
    self.name = name
    self.table = table
    self.config = config
    scope = nil
  }

  /// A plugin's filter, with its scope on this worker.
  init(_ model: PluginNetworkFilter, _ handles: HandleTable, _ context: WorkerContext) {
    name = model.name
    table = model.binding.table.assumingMemoryBound(to: martlet_network_filter.self)
    config = model.binding.config
    let hooks = FilterOnWorker.Hooks(
      create: table.pointee.worker_create, destroy: table.pointee.worker_destroy,
      onTimer: table.pointee.on_worker_timer, onWake: table.pointee.on_worker_wake)
    scope = handles.filter(model.binding, hooks, context)
  }
}

final class NetworkChain {
  let filters: [NetworkFilterFactory]
  let terminal: TerminalFactory?
  let hasWriteHook: Bool
  let nameText: OwnedText
  let metadata: MetadataTree?
  /// Keeps the configurations of the built-in filters alive.
  private let owners: [AnyObject]

  init(
    filters: [NetworkFilterFactory], terminal: TerminalFactory?, name: String = "",
    metadata: Metadata = Metadata(), owners: [AnyObject] = []
  ) {
    self.metadata = MetadataTree(metadata)
    nameText = OwnedText(name)
    self.filters = filters
    self.terminal = terminal
    self.owners = owners
    hasWriteHook = filters.contains { $0.table.pointee.on_write != nil }
    for filter in filters { filter.scope?.retain() }
  }

  /// The last connection is gone, and the listener's chains.
  deinit { for filter in filters { filter.scope?.release() } }

  /// Whether connections of both have the same filters in front of their terminal.
  func hasSameFilters(as other: NetworkChain) -> Bool {
    filters.count == other.filters.count
      && zip(filters, other.filters).allSatisfy {
        $0.table == $1.table && $0.scope === $1.scope && $0.scope != nil
      }
  }
}

/// A filter's place in the chain of one connection.
final class NetworkFilterSlot: FilterScope {
  unowned let instance: NetworkChainInstance
  let factory: NetworkFilterFactory
  let calls: PluginCalls
  let index: Int
  var filter: UnsafeMutableRawPointer?
  /// It has been told of the connection.
  var knowsConnection = false
  /// `continue_reading` was called and has not been carried out.
  var goesOn = false
  var isInData = false
  /// What the filter has borrowed until the connection's end.
  private var kept: [OwnedText] = []

  init(_ instance: NetworkChainInstance, _ factory: NetworkFilterFactory, index: Int, context: WorkerContext)
  {
    self.instance = instance
    self.factory = factory
    calls = factory.scope?.calls ?? instance.ownCalls
    self.index = index
    super.init(kind: .connection, context: context, plugin: factory.scope?.plugin, name: factory.name)
  }

  override var takesTimers: Bool { factory.table.pointee.on_timer != nil }
  override func timerDue(_ timer: UInt32) {
    guard let hook = factory.table.pointee.on_timer else { return }
    instance.call { self.call(MARTLET_HOOK_ON_TIMER) { hook(self.filter, timer) } }
  }
  override func woken(_ token: UInt64) {
    guard let hook = factory.table.pointee.on_wake else { return }
    instance.call { self.call(MARTLET_HOOK_ON_WAKE) { hook(self.filter, token) } }
  }

  @inline(__always)
  func call<Result>(_ hook: Int32, _ body: () -> Result) -> Result {
    calls.call(hook, about: UnsafePointer(instance.subject), body)
  }

  // MARK: Facts

  private var connection: Connection { instance.connection }

  override func text(_ attribute: martlet_text_attribute, to out: TextBuffer) -> Bool {
    FilterScope.text(attribute, of: connection, to: out)
  }
  override func number(_ attribute: martlet_number_attribute) -> UInt64? {
    FilterScope.number(attribute, of: connection, context)
  }
  override var downstream: Connection? { connection }
  override var filterBinding: FilterBinding? { factory.scope?.binding }
  override var storedView: StoredView { StoredView(connection: connection.stored) }
  override func storedForWriting() -> StoredData? {
    if let stored = connection.stored { return stored }
    let made = StoredData()
    connection.stored = made
    return made
  }
  override func note(_ flag: ResponseFlags) -> Bool {
    connection.keepRecord().info.flags.formUnion(flag)
    return true
  }
  override func withFormatContext(_ body: (inout FormatContext) -> Void) -> Bool {
    let record = connection.keepRecord()
    withUnsafeMutablePointer(to: &record.info) { info in
      var context = FormatContext(
        worker: context, request: nil, response: nil, trailers: nil, connection: connection, info: info)
      body(&context)
    }
    return true
  }
  override func keep(_ view: ByteView) -> ByteView {
    let text = OwnedText(view)
    kept.append(text)
    return text.view
  }
}

final class NetworkChainInstance {
  private let chain: NetworkChain
  unowned let connection: Connection
  private var slots: [NetworkFilterSlot] = []
  /// What the terminal writes, before the write hooks have seen it. Nil where there is none.
  let staging: OutboundQueue?
  private var depth = 0
  private var closeRequested: martlet_close_mode?
  private var continueRequested = false
  private var closed = false
  private var sawEnd = false
  private(set) var isWriting = false
  /// Who the connection is, for whoever looks at the thread from outside.
  let subject: UnsafeMutablePointer<martlet_subject>
  let ownCalls: PluginCalls

  /// Nil off a worker.
  init?(_ chain: NetworkChain, connection: Connection) {
    guard let handles = HandleTable.current else { return nil }
    ownCalls = handles.ownCalls
    subject = .allocate(capacity: 1)
    subject.initialize(to: martlet_subject())
    subject.pointee.connection = connection.connectionID
    self.chain = chain
    self.connection = connection
    staging = chain.hasWriteHook ? OutboundQueue(pool: connection.context.reactor.pool) : nil
  }

  deinit { subject.deallocate() }

  /// How to close the connection when a filter refuses it; nil when all take it. A filter that
  /// closes inside its own `create` is kept until then, so that it ends like the others.
  func create() -> martlet_close_mode? {
    guard let handles = HandleTable.current else { return MARTLET_CLOSE_NOW }
    depth += 1
    defer { depth -= 1 }
    for (index, factory) in chain.filters.enumerated() {
      let slot = NetworkFilterSlot(self, factory, index: index, context: connection.context)
      slot.handle = handles.filters.insert(slot)
      if let scope = factory.scope {
        scope.counters.add(.streamsTotal)
        scope.counters.add(.streamsActive)
      }
      slots.append(slot)
      if factory.scope?.refused != true {
        let object = factory.scope?.object
        slot.filter = slot.call(MARTLET_HOOK_CREATE) {
          factory.table.pointee.create(
            factory.config, object, HostNetworkServices.table, slot.handle.rawValue)
        }
      }
      if slot.filter == nil { return MARTLET_CLOSE_NOW }
      if let mode = closeRequested {
        closeRequested = nil
        return mode
      }
    }
    return nil
  }

  // MARK: Hooks

  private func enter() { depth += 1 }

  /// Requests made in a hook are carried out when the outermost one has returned.
  private func leave() {
    depth -= 1
    guard depth == 0 else { return }
    if let mode = closeRequested {
      closeRequested = nil
      carryOutClose(mode)
      return
    }
    while continueRequested, !closed {
      continueRequested = false
      for slot in slots where slot.goesOn {
        slot.goesOn = false
        goOn(behind: slot.index)
        if closed { return }
      }
    }
  }

  /// A hook that comes by itself: a timer, a wake.
  func call(_ body: () -> Void) {
    guard !closed else { return }
    enter()
    body()
    leave()
  }

  /// True: all filters from there on let it pass. Each hears of the connection before its bytes.
  private func pass(from start: Int, bytes: Bool) -> Bool {
    for slot in slots[start...] {
      let table = slot.factory.table
      if !slot.knowsConnection {
        slot.knowsConnection = true
        if let hook = table.pointee.on_new_connection,
          slot.call(MARTLET_HOOK_ON_NEW_CONNECTION, { hook(slot.filter) }) != MARTLET_CONTINUE
        {
          return false
        }
        if closed || closeRequested != nil { return false }
      }
      guard bytes, let hook = table.pointee.on_data else { continue }
      slot.isInData = true
      let status = slot.call(MARTLET_HOOK_ON_DATA) { hook(slot.filter, sawEnd) }
      slot.isInData = false
      if status != MARTLET_CONTINUE || closed || closeRequested != nil { return false }
    }
    return true
  }

  func newConnection() {
    enter()
    if pass(from: 0, bytes: false) { connection.startTerminal() }
    leave()
  }

  /// True when the terminal is to see the bytes.
  func offerData(end: Bool) -> Bool {
    if end { sawEnd = true }
    guard !closed, closeRequested == nil else { return false }
    enter()
    let passed = pass(from: 0, bytes: true)
    if passed { connection.startTerminal() }
    leave()
    return passed && !closed
  }

  private func goOn(behind index: Int) {
    guard !closed else { return }
    enter()
    let bytes = !connection.inbound.isEmpty || sawEnd
    if pass(from: index + 1, bytes: bytes) {
      connection.startTerminal()
      if !closed { connection.deliver(end: sawEnd) }
    }
    leave()
    if !closed { connection.releaseInput() }
  }

  /// From `Connection.flush`: what the terminal has written passes the filters, last to first.
  func runWriteFilters() {
    guard let staging, !staging.isEmpty, !closed else { return }
    enter()
    isWriting = true
    var passed = true
    for slot in slots.reversed() {
      guard let hook = slot.factory.table.pointee.on_write else { continue }
      if slot.call(MARTLET_HOOK_ON_WRITE, { hook(slot.filter) }) != MARTLET_CONTINUE {
        passed = false
        break
      }
    }
    isWriting = false
    if passed, !closed { connection.socket.outbound.append(contentsOf: staging) }
    leave()
  }

  /// It ends the chain, and is not writing inside of a write hook.
  func isTerminal(_ slot: NetworkFilterSlot) -> Bool {
    chain.terminal == nil && slot.index == slots.count - 1 && !isWriting
  }

  // MARK: What filters ask for

  func requestClose(_ mode: martlet_close_mode) {
    if depth == 0 { carryOutClose(mode) } else { closeRequested = mode }
  }

  func requestContinue(_ slot: NetworkFilterSlot) {
    slot.goesOn = true
    continueRequested = true
    if depth > 0 { return }
    connection.context.reactor.defer { [weak self] in self?.call {} }
  }

  private func carryOutClose(_ mode: martlet_close_mode) {
    if mode == MARTLET_CLOSE_FLUSH {
      connection.linger(timeout: 1_000_000_000)
    } else {
      connection.close(reset: mode == MARTLET_CLOSE_RESET)
    }
  }

  /// The connection has ended. Filters end when no hook of theirs is on the stack.
  func close() {
    guard !closed else { return }
    closed = true
    for slot in slots {
      slot.isEnding = true
      slot.cancelTimers()
    }
    staging?.removeAll()
    if depth == 0 {
      finish(connection)
    } else {
      // Facts can still be asked for: the connection stays that long.
      let connection = connection
      connection.context.reactor.defer { self.finish(connection) }
    }
  }

  private func finish(_ connection: Connection) {
    let handles = HandleTable.current
    for slot in slots {
      if let filter = slot.filter {
        let table = slot.factory.table
        if let hook = table.pointee.on_close { slot.call(MARTLET_HOOK_ON_CLOSE) { hook(filter) } }
        slot.call(MARTLET_HOOK_DESTROY) { table.pointee.destroy(filter) }
        slot.filter = nil
      }
      handles?.filters.remove(slot.handle)
      slot.handle = .none
      slot.factory.scope?.counters.subtract(.streamsActive)
    }
  }
}
