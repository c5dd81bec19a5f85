// `martlet.host.http/1`: what HTTP filters may ask, as C functions over handles. A stale handle is
// MARTLET_E_GONE.
import CMartletABI

extension HandleTable {
  @inline(__always)
  fileprivate static func httpFilter(_ handle: UInt64) -> HTTPFilterSlot? {
    // Nothing else is ever put into that slab.
    current?.httpFilters[Handle(rawValue: handle)].map { unsafeDowncast($0, to: HTTPFilterSlot.self) }
  }
}

private func view(_ bytes: martlet_bytes) -> ByteView {
  bytes.data.map { ByteView($0, bytes.size) } ?? MessageHead.empty
}

/// Calls `body` with a map of the stream's, or says why it cannot.
@inline(__always)
private func withHeaders(
  _ handle: martlet_handle, _ map: martlet_header_map, _ body: (FilterHeaders) -> martlet_status
) -> martlet_status {
  guard let slot = HandleTable.httpFilter(handle) else { return MARTLET_E_GONE }
  guard let found = slot.headers(map) else { return MARTLET_E_ARGUMENT }
  guard let headers = found else { return MARTLET_E_STATE }
  return body(headers)
}

@inline(__always)
private func withPlace(
  _ handle: martlet_handle, _ direction: martlet_direction,
  _ body: (HTTPFilterSlot, HTTPFilterPlace) -> martlet_status
) -> martlet_status {
  guard let slot = HandleTable.httpFilter(handle) else { return MARTLET_E_GONE }
  guard let place = slot.place(direction) else { return MARTLET_E_ARGUMENT }
  return body(slot, place)
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
            out?.pointee = martlet_header(
              name: martlet_bytes(data: entry.name, size: Int(entry.nameLength)),
              value: martlet_bytes(data: entry.value, size: Int(entry.valueLength)))
            return MARTLET_OK
          }
        },
        header_get: { handle, map, name, nth, out in
          withHeaders(handle, map) { headers in
            guard let value = headers.get(view(name), nth: nth) else { return MARTLET_E_NOT_FOUND }
            out?.pointee = martlet_bytes(data: value.base, size: value.count)
            return MARTLET_OK
          }
        },
        header_set: { handle, map, name, value in
          withHeaders(handle, map) { $0.set(view(name), view(value)) }
        },
        header_add: { handle, map, name, value in
          withHeaders(handle, map) { $0.add(view(name), view(value)) }
        },
        header_remove: { handle, map, name in withHeaders(handle, map) { $0.remove(view(name)) } },
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
              slot.path(direction).bodyChanged = true
            }
            return MARTLET_OK
          }
        },
        body_append: { handle, direction, bytes in
          withPlace(handle, direction) { slot, place in
            guard place.inHook else { return MARTLET_E_STATE }
            if let data = bytes.data, bytes.size > 0 {
              place.body.append(copying: data, count: bytes.size)
              slot.path(direction).bodyChanged = true
            }
            return MARTLET_OK
          }
        },
        continue_message: { handle, direction in
          withPlace(handle, direction) { slot, _ in slot.instance.continue(slot, direction) }
        },
        reply: { handle, status, headers, count, body, details in
          guard let slot = HandleTable.httpFilter(handle) else { return MARTLET_E_GONE }
          guard var reply = HostHTTPServices.reply(status, headers, count, body) else {
            return MARTLET_E_ARGUMENT
          }
          reply.details = details.size > 0 ? view(details).array : Array(slot.factory.name.utf8)
          return slot.instance.reply(reply)
        },
        reset: { handle in
          guard let slot = HandleTable.httpFilter(handle) else { return MARTLET_E_GONE }
          return slot.instance.reset()
        },
        set_timer: { handle, milliseconds in
          guard let slot = HandleTable.httpFilter(handle) else { return MARTLET_E_GONE }
          return slot.instance.setTimer(slot, milliseconds: milliseconds)
        }))
    return UnsafePointer(table)
  }()

  /// Nil: not a head that can be sent.
  private static func reply(
    _ status: Int32, _ headers: UnsafePointer<martlet_header>?, _ count: Int, _ body: martlet_bytes
  ) -> HTTPFilterChainInstance.Reply? {
    guard (200..<600).contains(status), count == 0 || headers != nil else { return nil }
    var reply = HTTPFilterChainInstance.Reply(status: Int(status), details: [])
    for index in 0..<count {
      guard let field = headers?[index] else { return nil }
      let name = view(field.name)
      guard name.count > 0, HTTP1Characters.isValidValue(view(field.value)),
        (0..<name.count).allSatisfy({ HTTP1Characters.tokenLowercase[Int(name[$0])] == name[$0] }),
        !(name == "content-length" || name == "transfer-encoding")
      else { return nil }
      reply.headers.append((name.array, view(field.value).array))
    }
    reply.body = view(body).array
    return reply
  }
}

extension HTTPFilterSlot {
  fileprivate func path(_ direction: martlet_direction) -> HTTPFilterPath {
    direction == MARTLET_REQUEST ? instance.request : instance.response
  }
}
