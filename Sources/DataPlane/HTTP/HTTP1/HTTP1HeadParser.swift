// The parser of HTTP/1 heads (RFC 9112 sections 2 to 5), for requests, responses and trailers.
//
// It works in place on the bytes as they lie in the read buffer, a line at a time, and keeps its
// position between calls, so that a head that comes a byte at a time costs no more than one that
// comes whole. It is a pure state machine: no I/O, no allocation.
//
// Strictness: lines end in CRLF and nothing else; names are tokens directly followed by a colon;
// values hold no control character but HTAB; no obsolete folding; no repeated Content-Length; no
// Transfer-Encoding but exactly one `chunked`; never both. RFC 9112 lets a recipient accept a bare
// LF; every smuggling attack of the last years lived on two parsers disagreeing about such
// leniency, so this one has none.

/// Why a message was refused.
enum HTTP1Error: UInt8 {
  case badRequestLine, badMethod, badVersion, badStatusLine, bareLineFeed, badHeaderName, badHeaderValue,
    badContentLength, repeatedContentLength, contentLengthWithTransferEncoding,
    repeatedTransferEncoding, unsupportedTransferEncoding, transferEncodingInHTTP10, badHost,
    missingHost, repeatedHost, badTarget, badChunk, headTooLarge, tooManyHeaders, badTrailer,
    http10Disabled, underscoreInName

  /// For logs.
  var text: StaticString {
    switch self {
    case .badRequestLine: "malformed request line"
    case .badMethod: "invalid method"
    case .badVersion: "unsupported HTTP version"
    case .badStatusLine: "malformed status line"
    case .bareLineFeed: "line does not end in CRLF"
    case .badHeaderName: "invalid header name"
    case .badHeaderValue: "invalid header value"
    case .badContentLength: "invalid content-length"
    case .repeatedContentLength: "repeated content-length"
    case .contentLengthWithTransferEncoding: "content-length with transfer-encoding"
    case .repeatedTransferEncoding: "repeated transfer-encoding"
    case .unsupportedTransferEncoding: "unsupported transfer-encoding"
    case .transferEncodingInHTTP10: "transfer-encoding in HTTP/1.0"
    case .badHost: "invalid host"
    case .missingHost: "missing host"
    case .repeatedHost: "repeated host"
    case .badTarget: "invalid request target"
    case .badChunk: "malformed chunk"
    case .headTooLarge: "headers too large"
    case .tooManyHeaders: "too many headers"
    case .badTrailer: "invalid trailer"
    case .http10Disabled: "HTTP/1.0 not accepted"
    case .underscoreInName: "underscore in a header name"
    }
  }

  /// Envoy's name for it among the response details.
  var details: StaticString {
    switch self {
    case .badHeaderValue: "http1.invalid_characters"
    case .contentLengthWithTransferEncoding: "http1.content_length_and_chunked_not_allowed"
    case .unsupportedTransferEncoding, .repeatedTransferEncoding: "http1.invalid_transfer_encoding"
    case .transferEncodingInHTTP10: "http1.transfer_encoding_not_allowed"
    case .headTooLarge: "http1.headers_too_large"
    case .tooManyHeaders: "http1.too_many_headers"
    case .badHost, .badTarget: "http1.invalid_url"
    case .missingHost: "missing_host_header"
    case .http10Disabled: "low_version"
    case .underscoreInName: "http1.unexpected_underscore"
    default: "http1.codec_error"
    }
  }
}

struct HTTP1HeadParser {
  enum Kind { case request, response, trailers }
  enum Outcome: Equatable {
    case needMore
    /// Bytes of the head, its empty line included.
    case complete(length: Int)
    case failed(HTTP1Error)
  }

  struct Limits {
    var maxBytes: Int
    var maxHeaders: Int
  }

  private let kind: Kind
  /// Start of the line being read, from the start of the head.
  private var lineStart = 0
  /// No line end before here.
  private var scanned = 0
  private var inFields: Bool
  /// Where the head was at the last call; it may have been moved since.
  private var lastBase: UnsafePointer<UInt8>?

