// What the control side asks of listeners that are to be drained while the process goes on.

public struct ListenerDrain: Sendable, Hashable {
  /// Connections are told to close, ever more of them as the drain time passes.
  public var drainsConnections: Bool
  /// When listening ends.
  public enum Stop: Sendable { case atOnce, afterDrainTime, never }
  public var stop: Stop
  /// Only listeners whose traffic direction is inbound.
  public var inboundOnly: Bool

  public init(drainsConnections: Bool, stop: Stop, inboundOnly: Bool) {
    self.drainsConnections = drainsConnections
    self.stop = stop
    self.inboundOnly = inboundOnly
  }
}
