// `martlet.host.http/1`: what HTTP filters may ask, as C functions over handles. A stale handle is
// MARTLET_E_GONE.
import CMartletABI

/// The filter's place.
@inline(__always)
private func withSlot(
  _ handle: martlet_handle, _ body: (HTTPFilterSlot) -> martlet_status
) -> martlet_status {
  guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
  guard scope.kind == .stream else { return noPlace(scope) }
  return body(unsafeDowncast(scope, to: HTTPFilterSlot.self))
}

/// What has no place in a chain of HTTP filters: format operators may read and do nothing.
@inline(never)
private func noPlace(_ scope: FilterScope) -> martlet_status {
  scope.kind == .format ? MARTLET_E_STATE : MARTLET_E_GONE
}

/// The same for what cannot end the stream: nothing is retained. `other` answers for what is no place.
@inline(__always)
private func withBorrowedSlot(
  _ handle: martlet_handle, other: (FilterScope) -> martlet_status = noPlace,
  _ body: (HTTPFilterSlot) -> martlet_status
) -> martlet_status {
  guard let scope = HandleTable.borrowed(handle) else { return MARTLET_E_GONE }
  return scope._withUnsafeGuaranteedRef { scope in
    guard scope.kind == .stream else { return other(scope) }
    return body(unsafeDowncast(scope, to: HTTPFilterSlot.self))
  }
}

/// Calls `body` with a map of the stream's, or says why it cannot.
@inline(__always)
private func withHeaders(
  _ handle: martlet_handle, _ map: martlet_header_map, _ body: (FilterHeaders) -> martlet_status
) -> martlet_status {
  withBorrowedSlot(handle, other: { $0.withFormatHeaders(map, body) }) { slot in
    let headers = slot.headers(map)
    return headers.status == MARTLET_OK ? body(headers) : headers.status
  }
}

/// The same with a header by its number.
@inline(__always)
private func withHeader(
  _ handle: martlet_handle, _ map: martlet_header_map, _ number: UInt32,
  _ body: (FilterHeaders, PluginRuntime.Header) -> martlet_status
) -> martlet_status {
  let other = { (scope: FilterScope) -> martlet_status in
    guard let header = scope.tables?.pointee.header(number) else { return MARTLET_E_ARGUMENT }
    return scope.withFormatHeaders(map) { body($0, header) }
  }
  return withBorrowedSlot(handle, other: other) { slot in
    guard let header = slot.tables?.pointee.header(number) else { return MARTLET_E_ARGUMENT }
    let headers = slot.headers(map)
    return headers.status == MARTLET_OK ? body(headers, header) : headers.status
  }
}

@inline(__always)
private func withPlace(
  _ handle: martlet_handle, _ direction: martlet_direction,
  _ body: (HTTPFilterSlot, HTTPFilterPlace) -> martlet_status
) -> martlet_status {
  // What a place is asked for may end the stream.
  withSlot(handle) { slot in
    guard let place = slot.place(direction) else { return MARTLET_E_ARGUMENT }
    return body(slot, place)
  }
}

extension martlet_header {
  fileprivate init(_ entry: HeaderEntry) {
    self.init(
      name: martlet_bytes(data: entry.name, size: Int(entry.nameLength)),
      value: martlet_bytes(data: entry.value, size: Int(entry.valueLength)))
  }
}

/// The ways of the rarer cases: pseudo-headers, trailers, a field that stands several times, errors.
@inline(never)
private func getByNumber(
  _ handle: martlet_handle, _ map: martlet_header_map, _ number: UInt32, _ nth: Int,
  _ out: UnsafeMutablePointer<martlet_bytes>?
) -> martlet_status {
  withHeader(handle, map, number) { headers, header in
    guard let value = headers.get(header, nth: nth) else { return MARTLET_E_NOT_FOUND }
    out?.pointee = martlet_bytes(value)
    return MARTLET_OK
  }
}

@inline(never)
private func setByNumber(
  _ handle: martlet_handle, _ map: martlet_header_map, _ number: UInt32, _ value: martlet_bytes
) -> martlet_status {
  withHeader(handle, map, number) { $0.set($1, view(value)) }
}

