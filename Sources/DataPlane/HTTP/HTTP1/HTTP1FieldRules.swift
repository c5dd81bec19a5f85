// What the fields that frame and route a message must look like (RFC 9112 sections 6 and 7, RFC
// 9110 section 7.2 and 7.6.1), one at a time while the head is read and together at its end.

enum HTTP1FieldRules {
  /// `HeaderID`s up to here have a rule in `apply`.
  static let lastFramingID = HeaderID.upgrade.rawValue

  static func apply(_ id: HeaderID, _ value: ByteView, to head: MessageHead) -> HTTP1Error? {
    switch id {
    case .host:
      head.hosts &+= 1
      head.authority = value
    case .contentLength:
      if head.contentLength >= 0 { return .repeatedContentLength }
      // Digits only; 19 of them hold every number that could ever be sent.
      guard let length = value.decimal, length <= UInt64(Int64.max) else { return .badContentLength }
      head.contentLength = Int64(length)
    case .transferEncoding:
      head.transferEncodings &+= 1
      if value.equalsIgnoringCase("chunked") {
        head.isChunked = true
      } else {
        head.hasUnsupportedEncoding = true
      }
    case .connection:
      applyConnection(value, to: head)
    case .expect:
      if value.equalsIgnoringCase("100-continue") { head.expectsContinue = true }
    case .upgrade:
      head.hasUpgrade = true
    default:
      break
    }
    return nil
  }

  private static func applyConnection(_ value: ByteView, to head: MessageHead) {
    forEachToken(value) { token in
      if token.equalsIgnoringCase("close") {
        head.connectionClose = true
      } else if token.equalsIgnoringCase("keep-alive") {
        head.connectionKeepAlive = true
      } else if token.equalsIgnoringCase("upgrade") {
        head.connectionUpgrade = true
      } else {
        head.connectionNominates = true
      }
    }
  }

  /// The comma-separated members of a list, without the white space around them; empty ones are
  /// passed over (RFC 9110 section 5.6.1).
  @inline(__always)
  static func forEachToken(_ list: ByteView, _ body: (ByteView) -> Void) {
    var start = 0
    while start < list.count {
      var end = start
      while end < list.count, list[end] != UInt8(ascii: ",") { end += 1 }
      var first = start
      var last = end
      while first < last, list[first] == 0x20 || list[first] == 0x09 { first += 1 }
      while last > first, list[last - 1] == 0x20 || list[last - 1] == 0x09 { last -= 1 }
      if last > first { body(ByteView(list.base + first, last - first)) }
      start = end + 1
    }
  }

  /// The rules that hold for a whole head, of either direction.
  private static func checkFraming(_ head: MessageHead) -> HTTP1Error? {
    if head.transferEncodings > 0 {
      if head.contentLength >= 0 { return .contentLengthWithTransferEncoding }
      if head.transferEncodings > 1 { return .repeatedTransferEncoding }
      if head.minorVersion == 0 { return .transferEncodingInHTTP10 }
      if head.hasUnsupportedEncoding { return .unsupportedTransferEncoding }
    }
    return nil
  }

  static func checkRequest(_ head: MessageHead, options: HTTP1RequestRules) -> HTTP1Error? {
    if head.minorVersion == 0 && !options.acceptHTTP10 { return .http10Disabled }
    if let error = checkFraming(head) { return error }
    if head.hosts > 1 { return .repeatedHost }
    if head.hosts == 1, !HTTP1Characters.isValidAuthority(head.authority) { return .badHost }
    // RFC 9112 section 3.2: a Host is required whatever the form of the target.
    if head.hosts == 0, head.minorVersion == 1 { return .missingHost }
    return HTTP1StartLine.resolveTarget(head, allowAbsolute: options.allowAbsoluteURL)
  }

  static func checkResponse(_ head: MessageHead) -> HTTP1Error? { checkFraming(head) }

  /// Removes the fields that Connection names (RFC 9110 section 7.6.1), Connection itself being
  /// left out later. Fields that frame or route the message are never removed by a peer's wish.
  static func removeNominated(_ head: MessageHead) {
    guard head.connectionNominates else { return }
    var index = 0
    while index < head.headers.count {
      let entry = head.headers.entries[index]
      if entry.id.rawValue == 0 || entry.id.rawValue > HeaderID.upgrade.rawValue,
        isNominated(entry.nameView, in: head)
      {
        head.headers.remove(at: index)
      } else {
        index += 1
      }
    }
  }

  private static func isNominated(_ name: ByteView, in head: MessageHead) -> Bool {
    var found = false
    for index in 0..<head.headers.count where head.headers.entries[index].id == .connection {
      forEachToken(head.headers.entries[index].valueView) { token in
        if token.count == name.count, token.equalsIgnoringCase(name.base) { found = true }
      }
    }
    return found
  }
}

/// What a listener accepts (`Http1ProtocolOptions`).
struct HTTP1RequestRules {
  var acceptHTTP10 = false
  var allowAbsoluteURL = true
}
