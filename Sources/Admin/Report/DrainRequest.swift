// What `/drain_listeners` asks for.

public struct DrainRequest: Sendable, Hashable {
  /// When listening ends. Connections that stand are told to close, ever more of them as the drain
  /// time passes, in each of the modes.
  public enum Mode: Sendable {
    /// At once.
    case stop
    /// When the drain time is over.
    case drainThenStop
    /// Never.
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