enum HostHTTPServices {
  nonisolated(unsafe) static let table: UnsafePointer<martlet_host_http> = {
    let table = UnsafeMutablePointer<martlet_host_http>.allocate(capacity: 1)
    table.initialize(
      to: martlet_host_http(
        size: UInt32(MemoryLayout<martlet_host_http>.size),
        header_count: { handle, map, out in
          withHeaders(handle, map) { headers in
            out?.pointee = headers.count
            return MARTLET_OK
          }
        },
        header_at: { handle, map, index, out in
          withHeaders(handle, map) { headers in
            guard let entry = headers.field(at: index) else { return MARTLET_E_NOT_FOUND }
            out?.pointee = martlet_header(entry)
            return MARTLET_OK
          }
        },
        headers: { handle, map, out, capacity, count in
          withHeaders(handle, map) { headers in
            guard capacity == 0 || out != nil else { return MARTLET_E_ARGUMENT }
            count?.pointee = headers.forEach { index, entry in
              if index < capacity { out.unsafelyUnwrapped[index] = martlet_header(entry) }
            }
            return MARTLET_OK
          }
        },
        header_get: { handle, map, name, nth, out in
          withHeaders(handle, map) { headers in
            guard let value = headers.get(view(name), nth: nth) else { return MARTLET_E_NOT_FOUND }
            out?.pointee = martlet_bytes(value)
            return MARTLET_OK
          }
        },
        header_set: { handle, map, name, value in
          withHeaders(handle, map) { $0.set(view(name), view(value)) }
        },
        header_add: { handle, map, name, value in
          withHeaders(handle, map) { $0.add(view(name), view(value)) }
        },
        header_append: { handle, map, name, value in
          withHeaders(handle, map) { $0.append(view(name), view(value)) }
        },
        header_remove: { handle, map, name in withHeaders(handle, map) { $0.remove(view(name)) } },
        header_get_by_id: { handle, map, number, nth, out in
          withBorrowedSlot(handle, other: { _ in getByNumber(handle, map, number, nth, out) }) { slot in
            if nth == 0, let header = slot.tables?.pointee.header(number), !header.isSpecial,
              let headers = slot.maps.pointee.readable(map)
            {
              guard let value = headers._withUnsafeGuaranteedRef({ $0.first(header.id) }) else {
                return MARTLET_E_NOT_FOUND
              }
              out?.pointee = martlet_bytes(value)
              return MARTLET_OK
            }
            return getByNumber(handle, map, number, nth, out)
          }
        },
        header_set_by_id: { handle, map, number, value in
          withBorrowedSlot(handle, other: { _ in setByNumber(handle, map, number, value) }) { slot in
            if let header = slot.tables?.pointee.header(number), !header.isSpecial,
              let headers = slot.maps.pointee.writable(map)
            {
              let value = view(value)
              guard HTTP1Characters.isValidValue(value) else { return MARTLET_E_ARGUMENT }
              headers._withUnsafeGuaranteedRef { $0.setCopy(header.id, name: header.name, value: value) }
              return MARTLET_OK
            }
            return setByNumber(handle, map, number, value)
          }
        },
        header_remove_by_id: { handle, map, number in
          withHeader(handle, map, number) { $0.remove($1.name) }
        },
        body_size: { handle, direction, out in
          withPlace(handle, direction) { _, place in
            out?.pointee = place.body.byteCount
            return MARTLET_OK
          }
        },
        body_piece: { handle, direction, index, out in
          withPlace(handle, direction) { _, place in
            guard let piece = place.body.piece(index) else { return MARTLET_E_NOT_FOUND }
            out?.pointee = martlet_bytes(data: UnsafePointer(piece.bytes), size: piece.count)
            return MARTLET_OK
          }
        },
        body_drain: { handle, direction, count in
          withPlace(handle, direction) { slot, place in
            guard place.inHook else { return MARTLET_E_STATE }
            guard count <= place.body.byteCount else { return MARTLET_E_ARGUMENT }
            if count > 0 {
              place.body.written(count)
              slot.path(direction).bodyWasChanged()
            }
            return MARTLET_OK
          }
        },
        body_append: { handle, direction, bytes in
          withPlace(handle, direction) { slot, place in
            guard place.inHook else { return MARTLET_E_STATE }
            if let data = bytes.data, bytes.size > 0 {
              place.body.append(copying: data, count: bytes.size)
              slot.path(direction).bodyWasChanged()
            }
            return MARTLET_OK
          }
        },
        body_replace: { handle, direction, bytes in
          withPlace(handle, direction) { slot, place in
            guard place.inHook else { return MARTLET_E_STATE }
            // The new bytes may lie among the old ones: these go last.
            let old = place.body.byteCount
            if let data = bytes.data, bytes.size > 0 { place.body.append(copying: data, count: bytes.size) }
            if old > 0 { place.body.written(old) }
            if old > 0 || bytes.size > 0 { slot.path(direction).bodyWasChanged() }
            return MARTLET_OK
          }
        },
        body_pass: { handle, direction, count in
          withPlace(handle, direction) { slot, place in
            guard !place.inHook, place.stop != MARTLET_CONTINUE else { return MARTLET_E_STATE }
            guard count <= place.body.byteCount else { return MARTLET_E_ARGUMENT }
            return slot.instance.pass(slot, direction, count)
          }
        },
        trailers_create: { handle, direction in
          withPlace(handle, direction) { slot, place in
            guard place.inHook else { return MARTLET_E_STATE }
            return slot.path(direction).createTrailers(at: place)
          }
        },
        continue_message: { handle, direction in
          withPlace(handle, direction) { slot, _ in slot.instance.continue(slot, direction) }
        },
        buffer_limit: { handle, out in
          withSlot(handle) { slot in
            out?.pointee = slot.instance.stream?.bufferLimit ?? 0
            return MARTLET_OK
          }
        },
        set_buffer_limit: { handle, bytes in
          withSlot(handle) { slot in
            guard !slot.isEnding, let stream = slot.instance.stream else { return MARTLET_E_STATE }
            stream.filterBufferLimit = bytes
            return MARTLET_OK
          }
        },
        reply: { handle, reply in
          withSlot(handle) { slot in
            guard let answer = HostHTTPServices.reply(reply, slot) else { return MARTLET_E_ARGUMENT }
            return slot.instance.reply(answer, by: slot)
          }
        },
        reply_start: { handle, reply in
          withSlot(handle) { slot in
            guard var answer = HostHTTPServices.reply(reply, slot), answer.body.isEmpty else {
              return MARTLET_E_ARGUMENT
            }
            answer.isStreamed = true
            return slot.instance.reply(answer, by: slot)
          }
        },
        reply_body: { handle, bytes, end in
          withSlot(handle) { slot in slot.instance.replyBody(slot, bytes, end: end) }
        },
        reset: { handle in withSlot(handle) { $0.instance.reset() } },
        route_config: { handle, level, out in
          withSlot(handle) { slot in
            guard let config = slot.instance.stream?.routeFilters?.config(slot.index, level: Int(level))
            else {
              return MARTLET_E_NOT_FOUND
            }
            out?.pointee = config
            return MARTLET_OK
          }
        },
        clear_route: { handle in
          withSlot(handle) { slot in
            guard !slot.isEnding, let stream = slot.instance.stream, !slot.instance.request.headIsOut else {
              return MARTLET_E_STATE
            }
            stream.findRouteAgain()
            return MARTLET_OK
          }
        },
        set_cluster: { handle, name in
          withSlot(handle) { slot in
            guard !slot.isEnding, let stream = slot.instance.stream, !slot.instance.request.headIsOut,
              stream.routeForwards
            else { return MARTLET_E_STATE }
            guard let cluster = slot.context.clusterDirectory.find(view(name)) else {
              return MARTLET_E_NOT_FOUND
            }
            stream.clusterOverride = cluster
            return MARTLET_OK
          }
        }))
    return UnsafePointer(table)
  }()

