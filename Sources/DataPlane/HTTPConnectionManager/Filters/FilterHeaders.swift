// Headers as filters see and change them: fields by name, the parts of the start line as
// pseudo-headers. Whatever a filter sets is checked as if it had come from the network: it can
// neither end a head early nor frame a message in two ways.
import CMartletABI

/// One of the four maps of a stream.
struct FilterHeaders {
  /// MARTLET_OK: there is such a map. Otherwise nothing else holds.
  let status: martlet_status
  // The stream's and the worker's, which outlive any call: retaining them would be most of its cost.
  private let borrowedHead: Unmanaged<MessageHead>
  private let borrowedNames: Unmanaged<HeaderNameTable>
  private var head: MessageHead { borrowedHead.takeUnretainedValue() }
  private var names: HeaderNameTable { borrowedNames.takeUnretainedValue() }
  let isRequest: Bool
  let isTrailers: Bool
  /// The head has passed the last filter.
  let isSealed: Bool

  @inline(__always)
  init(
    _ head: Unmanaged<MessageHead>, _ names: Unmanaged<HeaderNameTable>, isRequest: Bool, isTrailers: Bool,
    isSealed: Bool, status: martlet_status = MARTLET_OK
  ) {
    borrowedHead = head
    borrowedNames = names
    self.isRequest = isRequest
    self.isTrailers = isTrailers
    self.isSealed = isSealed
    self.status = status
  }

  private enum Pseudo { case method, path, authority, scheme, status }

  /// The pseudo-header of this map with this name; `host` is one in requests.
  private func pseudo(_ name: ByteView) -> Pseudo? {
    if isTrailers { return nil }
    if isRequest {
      if name == "host" || name == ":authority" { return .authority }
      guard name.count > 0, name[0] == UInt8(ascii: ":") else { return nil }
      if name == ":method" { return .method }
      if name == ":path" { return .path }
      if name == ":scheme" { return .scheme }
      return nil
    }
    return name == ":status" ? .status : nil
  }

  // MARK: Reading

  func get(_ name: ByteView, nth: Int) -> ByteView? {
    if let pseudo = pseudo(name) { return nth == 0 ? read(pseudo) : nil }
    let id = names.find(name)
    var left = nth
    var start = 0
    while let found = head.headers.position(of: id, name, from: start) {
      if left == 0 { return head.headers.entries[found].valueView }
      left -= 1
      start = found + 1
    }
    return nil
  }

  @inline(__always)
  func get(_ header: PluginRuntime.Header, nth: Int) -> ByteView? {
    if nth == 0, !header.isSpecial {
      return borrowedHead._withUnsafeGuaranteedRef { $0.headers.first(header.id) }
    }
    return get(header.name, nth: nth)
  }

  private func read(_ pseudo: Pseudo) -> ByteView? {
    switch pseudo {
    case .method: return head.methodText
    case .path: return head.path
    case .authority: return head.authority
    case .scheme:
      let text: StaticString = head.schemeIsHTTPS ? "https" : "http"
      return ByteView(text.utf8Start, text.utf8CodeUnitCount)
    case .status:
      let text = head.headers.scratch(20)
      return ByteView(UnsafePointer(text), writeDecimal(UInt64(head.status), to: text))
    }
  }

  /// Fields in the order of the message. `host` is `:authority` and not among them.
  var count: Int {
    var hidden = 0
    if isRequest, !isTrailers {
      for index in 0..<head.headers.count where head.headers.entries[index].id == .host { hidden += 1 }
    }
    return head.headers.count - hidden
  }

  /// Calls `body` with each field and its index; gives how many there are.
  func forEach(_ body: (Int, HeaderEntry) -> Void) -> Int {
    var index = 0
    for position in 0..<head.headers.count {
      let entry = head.headers.entries[position]
      if isRequest, !isTrailers, entry.id == .host { continue }
      body(index, entry)
      index += 1
    }
    return index
  }

