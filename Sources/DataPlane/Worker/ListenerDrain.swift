// What the control side asks of listeners that are to be drained while the process goes on.

public struct ListenerDrain: Sendable, Hashable {
  /// When listening ends. Connections that stand are told to close, ever more of them as the drain
  /// time passes.
  public enum Stop: Sendable { case atOnce, afterDrainTime, never }
  public var stop: Stop
  /// Only listeners whose traffic direction is inbound.
  public var inboundOnly: Bool

  public init(stop: Stop, inboundOnly: Bool) {
    self.stop = stop
    self.inboundOnly = inboundOnly
  }
}
