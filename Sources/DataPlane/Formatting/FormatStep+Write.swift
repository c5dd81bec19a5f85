// What each operator writes.
import Model

extension FormatStep {
  /// Adds the value to the buffer. False: there is none, and nothing was written.
  func write(_ context: inout FormatContext, to out: TextBuffer) -> Bool {
    let start = out.count
    guard value(&context, to: out) else { return false }
    if limit >= 0 { out.truncate(to: start + Int(limit)) }
    return true
  }

  private func value(_ context: inout FormatContext, to out: TextBuffer) -> Bool {
    switch code {
    case .text: out.append(text)
    case .requestField: return writeField(context.request, context, to: out)
    case .responseField: return writeField(context.response, context, to: out)
    case .trailerField: return writeField(context.trailers, context, to: out)
    case .requestFieldWithoutQuery, .path:
      guard let found = find(context.request, context) else { return false }
      let withQuery = code == .path && kind == 1
      out.append(withQuery ? found : found.prefix(found.firstIndex(of: UInt8(ascii: "?")) ?? found.count))
    case .queryParameter:
      return FormatQuery.parameter(text, of: context.request, to: out)
    case .queryParameters:
      return FormatQuery.all(of: context.request, decoded: kind == 1, to: out)
    case .requestHeadBytes, .responseHeadBytes, .trailerBytes: writeHeadBytes(context, to: out)
    case .grpcStatus: return FormatGRPC.write(style: kind, context, to: out)
    case .startTime: writeTime(context.info.pointee.start, context, to: out)
    case .emitTime: writeTime(context.worker.reactor.now, context, to: out)
    case .duration: return writeDuration(context, to: out)
    case .totalDuration:
      let info = context.info
      out.append(decimal: (context.worker.reactor.now &- info.pointee.start) / 1_000_000)
    case .bytes: out.append(decimal: counted(context.info))
    case .zero: out.append(UInt8(ascii: "0"))
    case .responseCode: out.append(decimal: UInt64(context.info.pointee.responseCode))
    case .responseCodeDetails: return writeDetails(context, to: out)
    case .responseFlags: writeFlags(context.info.pointee.flags, to: out)
    case .terminationDetails: return append(context.info.pointee.connectionTerminationDetails, to: out)
    case .transportFailure: return append(context.info.pointee.upstreamTransportFailure, to: out)
    case .accessLogType: out.append(context.logType.name)
    case .localReplyBody: out.append(context.localReplyBody)
    case .coalesce: return writeFirst(&context, to: out)
    case .metadata, .filterState: return writeStored(context, to: out)
    case .absent, .absentNumber: return false
    case .plugin: return writePlugin(&context, to: out)
    default: return writeName(&context, to: out)
    }
    return true
  }

  private func append(_ view: ByteView, to out: TextBuffer) -> Bool {
    out.append(view)
    return view.count > 0
  }

  // MARK: Fields

  private func writeField(_ head: MessageHead?, _ context: FormatContext, to out: TextBuffer) -> Bool {
    if field.kind == .status {
      guard let head, head.status > 0 else { return false }
      out.append(decimal: UInt64(head.status))
      return true
    }
    guard let found = find(head, context) else { return false }
    out.append(found)
    return true
  }

  private func find(_ head: MessageHead?, _ context: FormatContext) -> ByteView? {
    guard let head else { return nil }
    return FormatStep.find(field, in: head, context) ?? FormatStep.find(alternative, in: head, context)
  }

  @inline(__always)
  private static func find(_ field: Field, in head: MessageHead, _ context: FormatContext) -> ByteView? {
    func known(_ view: ByteView) -> ByteView? { view.count > 0 ? view : nil }
    switch field.kind {
    case .header: return head.headers.first(field.id)
    case .method: return known(head.methodText)
    // CONNECT has none.
    case .path: return head.method == .connect ? nil : known(head.path)
    case .authority: return known(head.authority)
    case .scheme:
      if head.methodText.count == 0 { return nil }
      let text: StaticString = head.schemeIsHTTPS ? "https" : "http"
      return ByteView(text.utf8Start, text.utf8CodeUnitCount)
    case .none, .status: return nil
    }
  }