  init(_ kind: Kind) {
    self.kind = kind
    inFields = kind == .trailers
  }

  /// True when no byte of a head has been seen.
  var isFresh: Bool { lineStart == 0 && scanned == 0 }

  /// Reads on. `base` is the start of the head, `count` the bytes there are. Names are turned to
  /// lower case in place.
  mutating func parse(
    _ base: UnsafeMutablePointer<UInt8>, _ count: Int, into head: MessageHead,
    names: HeaderNameTable, limits: Limits
  ) -> Outcome {
    if let lastBase, lastBase != UnsafePointer(base) {
      head.rebase(from: lastBase, to: UnsafePointer(base))
    }
    lastBase = UnsafePointer(base)
    while true {
      guard let found = ByteView(base + scanned, count - scanned).firstIndex(of: 0x0a) else {
        scanned = count
        // Something else than HTTP (a TLS hello, say) is told so at once, not when it ends a line.
        if kind == .request, !inFields, count > lineStart, base[lineStart] != 0x0d,
          HTTP1Characters.tokenLowercase[Int(base[lineStart])] == 0
        {
          return .failed(.badMethod)
        }
        return count > limits.maxBytes ? .failed(.headTooLarge) : .needMore
      }
      let lineFeed = scanned + found
      let next = lineFeed + 1
      if next > limits.maxBytes { return .failed(.headTooLarge) }
      if lineFeed == lineStart || base[lineFeed - 1] != 0x0d { return .failed(.bareLineFeed) }
      let start = lineStart
      let end = lineFeed - 1
      lineStart = next
      scanned = next
      if inFields {
        if start == end { return .complete(length: next) }
        if let error = parseField(base, start, end, head, names, limits) { return .failed(error) }
      } else if start == end && kind == .request {
        // RFC 9112 section 2.2: empty lines before a request line are ignored. They count
        // towards the limit.
        continue
      } else {
        let line = ByteView(base + start, end - start)
        let error =
          kind == .request
          ? HTTP1StartLine.parseRequest(line, into: head)
          : HTTP1StartLine.parseStatus(line, into: head)
        if let error { return .failed(error) }
        inFields = true
      }
    }
  }

  @inline(__always)
  private func parseField(
    _ base: UnsafeMutablePointer<UInt8>, _ start: Int, _ end: Int, _ head: MessageHead,
    _ names: HeaderNameTable, _ limits: Limits
  ) -> HTTP1Error? {
    var index = start
    var hash = HeaderNameTable.hashSeed
    let table = HTTP1Characters.tokenLowercase
    while index < end {
      let lower = table[Int(base[index])]
      if lower == 0 { break }
      base[index] = lower
      hash = HeaderNameTable.hash(hash, lower)
      index &+= 1
    }
    let nameLength = index &- start
    if index == end || base[index] != 0x3a || nameLength == 0 || nameLength > 0xffff {
      return .badHeaderName
    }
    var valueStart = index &+ 1
    var valueEnd = end
    while valueStart < valueEnd, base[valueStart] == 0x20 || base[valueStart] == 0x09 {
      valueStart &+= 1
    }
    while valueEnd > valueStart, base[valueEnd - 1] == 0x20 || base[valueEnd - 1] == 0x09 {
      valueEnd &-= 1
    }
    let value = ByteView(base + valueStart, valueEnd &- valueStart)
    if !HTTP1Characters.isValidValue(value) { return .badHeaderValue }
    if head.headers.count == limits.maxHeaders { return .tooManyHeaders }
    let id = names.lookup(base + start, nameLength, hash: hash)
    head.headers.appendParsed(
      HeaderEntry(
        name: UnsafePointer(base + start), value: value.base, valueLength: UInt32(value.count),
        nameLength: UInt16(nameLength), id: id))
    if id.rawValue != 0 && id.rawValue <= HTTP1FieldRules.lastFramingID && kind != .trailers {
      return HTTP1FieldRules.apply(id, value, to: head)
    }
    return nil
  }
}