  func field(at position: Int) -> HeaderEntry? {
    var left = position
    for index in 0..<head.headers.count {
      let entry = head.headers.entries[index]
      if isRequest, !isTrailers, entry.id == .host { continue }
      if left == 0 { return entry }
      left -= 1
    }
    return nil
  }

  // MARK: Changing

  func set(_ name: ByteView, _ value: ByteView) -> martlet_status {
    if isSealed { return MARTLET_E_STATE }
    guard HTTP1Characters.isValidValue(value) else { return MARTLET_E_ARGUMENT }
    if let pseudo = pseudo(name) { return write(pseudo, value) }
    guard let id = changeable(name) else { return MARTLET_E_ARGUMENT }
    if id == .contentLength { return setLength(value) }
    head.headers.setCopy(id, name: name, value: value)
    return MARTLET_OK
  }

  @inline(__always)
  func set(_ header: PluginRuntime.Header, _ value: ByteView) -> martlet_status {
    if header.isSpecial { return set(header.name, value) }
    if isSealed { return MARTLET_E_STATE }
    guard HTTP1Characters.isValidValue(value) else { return MARTLET_E_ARGUMENT }
    borrowedHead._withUnsafeGuaranteedRef {
      $0.headers.setCopy(header.id, name: header.name, value: value)
    }
    return MARTLET_OK
  }

  /// The value behind a comma at the end of the first field.
  func append(_ name: ByteView, _ value: ByteView) -> martlet_status {
    if isSealed { return MARTLET_E_STATE }
    guard let old = get(name, nth: 0) else { return add(name, value) }
    guard HTTP1Characters.isValidValue(value) else { return MARTLET_E_ARGUMENT }
    let joined = head.headers.scratch(old.count + 1 + value.count)
    joined.update(from: old.base, count: old.count)
    joined[old.count] = UInt8(ascii: ",")
    (joined + old.count + 1).update(from: value.base, count: value.count)
    let text = ByteView(UnsafePointer(joined), old.count + 1 + value.count)
    if pseudo(name) != nil { return set(name, text) }
    guard let id = changeable(name), id != .contentLength, let first = head.headers.position(of: id, name)
    else {
      return MARTLET_E_ARGUMENT
    }
    head.headers.entries[first].value = text.base
    head.headers.entries[first].valueLength = UInt32(text.count)
    return MARTLET_OK
  }

  func add(_ name: ByteView, _ value: ByteView) -> martlet_status {
    if isSealed { return MARTLET_E_STATE }
    guard HTTP1Characters.isValidValue(value), pseudo(name) == nil, let id = changeable(name) else {
      return MARTLET_E_ARGUMENT
    }
    if id == .contentLength {
      return head.contentLength < 0 ? setLength(value) : MARTLET_E_ARGUMENT
    }
    head.headers.addCopy(id, name: name, value: value)
    return MARTLET_OK
  }

  func remove(_ name: ByteView) -> martlet_status {
    if isSealed { return MARTLET_E_STATE }
    guard pseudo(name) == nil, let id = changeable(name) else { return MARTLET_E_ARGUMENT }
    guard let first = head.headers.position(of: id, name) else { return MARTLET_E_NOT_FOUND }
    var position: Int? = first
    while let found = position {
      head.headers.remove(at: found)
      position = head.headers.position(of: id, name, from: found)
    }
    if id == .contentLength {
      // The body, if there is one, is chunked then.
      head.isChunked = head.contentLength > 0
      head.contentLength = -1
    }
    return MARTLET_OK
  }

  /// The number of a name that a filter may change; nil for no field name and for the codec's own.
  private func changeable(_ name: ByteView) -> HeaderID? {
    guard name.count > 0, name.count < 65_536 else { return nil }
    for index in 0..<name.count
    where HTTP1Characters.tokenLowercase[Int(name[index])] != name[index] { return nil }
    let id = names.find(name)
    return HTTP1Encoder.isHopByHop(id) ? nil : id
  }

