// `martlet.host.config/1`: what a filter may ask while it reads its configuration. On the control
// thread.
import CMartletABI
import Model

enum HostConfigServices {
  /// The host of this process: C functions have no other way to it.
  nonisolated(unsafe) static var host: PluginHost?

  static func scope(_ handle: martlet_handle) -> ConfigScope? {
    guard let host, host.control.isCurrent else { return nil }
    return host.handles.config(handle)
  }

  /// Answers with a number, or with what stands in the way.
  static func number(_ found: Int?, _ out: UnsafeMutablePointer<UInt32>?) -> martlet_status {
    guard let found else { return MARTLET_E_LIMIT }
    out?.pointee = UInt32(found)
    return MARTLET_OK
  }

  nonisolated(unsafe) static let table: UnsafePointer<martlet_host_config> = {
    let table = UnsafeMutablePointer<martlet_host_config>.allocate(capacity: 1)
    table.initialize(
      to: martlet_host_config(
        size: UInt32(MemoryLayout<martlet_host_config>.size),
        error: { handle, path, message in
          guard let scope = scope(handle) else { return MARTLET_E_GONE }
          scope.report(String(path), String(message))
          return MARTLET_OK
        },
        warning: { handle, path, message in
          guard let scope = scope(handle) else { return MARTLET_E_GONE }
          scope.warn(String(path), String(message))
          return MARTLET_OK
        },
        header: { handle, name, out in
          guard let scope = scope(handle) else { return MARTLET_E_GONE }
          let text = [UInt8](name)
          guard isFieldName(text) else { return MARTLET_E_ARGUMENT }
          let lower = text.map { (65...90).contains($0) ? $0 + 32 : $0 }
          return number(scope.plugin.version.define { $0.header(lower) }, out)
        },
        format: { handle, path, text, out in
          guard let scope = scope(handle) else { return MARTLET_E_GONE }
          let text = String(text)
          do throws(FormatError) {
            var parsed = FormatString(.text(try FormatParser.parse(text, plugins: scope.operators)))
            // As in header rules: what has no value is empty, not `-`.
            parsed.omitEmptyValues = true
            let found = scope.plugin.version.define { [parsed] in $0.format(parsed) }
            if let found { scope.defined(found, parsed) }
            return number(found, out)
          } catch {
            scope.report(String(path), error.message)
            return MARTLET_E_ARGUMENT
          }
        },
        regex: { handle, path, pattern, out in
          guard let scope = scope(handle) else { return MARTLET_E_GONE }
          let pattern = [UInt8](pattern)
          if let problem = RegularExpressionCheck.problem(pattern) {
            scope.report(String(path), problem)
            return MARTLET_E_ARGUMENT
          }
          return number(scope.plugin.version.define { $0.expression(pattern) }, out)
        },
        runtime: { handle, key, out in
          guard let scope = scope(handle) else { return MARTLET_E_GONE }
          let key = String(key)
          return number(scope.plugin.version.define { $0.runtimeKey(key) }, out)
        },
        metric: { handle, kind, name, relative, labels, count, out in
          guard let scope = scope(handle) else { return MARTLET_E_GONE }
          return metric(scope, kind, String(name), relative, labels, count, out)
        },
        stat_prefix: { handle, out in
          guard let scope = scope(handle) else { return MARTLET_E_GONE }
          let prefix = scope.request.managerPrefix
          out?.pointee = scope.lend(prefix.isEmpty ? "" : "http.\(prefix).")
          return MARTLET_OK
        },
        node: { handle, id, cluster, zone in
          guard let scope = scope(handle) else { return MARTLET_E_GONE }
          id?.pointee = scope.lend(scope.request.node.id)
          cluster?.pointee = scope.lend(scope.request.node.cluster)
          zone?.pointee = scope.lend(scope.request.node.zone)
          return MARTLET_OK
        }))
    return UnsafePointer(table)
  }()

  private static func metric(
    _ scope: ConfigScope, _ kind: martlet_metric_kind, _ name: String, _ relative: Bool,
    _ labels: UnsafePointer<martlet_bytes>?, _ count: Int, _ out: UnsafeMutablePointer<UInt32>?
  ) -> martlet_status {
    let kinds: [martlet_metric_kind: PluginMetric.Kind] = [
      MARTLET_COUNTER: .counter, MARTLET_GAUGE: .gauge, MARTLET_HISTOGRAM: .histogram,
    ]
    guard let kind = kinds[kind], !name.isEmpty, count <= 16, count == 0 || labels != nil else {
      return MARTLET_E_ARGUMENT
    }
    let names = (0..<count).map { String(labels.unsafelyUnwrapped[$0]) }
    guard Set(names).count == count, names.allSatisfy({ !$0.isEmpty }), count == 0 || kind != .histogram
    else {
      return MARTLET_E_ARGUMENT
    }
    let metric = PluginMetric(
      kind: kind, manager: relative ? scope.request.managerPrefix : "", name: name, labels: names)
    switch scope.plugin.version.define({ $0.metric(metric) }) {
    case .number(let found): return number(found, out)
    case .conflict: return MARTLET_E_CONFLICT
    case .full: return MARTLET_E_LIMIT
    }
  }

  /// RFC 9110 section 5.1: a token.
  private static func isFieldName(_ name: [UInt8]) -> Bool {
    if name.isEmpty { return false }
    let rest = name[0] == UInt8(ascii: ":") ? name.dropFirst() : name[...]
    return !rest.isEmpty
      && rest.allSatisfy { byte in
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
          || "!#$%&'*+-.^_`|~".utf8.contains(byte)
      }
  }
}
