// What a filter can ask about its stream or connection, whichever of the two it is. A filter's worker scope
// has none of it.
import CMartletABI
import Model

/// The answers of one kind of scope. `FilterScope` says "there is none" to everything.
extension FilterScope {
  /// Facts that every connection has.
  static func text(
    _ attribute: martlet_text_attribute, of connection: DescribedConnection, to out: TextBuffer
  )
    -> Bool
  {
    func write(_ address: SocketAddress?) -> Bool {
      guard let address else { return false }
      AddressText.write(address, to: out)
      return true
    }
    switch attribute {
    case MARTLET_DOWNSTREAM_REMOTE_ADDRESS: return write(connection.remoteAddress)
    case MARTLET_DOWNSTREAM_DIRECT_REMOTE_ADDRESS: return write(connection.directRemoteAddress)
    case MARTLET_DOWNSTREAM_LOCAL_ADDRESS: return write(connection.localAddressForFormats)
    case MARTLET_FILTER_CHAIN_NAME:
      out.append(connection.filterChainName)
      return true
    default: return false
    }
  }

  static func number(
    _ attribute: martlet_number_attribute, of connection: DescribedConnection, _ context: WorkerContext
  ) -> UInt64? {
    switch attribute {
    case MARTLET_CONNECTION_ID: return connection.connectionID
    case MARTLET_START_TIME:
      return UInt64(
        bitPattern: context.wall.nanoseconds(at: connection.startTime, now: context.reactor.now))
    case MARTLET_DURATION: return context.reactor.now &- connection.startTime
    default: return nil
    }
  }

  static func isKnown(_ attribute: martlet_text_attribute) -> Bool {
    (MARTLET_DOWNSTREAM_REMOTE_ADDRESS...MARTLET_FILTER_CHAIN_NAME).contains(attribute)
      || (MARTLET_ROUTE_NAME...MARTLET_PROTOCOL).contains(attribute)
  }

  static func isKnown(number attribute: martlet_number_attribute) -> Bool {
    (MARTLET_CONNECTION_ID...MARTLET_DURATION).contains(attribute)
      || (MARTLET_RESPONSE_CODE...MARTLET_ATTEMPTS).contains(attribute)
  }
}