  private func writeHeadBytes(_ context: FormatContext, to out: TextBuffer) {
    var total = 0
    let head =
      code == .requestHeadBytes
      ? context.request : code == .responseHeadBytes ? context.response : context.trailers
    if let head {
      for index in 0..<head.headers.count where head.headers.entries[index].id != .host {
        let entry = head.headers.entries[index]
        total += Int(entry.nameLength) + Int(entry.valueLength)
      }
      if code == .requestHeadBytes, head.methodText.count > 0 {
        // :authority, :method, :path, :scheme
        total += 10 + 7 + 5 + 7 + (head.schemeIsHTTPS ? 5 : 4)
        total += head.authority.count + head.methodText.count + head.path.count
      }
      if code == .responseHeadBytes, context.info.pointee.responseCode > 0 { total += 7 + 3 }
    }
    out.append(decimal: UInt64(total))
  }

  private func writeFirst(_ context: inout FormatContext, to out: TextBuffer) -> Bool {
    guard let pointer else { return false }
    let steps = pointer.assumingMemoryBound(to: FormatStep.self)
    for index in 0..<Int(count) {
      let start = out.count
      if (steps + index).pointee.write(&context, to: out), out.count > start { return true }
      out.truncate(to: start)
    }
    return false
  }

  // MARK: Times and bytes

  private func writeTime(_ moment: UInt64, _ context: FormatContext, to out: TextBuffer) {
    guard let pointer else { return }
    let worker = context.worker
    let wall = worker.wall.nanoseconds(at: moment, now: worker.reactor.now)
    Unmanaged<CompiledTime>.fromOpaque(pointer)._withUnsafeGuaranteedRef {
      $0.write(wall, clock: &worker.wall, to: out)
    }
  }

  private func writeDuration(_ context: FormatContext, to out: TextBuffer) -> Bool {
    let from = FormatStep.point(kind, context)
    let to = FormatStep.point(second, context)
    // Envoy writes nothing for an end before its begin.
    guard from > 0, to >= from else { return false }
    out.append(decimal: (to &- from) / UInt64(number))
    return true
  }

  private static func point(_ code: UInt8, _ context: FormatContext) -> UInt64 {
    let info = context.info
    switch code {
    case 0: return info.pointee.start
    case 1: return info.pointee.lastDownstreamReceived
    case 2: return info.pointee.firstDownstreamSent
    case 3: return info.pointee.lastDownstreamSent
    case 4: return info.pointee.upstreamConnectStart
    case 5: return info.pointee.upstreamConnectEnd
    case 6: return info.pointee.firstUpstreamSent
    case 7: return info.pointee.lastUpstreamSent
    case 8: return info.pointee.firstUpstreamReceived
    case 9: return info.pointee.firstUpstreamBody
    case 10: return info.pointee.lastUpstreamReceived
    case 11: return info.pointee.upstreamRequestStart
    case 12: return info.pointee.poolReady
    case 13: return context.connection?.startTime ?? 0
    case 14: return info.pointee.downstreamConnectionEnd
    default: return 0
    }
  }

  private func counted(_ info: UnsafeMutablePointer<StreamInfo>) -> UInt64 {
    switch kind {
    case 0: info.pointee.bodyReceived
    case 1: info.pointee.bodySent
    case 2: info.pointee.downstream.wireReceived
    case 3: info.pointee.downstream.wireSent
    case 4: info.pointee.downstream.headReceived
    case 5: info.pointee.downstream.headSent
    case 6: info.pointee.upstream.wireReceived
    case 7: info.pointee.upstream.wireSent
    case 8: info.pointee.upstream.headReceived
    default: info.pointee.upstream.headSent
    }
  }

  // MARK: Outcome

  private func writeDetails(_ context: FormatContext, to out: TextBuffer) -> Bool {
    let details = context.info.pointee.details
    if details.count == 0 { return false }
    let start = out.count
    out.append(details)
    if kind == 0 {
      for index in start..<out.count where out.base[index] == 0x20 || out.base[index] == 0x09 {
        out.base[index] = UInt8(ascii: "_")
      }
    }
    return true
  }

  private func writeFlags(_ flags: ResponseFlags, to out: TextBuffer) {
    if flags.isEmpty { out.append(UInt8(ascii: "-")) } else { flags.write(long: kind == 1, to: out) }
  }

  // MARK: Addresses and names

