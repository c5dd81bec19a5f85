// What the data plane's rooms ask of a worker, without one.
@testable import DataPlane

func testContext(reactor: Reactor? = nil) throws -> WorkerContext {
  WorkerContext(
    index: 0, reactor: try reactor ?? Reactor(), names: HeaderNameTable(), stats: StatRegistry(),
    endpointStats: StatRegistry(), log: Log(threshold: LogThreshold(.off), sink: { _, _, _ in }))
}
