// The options as `/server_info` shows them: the fields of `envoy.admin.v3.CommandLineOptions`
// that exist here.
import Admin

extension ServerOptions {
  /// - Parameter baseID: The one that is held, also where it was drawn.
  func report(baseID held: UInt32?) -> [JSONValue.Member] {
    func seconds(_ duration: Duration) -> JSONValue {
      let milliseconds = duration / .milliseconds(1)
      let whole = Int(milliseconds) / 1000
      let rest = Int(milliseconds) % 1000
      return .string(rest == 0 ? "\(whole)s" : "\(whole).\(String(1000 + rest).dropFirst())s")
    }
    let modeName =
      switch mode {
      case .serve: "Serve"
      case .validate: "Validate"
      case .initOnly: "InitOnly"
      }
    return [
      .init("base_id", .string(held.map(String.init) ?? "0")),
      .init("concurrency", .integer(UInt64(concurrency))),
      .init("config_path", .string(configPath ?? "")),
      .init("config_yaml", .string(configYAML ?? "")),
      .init("allow_unknown_static_fields", .bool(allowUnknownStaticFields)),
      .init("admin_address_path", .string(adminAddressPath ?? "")),
      .init("local_address_ip_version", .string(localAddressVersion.rawValue)),
      .init("log_level", .string(logLevel.name)),
      .init("component_log_level", .string(componentLogLevel)),
      .init("log_format", .string(logFormat.text)),
      .init("log_path", .string(logPath ?? "")),
      .init("service_cluster", .string(serviceCluster ?? "")),
      .init("service_node", .string(serviceNode ?? "")),
      .init("service_zone", .string(serviceZone ?? "")),
      .init("file_flush_interval", seconds(fileFlushInterval)),
      .init("drain_time", seconds(drainTime)),
      .init("parent_shutdown_time", seconds(parentShutdownTime)),
      .init("mode", .string(modeName)),
      .init("disable_hot_restart", .bool(baseID == .none)),
      .init("use_dynamic_base_id", .bool(baseID == .dynamic)),
      .init("base_id_path", .string(baseIDPath ?? "")),
      .init(
        "plugin_path", .string(plugins.folders.filter(\.isNamed).map(\.path).joined(separator: ":"))),
      .init("supervise", .bool(supervise)),
      .init("drain_strategy", .string(drainStrategy == .gradual ? "Gradual" : "Immediate")),
    ]
  }
}
