// A `MirrorPolicy` on a worker: where copies of requests go, and how many of them.
import Model

final class MirrorRuntime {
  let target: ClusterTarget
  private let fraction: RuntimeFractionRuntime?
  let appendsSuffix: Bool
  /// Empty: the request's.
  let host: [UInt8]
  /// Nil: the copy's headers stay as they are.
  let changes: HeaderChanges?

  /// The route's.
  let priority: RoutingPriority

  init(
    _ model: MirrorPolicy, priority: RoutingPriority, context: WorkerContext,
    find: (String) -> ClusterRuntime?
  ) {
    self.priority = priority
    target = ClusterTarget(model.cluster, names: context.names, find: find)
    fraction = model.fraction.map { RuntimeFractionRuntime($0, context.runtime) }
    appendsSuffix = model.appendsSuffix
    host = Array((model.host ?? "").utf8)
    changes = HeaderChanges(model.headerChanges, names: context.names)
  }

  func isTaken(_ context: WorkerContext) -> Bool {
    guard let fraction else { return true }
    return fraction.takes(context.runtime, random: context.random.next())
  }
}