  private func writeName(_ context: inout FormatContext, to out: TextBuffer) -> Bool {
    let info = context.info
    switch code {
    case .httpProtocol:
      guard let request = context.request else { return false }
      out.append(request.minorVersion == 0 ? "HTTP/1.0" : "HTTP/1.1")
    case .upstreamProtocol:
      guard context.request != nil, info.pointee.firstUpstreamSent > 0 else { return false }
      out.append("HTTP/1.1")
    case .address: return writeAddress(context, to: out)
    case .upstreamHost: return writeHost(info, to: out)
    case .upstreamCluster:
      guard let cluster = info.pointee.cluster else { return false }
      return append(kind == 1 ? cluster.nameText.view : cluster.statNameText.view, to: out)
    case .upstreamAttempts: out.append(decimal: UInt64(info.pointee.attempts))
    case .routeName: return append(info.pointee.routeName, to: out)
    case .filterChainName: return append(context.connection?.filterChainName ?? MessageHead.empty, to: out)
    case .connectionID: out.append(decimal: context.connection?.connectionID ?? 0)
    case .upstreamConnectionID: out.append(decimal: info.pointee.upstreamConnectionID)
    case .listenerName: return append(context.connection?.listenerName ?? MessageHead.empty, to: out)
    case .routeResolutions: out.append(decimal: UInt64(info.pointee.routeResolutions))
    case .routeResolutionTime:
      if info.pointee.routeResolutions == 0 { return false }
      out.append(decimal: info.pointee.routeResolutionTime / 1000)
    case .roundTripTime:
      guard let time = context.connection?.roundTripTime else { return false }
      out.append(decimal: time / 1000)
    case .downstreamCloseType:
      switch context.connection?.resetBy {
      case .peer: out.append("RemoteReset")
      case .proxy: out.append("LocalReset")
      case .nobody: out.append("Normal")
      case nil: return false
      }
    case .attempted: return writeAttempts(info, to: out)
    case .streamID:
      if let request = context.request {
        return append(request.headers.first(.xRequestID) ?? MessageHead.empty, to: out)
      }
      writeUUID(context, to: out)
    case .uniqueID: writeUUID(context, to: out)
    default: return false
    }
    return true
  }

  private func writeUUID(_ context: FormatContext, to out: TextBuffer) {
    RequestID.write(&context.worker.random, to: out.reserve(36))
    out.commit(36)
  }

  private func writeAddress(_ context: FormatContext, to out: TextBuffer) -> Bool {
    guard let address = address(context) else { return false }
    switch second {
    case 0: AddressText.write(address, to: out)
    case 1: AddressText.writeWithoutPort(address, prefix: Int(number), to: out)
    default:
      guard case .ip(_, let port) = address else { return false }
      out.append(decimal: UInt64(port))
    }
    return true
  }

  private func address(_ context: FormatContext) -> SocketAddress? {
    switch kind {
    case 0: context.info.pointee.remote ?? context.connection?.remoteAddress
    case 1: context.connection?.directRemoteAddress
    case 2: context.connection?.localAddressForFormats
    case 3: context.connection?.directLocalAddress
    case 4: context.info.pointee.upstreamLocal
    // Known once a connection stands.
    default:
      context.info.pointee.upstreamConnectionID == 0
        ? nil : context.info.pointee.endpoint?.model.address
    }
  }

  private func writeHost(_ info: UnsafeMutablePointer<StreamInfo>, to out: TextBuffer) -> Bool {
    guard let endpoint = info.pointee.endpoint else { return false }
    write(endpoint, to: out)
    return true
  }

  /// As `kind` says: its address or its name, with (even) or without the port.
  private func write(_ endpoint: EndpointRuntime, to out: TextBuffer) {
    if kind >= 2, endpoint.hostnameText.view.count > 0 {
      let name = endpoint.hostnameText.view
      out.append(kind & 1 == 1 ? name.withoutPort : name)
    } else if kind & 1 == 1 {
      AddressText.writeWithoutPort(endpoint.model.address, prefix: -1, to: out)
    } else {
      AddressText.write(endpoint.model.address, to: out)
    }
  }

  private func writeAttempts(_ info: UnsafeMutablePointer<StreamInfo>, to out: TextBuffer) -> Bool {
    guard let list = info.pointee.attempted else { return false }
    let isID = kind == 4
    let count = isID ? list.connections.count : list.endpoints.count
    for index in 0..<count {
      if index > 0 { out.append(UInt8(ascii: ",")) }
      if isID { out.append(decimal: list.connections[index]) } else { write(list.endpoints[index], to: out) }
    }
    return count > 0
  }
}
