// The endpoints that a request was sent to, in turn. Made and filled only where a format asks
// (`FormatNeeds.attempts`); belongs to a stream or a connection, which clears it at its end.

final class AttemptList {
  private(set) var endpoints: [EndpointRuntime] = []
  private(set) var connections: [UInt64] = []

  func add(_ endpoint: EndpointRuntime) { endpoints.append(endpoint) }

  /// A connection to the last endpoint stands.
  func add(connection id: UInt64) { connections.append(id) }

  func clear() {
    endpoints.removeAll(keepingCapacity: true)
    connections.removeAll(keepingCapacity: true)
  }
}
