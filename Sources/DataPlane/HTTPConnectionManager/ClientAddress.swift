// Who the client of a request is: the connection's peer, or whom the request's headers name
// (`use_remote_address`, `xff_num_trusted_hops`, `original_ip_detection_extensions`), whether it is
// an internal one, and what is written into the forwarding headers about it.
//
// The order of the steps is Envoy's (`mutateRequestHeaders`), which operators rely on: trust is
// decided by the request as it came, before anything is added to it.
import Model

final class ClientAddress {
  private let trust: ClientTrust
  private let ways: [Way]
  private enum Way {
    case forwardedFor(OriginalAddress.ForwardedFor)
    case header(HeaderID, name: [UInt8], isTrusted: Bool, rejection: Int?)
  }

  /// What has been found out.
  struct Finding {
    /// Nil: nobody but the peer was found.
    var address: IPAddress?
    var isInternal = false
    /// The status to refuse the request with.
    var rejection: Int?
  }

  init(_ trust: ClientTrust, names: HeaderNameTable) {
    self.trust = trust
    if trust.detection.isEmpty {
      var way = OriginalAddress.ForwardedFor()
      way.trustedHops = trust.trustedHops
      ways = [.forwardedFor(way)]
    } else {
      ways = trust.detection.map { detection in
        switch detection {
        case .forwardedFor(let way): return .forwardedFor(way)
        case .header(let header):
          let name = Array(header.name.utf8)
          return .header(
            names.intern(name) ?? .unknown, name: name, isTrusted: header.isTrusted,
            rejection: header.rejection)
        }
      }
    }
  }

  /// True: the client may be one that is not trusted at the edge.
  var isEdge: Bool { trust.usesRemoteAddress }
  /// Without headers that name a client there is nothing to find out and nothing to write.
  var needsOnlyForwardedFor: Bool {
    !trust.usesRemoteAddress && !trust.appendsPort && trust.detection.isEmpty
  }

  /// Reads and rewrites the forwarding headers. `present`: of the request, as it came.
  func find(_ request: MessageHead, _ connection: Connection, _ present: HeaderSet) -> Finding {
    if present.contains(.xForwardedFor) { request.headers.join(.xForwardedFor) }
    var finding =
      trust.usesRemoteAddress
      ? findPeer(request.headers, connection, present) : detect(request.headers, connection)
    if finding.rejection == nil { finding.isInternal = finding.isInternal && isInternal(finding, connection) }
    if trust.appendsPort { appendPort(request.headers, connection, present) }
    return finding
  }

  private func findPeer(_ headers: HeaderMap, _ connection: Connection, _ present: HeaderSet) -> Finding {
    var finding = Finding()
    // "May be internal", until the address has been looked at.
    finding.isInternal = !present.contains(.xForwardedFor)
    if trust.trustedHops > 0, let list = headers.first(.xForwardedFor) {
      finding.address = ForwardedFor.last(of: list, skipping: trust.trustedHops - 1).address
    }
    if !trust.skipsAppend { append(headers, connection) }
    // What somebody untrusted says of the scheme is not passed on.
    if trust.trustedHops == 0, present.contains(.xForwardedProto) { headers.remove(.xForwardedProto) }
    return finding
  }

  private func detect(_ headers: HeaderMap, _ connection: Connection) -> Finding {
    var finding = Finding()
    for way in ways {
      switch way {
      case .forwardedFor(let way):
        let (address, isTrusted, appends) = read(way, headers, connection)
        if appends { append(headers, connection) }
        guard let address else { continue }
        finding.address = address
        finding.isInternal = isTrusted
        return finding
      case .header(let id, let name, let isTrusted, let rejection):
        let position = name.withView { headers.position(of: id, $0) }
        if let position, let address = AddressText.parse(headers.entries[position].valueView) {
          finding.address = address
          finding.isInternal = isTrusted
          return finding
        }
        if let rejection {
          finding.rejection = rejection
          return finding
        }
      }
    }
    return finding
  }

  private func read(
    _ way: OriginalAddress.ForwardedFor, _ headers: HeaderMap, _ connection: Connection
  ) -> (IPAddress?, isTrusted: Bool, appends: Bool) {
    let list = headers.first(.xForwardedFor)
    guard way.usesRanges else {
      let result = list.map { ForwardedFor.last(of: $0, skipping: way.trustedHops) }
      return (result?.address, result?.isSingle ?? false, !way.skipsAppend)
    }
    guard case .ip(let peer, _) = connection.addresses.remote,
      way.trustedRanges.contains(where: { $0.contains(peer) })
    else { return (nil, false, true) }
    let address = list.flatMap { ForwardedFor.lastUntrusted(of: $0, way.trustedRanges) }
    // Trusted proxies stand between: the client behind them is never taken for an internal one,
    // unless it is the only address there.
    return (address, list?.firstIndex(of: UInt8(ascii: ",")) == nil, !way.skipsAppend)
  }

  private func isInternal(_ finding: Finding, _ connection: Connection) -> Bool {
    if let address = finding.address { return holds(address) }
    guard trust.usesRemoteAddress else { return false }
    switch connection.addresses.remote {
    case .ip(let address, _): return holds(address)
    case .unix, .unixAbstract: return trust.internalUnixSockets
    }
  }

  private func holds(_ address: IPAddress) -> Bool {
    for range in trust.internalRanges where range.contains(address) { return true }
    return false
  }

  // MARK: Writing

  private func append(_ headers: HeaderMap, _ connection: Connection) {
    guard case .ip(let peer, _) = connection.addresses.remote else { return }
    if connection.addresses.remoteText.isEmpty {
      connection.addresses.remoteText = text(of: peer.isLoopback ? LocalNodeAddress.ipv4 : peer)
    }
    connection.addresses.remoteText.withView {
      headers.append(.xForwardedFor, "x-forwarded-for", value: $0, separator: ",")
    }
  }

  /// Once a connection.
  private func text(of address: IPAddress) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
      guard let base = buffer.baseAddress else { return }
      count = AddressText.write(address, mapped: trust.mapsIPv4, to: base)
    }
  }

  private func appendPort(_ headers: HeaderMap, _ connection: Connection, _ present: HeaderSet) {
    let overwrites = trust.usesRemoteAddress && trust.trustedHops == 0
    guard overwrites || !present.contains(.xForwardedPort),
      case .ip(_, let port) = connection.localAddress()
    else { return }
    if present.contains(.xForwardedPort) { headers.remove(.xForwardedPort) }
    headers.add(.xForwardedPort, "x-forwarded-port", decimal: UInt64(port))
  }

  /// `x-envoy-external-address` of a request at the edge.
  func writeExternalAddress(_ finding: Finding, _ headers: HeaderMap, _ connection: Connection) {
    guard let address = finding.address ?? peer(connection) else { return }
    let space = headers.scratch(AddressText.maxLength)
    let length = AddressText.write(address, to: space)
    headers.remove(.xEnvoyExternalAddress)
    headers.addInPlace(
      .xEnvoyExternalAddress, "x-envoy-external-address",
      value: ByteView(UnsafePointer(space), length))
  }

  private func peer(_ connection: Connection) -> IPAddress? {
    guard case .ip(let address, _) = connection.addresses.remote else { return nil }
    return address
  }
}
