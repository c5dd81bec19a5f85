// What a format operator of a plugin writes for: the stream or connection of the format that is being
// written. Its handle holds for one call of the operator. Everything can be read with it and nothing changed.
import CMartletABI
import Model

final class FormatScope: FilterScope {
  /// Of the call that runs; the innermost, where an operator is asked while it is asked.
  private(set) var format: UnsafeMutablePointer<FormatContext>?
  private let handles: HandleTable
  private let place: Int
  /// What the operator has borrowed until its call returns.
  private let arena = Arena()
  /// Stands where there is no head.
  let noHead = MessageHead()

  init(handles: HandleTable, context: WorkerContext, plugin: PluginRuntime?, name: String) {
    self.handles = handles
    place = handles.filters.reserve()
    super.init(kind: .format, context: context, plugin: plugin, name: name)
    isEnding = true
  }

  deinit { handles.filters.free(place) }

  /// A call begins. Gives what `end` is to be handed.
  func begin(_ format: UnsafeMutablePointer<FormatContext>) -> UnsafeMutablePointer<FormatContext>? {
    let outer = self.format
    self.format = format
    if outer == nil { handle = handles.filters.lend(self, at: place) }
    return outer
  }

  func end(_ outer: UnsafeMutablePointer<FormatContext>?) {
    format = outer
    guard outer == nil else { return }
    handles.filters.withdraw(place)
    handle = .none
    arena.clear()
  }

  // MARK: Facts

  override func text(_ attribute: martlet_text_attribute, to out: TextBuffer) -> Bool {
    guard let format = format?.pointee else { return false }
    let info = format.info
    func write(_ text: ByteView) -> Bool {
      out.append(text)
      return text.count > 0
    }
    switch attribute {
    case MARTLET_DOWNSTREAM_REMOTE_ADDRESS where info.pointee.remote != nil:
      AddressText.write(info.pointee.remote.unsafelyUnwrapped, to: out)
      return true
    case MARTLET_ROUTE_NAME: return write(info.pointee.routeName)
    case MARTLET_VIRTUAL_HOST_NAME: return write(info.pointee.virtualHostName)
    case MARTLET_CLUSTER_NAME: return write(info.pointee.cluster?.nameText.view ?? MessageHead.empty)
    case MARTLET_UPSTREAM_ADDRESS:
      guard let endpoint = info.pointee.endpoint else { return false }
      AddressText.write(endpoint.model.address, to: out)
      return true
    case MARTLET_RESPONSE_CODE_DETAILS: return write(info.pointee.details)
    case MARTLET_RESPONSE_FLAGS:
      if info.pointee.flags.isEmpty { return false }
      info.pointee.flags.write(long: false, to: out)
      return true
    case MARTLET_PROTOCOL:
      guard let request = format.request else { return false }
      out.append(request.minorVersion == 0 ? "HTTP/1.0" : "HTTP/1.1")
      return true
    default:
      guard let connection = format.connection else { return false }
      return FilterScope.text(attribute, of: connection, to: out)
    }
  }

  override func number(_ attribute: martlet_number_attribute) -> UInt64? {
    guard let format = format?.pointee else { return nil }
    let info = format.info
    switch attribute {
    case MARTLET_START_TIME where format.request != nil:
      let start = info.pointee.start
      return UInt64(bitPattern: context.wall.nanoseconds(at: start, now: context.reactor.now))
    case MARTLET_DURATION where format.request != nil: return context.reactor.now &- info.pointee.start
    case MARTLET_RESPONSE_CODE where format.request != nil: return UInt64(status(format))
    case MARTLET_RESPONSE_SOURCE where format.request != nil:
      if status(format) == 0 { return 0 }
      return info.pointee.details == "via_upstream" ? 1 : 2
    case MARTLET_REQUEST_BYTES where format.request != nil: return info.pointee.bodyReceived
    case MARTLET_RESPONSE_BYTES where format.request != nil: return info.pointee.bodySent
    case MARTLET_ATTEMPTS where format.request != nil: return UInt64(info.pointee.attempts)
    default:
      guard let connection = format.connection else { return nil }
      return FilterScope.number(attribute, of: connection, context)
    }
  }

  private func status(_ format: FormatContext) -> Int {
    info(format).responseCode > 0 ? info(format).responseCode : format.response?.status ?? 0
  }
  private func info(_ format: FormatContext) -> StreamInfo { format.info.pointee }

  override var storedView: StoredView { format?.pointee.stored ?? StoredView() }

  override func withFormatContext(_ body: (inout FormatContext) -> Void) -> Bool {
    guard let format else { return false }
    body(&format.pointee)
    return true
  }

  override func keep(_ view: ByteView) -> ByteView { ByteView(arena.copy(view), view.count) }
}