  private func setLength(_ value: ByteView) -> martlet_status {
    guard !isTrailers, let length = value.decimal, length <= UInt64(Int64.max) else {
      return MARTLET_E_ARGUMENT
    }
    head.headers.set(.contentLength, "content-length", value: value)
    head.contentLength = Int64(length)
    head.isChunked = false
    return MARTLET_OK
  }

  private func write(_ pseudo: Pseudo, _ value: ByteView) -> martlet_status {
    switch pseudo {
    case .method:
      let text = head.headers.keep(value)
      guard HTTP1StartLine.setMethod(text, of: head) else { return MARTLET_E_ARGUMENT }
    case .path:
      guard HTTP1Characters.isValidTarget(value), value[0] == UInt8(ascii: "/") || value == "*" else {
        return MARTLET_E_ARGUMENT
      }
      head.path = head.headers.keep(value)
    case .authority:
      guard HTTP1Characters.isValidAuthority(value) else { return MARTLET_E_ARGUMENT }
      head.authority = head.headers.keep(value)
      if head.headers.contains(.host) { head.headers.set(.host, "host", value: value) }
    case .scheme:
      if value == "http" {
        head.schemeIsHTTPS = false
      } else if value == "https" {
        head.schemeIsHTTPS = true
      } else {
        return MARTLET_E_ARGUMENT
      }
    case .status:
      guard value.count == 3, let status = value.decimal, (200..<600).contains(status) else {
        return MARTLET_E_ARGUMENT
      }
      head.status = Int(status)
    }
    return MARTLET_OK
  }
}

extension HTTPFilterSlot {
  /// A map by its number. MARTLET_E_ARGUMENT: there is none of that number; MARTLET_E_STATE: the message
  /// has none, or not yet.
  @inline(__always)
  func headers(_ map: martlet_header_map) -> FilterHeaders {
    borrowedInstance._withUnsafeGuaranteedRef { $0.headers(map) }
  }
}

extension HTTPFilterChainInstance {
  @inline(__always)
  fileprivate func headers(_ map: martlet_header_map) -> FilterHeaders {
    guard let stream = borrowedStream else { return noHeaders(MARTLET_E_STATE) }
    let isOver = isOver
    let names = names
    return stream._withUnsafeGuaranteedRef { stream in
      switch map {
      case MARTLET_REQUEST_HEADERS:
        let isOut = borrowedRequest._withUnsafeGuaranteedRef { $0.headIsOut }
        return FilterHeaders(
          Unmanaged.passUnretained(stream.request), names, isRequest: true, isTrailers: false,
          isSealed: isOut || isOver)
      case MARTLET_RESPONSE_HEADERS:
        guard borrowedResponse._withUnsafeGuaranteedRef({ $0.hasBegun }) else {
          return noHeaders(MARTLET_E_STATE)
        }
        return FilterHeaders(
          stream.borrowedResponse, names, isRequest: false, isTrailers: false,
          isSealed: stream.responseStarted || isOver)
      case MARTLET_REQUEST_TRAILERS:
        guard stream.requestHasTrailers else { return noHeaders(MARTLET_E_STATE) }
        return FilterHeaders(
          Unmanaged.passUnretained(stream.requestTrailers), names, isRequest: true, isTrailers: true,
          isSealed: stream.requestForwarded || isOver)
      case MARTLET_RESPONSE_TRAILERS:
        guard stream.responseHasTrailers else { return noHeaders(MARTLET_E_STATE) }
        return FilterHeaders(
          Unmanaged.passUnretained(stream.responseTrailers), names, isRequest: false, isTrailers: true,
          isSealed: isOver)
      default:
        return noHeaders(MARTLET_E_ARGUMENT)
      }
    }
  }

  @inline(__always)
  private func noHeaders(_ status: martlet_status) -> FilterHeaders {
    FilterHeaders(
      Unmanaged.passUnretained(noHead), names, isRequest: false, isTrailers: false, isSealed: true,
      status: status)
  }
}
