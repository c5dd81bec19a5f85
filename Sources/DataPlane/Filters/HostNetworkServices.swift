// `martlet.host.network/1`: what network filters may ask, as C functions over handles. A stale
// handle is MARTLET_E_GONE.
import CMartletABI

enum HostNetworkServices {
  @inline(__always)
  private static func with(
    _ handle: martlet_handle, _ body: (NetworkFilterSlot, Connection) -> martlet_status
  ) -> martlet_status {
    guard let scope = HandleTable.scope(handle), scope.kind == .connection else { return MARTLET_E_GONE }
    if scope.isEnding { return MARTLET_E_STATE }
    let slot = unsafeDowncast(scope, to: NetworkFilterSlot.self)
    return body(slot, slot.instance.connection)
  }

  nonisolated(unsafe) static let table: UnsafePointer<martlet_host_network> = {
    let table = UnsafeMutablePointer<martlet_host_network>.allocate(capacity: 1)
    table.initialize(
      to: martlet_host_network(
        size: UInt32(MemoryLayout<martlet_host_network>.size),
        read_buffer: { handle, out in
          with(handle) { _, connection in
            let buffer = connection.inbound
            out?.pointee =
              buffer.isEmpty
              ? martlet_bytes(data: nil, size: 0)
              : martlet_bytes(data: UnsafePointer(buffer.bytes), size: buffer.count)
            return MARTLET_OK
          }
        },
        read_replace: { handle, bytes in
          with(handle) { slot, connection in
            guard slot.isInData else { return MARTLET_E_STATE }
            connection.inbound.replaceAll(with: view(bytes), pool: connection.context.reactor.pool)
            connection.releaseInput()
            return MARTLET_OK
          }
        },
        read_drain: { handle, count in
          with(handle) { _, connection in
            guard count <= connection.inbound.count else { return MARTLET_E_ARGUMENT }
            if count > 0 {
              connection.inbound.consume(count)
              connection.releaseInput()
            }
            return MARTLET_OK
          }
        },
        write_buffer: { handle, out, total in
          with(handle) { _, connection in
            guard let staging = connection.stagingInHook else { return MARTLET_E_STATE }
            if staging.isEmpty {
              out?.pointee = martlet_bytes(data: nil, size: 0)
            } else {
              out?.pointee = martlet_bytes(
                data: UnsafePointer(staging.first.bytes), size: staging.first.count)
            }
            total?.pointee = staging.byteCount
            return MARTLET_OK
          }
        },
        write_drain: { handle, count in
          with(handle) { _, connection in
            guard let staging = connection.stagingInHook else { return MARTLET_E_STATE }
            guard count <= staging.byteCount else { return MARTLET_E_ARGUMENT }
            staging.written(count)
            return MARTLET_OK
          }
        },
        write: { handle, bytes, end in
          with(handle) { slot, connection in
            if let data = bytes.data {
              // What a filter at the end of its chain writes passes the others, as a terminal's does.
              if slot.instance.isTerminal(slot) {
                connection.output.append(copying: data, count: bytes.size)
                connection.flush()
              } else {
                connection.socket.outbound.append(copying: data, count: bytes.size)
              }
            }
            if end {
              if slot.instance.isTerminal(slot) {
                connection.endWriting()
              } else {
                connection.shutdownWriting()
              }
            }
            connection.filterWrote()
            return MARTLET_OK
          }
        },
        close: { handle, mode in
          with(handle) { _, connection in
            guard (MARTLET_CLOSE_FLUSH...MARTLET_CLOSE_RESET).contains(mode) else {
              return MARTLET_E_ARGUMENT
            }
            connection.requestClose(mode)
            return MARTLET_OK
          }
        },
        continue_reading: { handle in
          with(handle) { slot, connection in
            connection.requestContinue(slot)
            return MARTLET_OK
          }
        },
        disable_reading: { handle, disable in
          with(handle) { _, connection in
            if disable {
              connection.socket.pauseReading(.filter)
            } else {
              connection.socket.continueReading(.filter)
            }
            return MARTLET_OK
          }
        }))
    return UnsafePointer(table)
  }()
}