  /// Nil: not a head that can be sent.
  private static func reply(
    _ given: UnsafePointer<martlet_reply>?, _ slot: HTTPFilterSlot
  ) -> HTTPFilterChainInstance.Reply? {
    guard let given, Int(given.pointee.size) >= MemoryLayout<martlet_reply>.size else { return nil }
    let all = given.pointee
    guard (200..<600).contains(all.status), all.header_count == 0 || all.headers != nil,
      (-1...16).contains(all.grpc_status)
    else { return nil }
    var reply = HTTPFilterChainInstance.Reply(status: Int(all.status), details: [])
    for index in 0..<all.header_count {
      guard let field = all.headers?[index] else { return nil }
      let name = view(field.name)
      guard name.count > 0, HTTP1Characters.isValidValue(view(field.value)),
        (0..<name.count).allSatisfy({ HTTP1Characters.tokenLowercase[Int(name[$0])] == name[$0] }),
        !(name == "content-length" || name == "transfer-encoding")
      else { return nil }
      reply.headers.append((name.array, view(field.value).array))
    }
    reply.body = view(all.body).array
    reply.details = all.details.size > 0 ? view(all.details).array : Array(slot.name.utf8)
    reply.grpcStatus = all.grpc_status < 0 ? nil : UInt32(all.grpc_status)
    return reply
  }
}

extension HTTPFilterSlot {
  fileprivate func path(_ direction: martlet_direction) -> HTTPFilterPath {
    direction == MARTLET_REQUEST ? instance.request : instance.response
  }
}
