// What `/drain_listeners` asks for.

public struct DrainRequest: Sendable, Hashable {
  public enum Mode: Sendable {
    /// Listening ends at once; connections that stand are left alone.
    case stop
    /// Connections are told to close, ever more of them as the drain time passes; then listening ends.
    case drainThenStop
    /// The same, but listening goes on.
    case drain
  }
  public var mode: Mode
  /// Only listeners whose `traffic_direction` is INBOUND.
  public var inboundOnly: Bool

  public init(mode: Mode, inboundOnly: Bool) {
    self.mode = mode
    self.inboundOnly = inboundOnly
  }
}
