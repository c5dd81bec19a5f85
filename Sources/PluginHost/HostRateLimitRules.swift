// `martlet.host.rate_limit/1`: rules that a filter brings itself are read here, on the control thread; the
// descriptors of streams are the workers' affair.
import CMartletABI
import Model

enum HostRateLimitRules {
  /// More than any configuration has; what a plugin hands over is not to take the memory.
  private static let most = 10_000

  /// Lives as long as the process.
  static func make(_ services: PluginServices.RateLimits) -> UnsafePointer<martlet_host_rate_limit> {
    let table = UnsafeMutablePointer<martlet_host_rate_limit>.allocate(capacity: 1)
    table.initialize(
      to: martlet_host_rate_limit(
        size: UInt32(MemoryLayout<martlet_host_rate_limit>.size),
        rules: { handle, path, encoding, messages, count, out in
          guard let scope = HostConfigServices.scope(handle), let host = HostConfigServices.host else {
            return MARTLET_E_GONE
          }
          guard encoding == MARTLET_JSON || encoding == MARTLET_PROTOBUF,
            count <= HostRateLimitRules.most,
            count == 0 || messages != nil
          else { return MARTLET_E_ARGUMENT }
          let given = (0..<count).map { [UInt8](messages.unsafelyUnwrapped[$0]) }
          let read = host.services.rateLimits.read(given, encoding == MARTLET_JSON)
          let path = String(path)
          for problem in read.warnings { scope.warn(path + problem.path, problem.message) }
          for problem in read.errors { scope.report(path + problem.path, problem.message) }
          guard read.errors.isEmpty else { return MARTLET_E_ARGUMENT }
          return HostConfigServices.number(scope.plugin.version.define { $0.rateLimits(read.rules) }, out)
        }, descriptors: services.descriptors))
    return UnsafePointer(table)
  }
}
