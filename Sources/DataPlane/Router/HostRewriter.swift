// The new host of a request, and what tells the upstream of the old one.
import CMartletSystem
import Model

final class HostRewriter {
  private enum Kind { case literal, header, pathRegex, endpoint, format }
  private let kind: Kind
  private let text: [UInt8]
  private let header: HeaderID
  private let expression: RegularExpression?
  private let appends: Bool
  private let names: OriginNames
  /// What makes the host where no text does; nil: the others do.
  let format: FormatProgram?

  init(_ model: HostRewrite, appendsForwardedHost: Bool, names table: HeaderNameTable) {
    var header = HeaderID.unknown
    var expression: RegularExpression?
    var text = ""
    var format: FormatProgram?
    switch model {
    case .literal(let host): (kind, text) = (.literal, host)
    case .header(let name): (kind, header) = (.header, table.intern(Array(name.utf8)) ?? .unknown)
    case .pathRegex(let regex):
      (kind, text) = (.pathRegex, regex.substitution)
      expression = RegularExpression(regex.pattern)
    case .endpoint: kind = .endpoint
    case .format(let model): (kind, format) = (.format, FormatProgram(model, names: table))
    }
    self.format = format
    self.header = header
    self.expression = expression
    self.text = Array(text.utf8)
    appends = appendsForwardedHost
    names = OriginNames(table)
  }

  /// True where only the endpoint knows the host.
  var waitsForEndpoint: Bool { kind == .endpoint }

  /// Rewrites before the endpoint is known. `tellsOrigin`: the upstream hears of the old host.
  func rewrite(_ request: MessageHead, tellsOrigin: Bool, _ scratch: ByteBuilder) {
    switch kind {
    case .endpoint, .format: break
    case .literal:
      scratch.clear()
      scratch.append(text)
      set(request, scratch.view, tellsOrigin)
    case .header:
      if let value = request.headers.first(header), value.count > 0 {
        set(request, value, tellsOrigin)
      }
    case .pathRegex:
      scratch.clear()
      let path = request.path.withoutQuery
      expression?.replaceAll(in: path, by: text, into: scratch)
      // A path that the expression does not meet is no host.
      let made = scratch.view
      if made.count > 0, made.count != path.count || !bytesEqual(made.base, path.base, path.count) {
        set(request, made, tellsOrigin)
      }
    }
  }

  /// Rewrites to the endpoint's name. Empty: it has none. `again`: it was another endpoint's before.
  func rewrite(
    _ request: MessageHead, endpoint name: String, again: Bool, tellsOrigin: Bool,
    _ scratch: ByteBuilder
  ) {
    if name.isEmpty { return }
    scratch.clear()
    for byte in name.utf8 { scratch.append(byte: byte) }
    if again {
      request.authority = request.headers.keep(scratch.view)
    } else {
      set(request, scratch.view, tellsOrigin)
    }
  }

  func set(_ request: MessageHead, _ host: ByteView, _ tellsOrigin: Bool) {
    let old = request.authority
    request.authority = request.headers.keep(host)
    guard old.count > 0 else { return }
    if tellsOrigin {
      request.headers.set(names.originalHost, "x-envoy-original-host", value: old)
    }
    if appends { names.addForwardedHost(old, to: request.headers) }
  }
}

/// Names of headers that tell where a request came from.
struct OriginNames {
  let originalHost: HeaderID
  let forwardedHost: HeaderID

  init(_ names: HeaderNameTable) {
    originalHost = names.intern(Array("x-envoy-original-host".utf8)) ?? .unknown
    forwardedHost = names.intern(Array("x-forwarded-host".utf8)) ?? .unknown
  }

  /// Adds a host behind those that the field names already.
  func addForwardedHost(_ host: ByteView, to headers: HeaderMap) {
    guard let before = headers.first(forwardedHost), before.count > 0 else {
      headers.set(forwardedHost, "x-forwarded-host", value: host)
      return
    }
    let both = headers.scratch(before.count + 1 + host.count)
    both.update(from: before.base, count: before.count)
    both[before.count] = UInt8(ascii: ",")
    (both + before.count + 1).update(from: host.base, count: host.count)
    headers.set(
      forwardedHost, "x-forwarded-host",
      value: ByteView(UnsafePointer(both), before.count + 1 + host.count))
  }
}
