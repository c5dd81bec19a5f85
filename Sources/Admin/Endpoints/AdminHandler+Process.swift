// `/certs`, `/memory`, `/logging` and `/drain_listeners`.

extension AdminHandler {
  /// There is no TLS in this version, so no certificate.
  func certificates() -> AdminResponse {
    AdminResponse(.json, body: JSONValue.object([.init("certificates", .array([]))]).pretty)
  }

  /// Envoy's names; what its allocator has and ours does not count is left out.
  func memory() -> AdminResponse {
    let memory = source.memory()
    let body = JSONValue.object([
      .init("allocated", .integer64(memory.allocated)),
      .init("heap_size", .integer64(memory.heapSize)),
      .init("pageheap_free", .integer64(memory.free)),
      .init("total_physical_bytes", .integer64(memory.resident)),
    ])
    return AdminResponse(.json, body: body.pretty)
  }

  /// Without a parameter it tells the levels; with one it changes them first.
  func logging(_ request: AdminRequest) -> AdminResponse {
    guard request.parameters.count <= 1 else { return Self.loggingUsage("invalid number of parameters") }
    if let parameter = request.parameters.first {
      let changes: [(component: String?, level: String)]
      switch parameter.name {
      case "level" where parameter.value.isEmpty: changes = []
      case "level": changes = [(nil, parameter.value)]
      case "paths":
        var pairs: [(component: String?, level: String)] = []
        for item in parameter.value.split(separator: ",") {
          let parts = item.split(separator: ":", omittingEmptySubsequences: false)
          guard parts.count == 2 else {
            return Self.loggingUsage("expected <name>:<level>, found '\(item)'")
          }
          pairs.append((String(parts[0]), String(parts[1])))
        }
        changes = pairs
      default: changes = [(parameter.name, parameter.value)]
      }
      for change in changes {
        switch source.setLogLevel(change.component, change.level) {
        case .done: break
        case .unknownComponent: return Self.loggingUsage("unknown logger name")
        case .unknownLevel: return Self.loggingUsage("unknown logger level")
        }
      }
    }
    let lines = source.logLevels().map { "  \($0.component): \($0.level)\n" }
    return AdminResponse(body: "active loggers:\n" + lines.joined() + "\n")
  }

  private static func loggingUsage(_ problem: String) -> AdminResponse {
    .badRequest(
      """
      error: \(problem)

      usage: /logging?<name>=<level> (change single level)
      usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
      usage: /logging?level=<level> (change all levels)
      levels: trace debug info warning error critical off

      """)
  }

  func drainListeners(_ request: AdminRequest) -> AdminResponse {
    let mode: DrainRequest.Mode =
      request.parameter("skip_exit") != nil
      ? .drain : request.parameter("graceful") != nil ? .drainThenStop : .stop
    source.drainListeners(
      DrainRequest(mode: mode, inboundOnly: request.parameter("inboundonly") != nil))
    return AdminResponse(body: "OK\n")
  }
}
