// The root: node, admin, runtime, limits, and the lists of clusters and listeners.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func configuration(_ bootstrap: Envoy_Config_Bootstrap_V3_Bootstrap, at place: Place)
    -> ProxyConfiguration
  {
    var configuration = ProxyConfiguration()
    configuration.node.id = nodeOverride.id ?? bootstrap.node.id
    configuration.node.cluster = nodeOverride.cluster ?? bootstrap.node.cluster
    configuration.node.zone = nodeOverride.zone ?? bootstrap.node.locality.zone
    configuration.node.region = bootstrap.node.locality.region
    configuration.node.subZone = bootstrap.node.locality.subZone
    node = configuration.node
    let extensions = bootstrapExtensions(
      bootstrap.bootstrapExtensions, at: place.field("bootstrap_extensions"))
    formatters = extensions.formatters
    configuration.formatters = formatters
    if let policies = extensions.policies { configuration.plugins = policies }
    configuration.runtimeLayers = runtimeLayers(
      bootstrap.layeredRuntime, at: place.field("layered_runtime"))
    if bootstrap.hasStatsFlushInterval {
      configuration.statsFlushInterval = Duration(bootstrap.statsFlushInterval)
    }
    if bootstrap.hasStatsConfig {
      configuration.stats = statsConfiguration(
        bootstrap.statsConfig, at: place.field("stats_config"))
    }
    if bootstrap.hasAdmin { configuration.admin = admin(bootstrap.admin, at: place.field("admin")) }

    defaultResolver = resolver(of: bootstrap, at: place)
    let resources = bootstrap.staticResources
    let resourcesPlace = place.field("static_resources")
    let clustersPlace = resourcesPlace.field("clusters")
    clusterNames = Set(resources.clusters.map(\.name))
    hasUnknownClusterNames =
      resourcesPlace.isRefused || clustersPlace.isRefused
      || place.isMissing("static_resources") || resourcesPlace.isMissing("clusters")
      || resources.clusters.indices.contains {
        let cluster = clustersPlace.element($0)
        return cluster.isRefused || cluster.field("name").isDoubtful
      }
    configuration.clusters = clusters(resources.clusters, at: clustersPlace)
    configuration.listeners = listeners(resources.listeners, at: resourcesPlace.field("listeners"))
    configuration.maxDownstreamConnections = maxDownstreamConnections(
      bootstrap.overloadManager, at: place.field("overload_manager"))
    configuration.runtime = runtime.values
    for filter in plugins?.catalog.filters ?? [] {
      for key in filter.plugin.resources.runtimeKeys.values { runtime.use(key) }
    }
    // With errors there may be readers of a key that were never reached.
    for (key, place) in diagnostics.hasErrors ? [] : runtime.unused {
      warning("the runtime key `\(key)` has no meaning here; ignored", at: place)
    }
    return configuration
  }

  /// Adds what the static layers say to `runtime` as well.
  private func runtimeLayers(
    _ layered: Envoy_Config_Bootstrap_V3_LayeredRuntime, at place: Place
  ) -> [RuntimeLayer] {
    var names: [String: Int] = [:]
    var layers: [RuntimeLayer] = []
    for (index, layer) in layered.layers.enumerated() {
      let layerPlace = place.field("layers").element(index)
      if let first = names[layer.name] {
        error(
          "the layer name \"\(layer.name)\" stands at index \(first) already",
          at: layerPlace.field("name"))
      }
      names[layer.name] = index
      switch layer.layerSpecifier {
      case .staticLayer(let values)?:
        let valuesPlace = layerPlace.field("static_layer")
        runtime.add(values, at: valuesPlace)
        var own = RuntimeValues()
        own.add(values, at: valuesPlace)
        layers.append(RuntimeLayer(name: layer.name, source: .fixed(own.values)))
      case .diskLayer(let disk)?:
        layers.append(
          RuntimeLayer(name: layer.name, source: runtimeDisk(disk, at: layerPlace.field("disk_layer"))))
      case .adminLayer?:
        if layers.contains(where: { $0.source == .admin }) {
          error("only one layer may be the admin layer", at: layerPlace)
        }
        layers.append(RuntimeLayer(name: layer.name, source: .admin))
      case nil: break
      }
    }
    return layers
  }

  private func runtimeDisk(
    _ disk: Envoy_Config_Bootstrap_V3_RuntimeLayer.DiskLayer, at place: Place
  ) -> RuntimeLayer.Source {
    if disk.symlinkRoot.isEmpty {
      error("is required and must not be empty", at: place.field("symlink_root"))
    }
    let below = disk.subdirectory.isEmpty ? "" : "/\(disk.subdirectory)"
    return .disk(directory: disk.symlinkRoot + below, appendsCluster: disk.appendServiceCluster)
  }

  private func admin(_ admin: Envoy_Config_Bootstrap_V3_Admin, at place: Place) -> AdminEndpoint? {
    let path = adminAccessLog(admin, at: place)
    guard admin.hasAddress else {
      if !path.isEmpty {
        warning("without `address` there is no admin listener; ignored", at: place)
      }
      return nil
    }
    guard let address = address(admin.address, at: place.field("address"), isListener: false) else {
      return nil
    }
    var endpoint = AdminEndpoint(address: address.address)
    endpoint.accessLogPath = path
    return endpoint
  }

  private func adminAccessLog(_ admin: Envoy_Config_Bootstrap_V3_Admin, at place: Place) -> String {
    let logs = place.field("access_log")
    if admin.accessLog.count > 1 {
      error("one access log at most is supported here", at: logs.element(1))
    } else if !admin.accessLog.isEmpty, !admin.accessLogPath.isEmpty {
      error(
        "`access_log_path` and `access_log` name two access logs; one at most is supported here",
        at: logs)
    }
    if let log = admin.accessLog.first {
      if log.hasFilter {
        error("the admin's access log takes no filter here", at: logs.element(0).field("filter"))
      }
      let type = SchemaWalker.typeName(of: log.typedConfig.typeURL)
      let isFile = type == Envoy_Extensions_AccessLoggers_File_V3_FileAccessLog.protoMessageName
      if log.configType != nil, !isFile {
        error(
          "the admin's access log is a file here", at: logs.element(0).field("typed_config"))
        return ""
      }
      let file = try? Envoy_Extensions_AccessLoggers_File_V3_FileAccessLog(
        serializedBytes: log.typedConfig.value)
      if file?.accessLogFormat != nil {
        error(
          "the admin's access log has Envoy's default line here, and no other format",
          at: logs.element(0).field("typed_config"))
      }
      return file?.path ?? ""
    }
    return admin.accessLogPath
  }

  /// The overload manager's monitor, or else the runtime key that Envoy had before it.
  private func maxDownstreamConnections(
    _ manager: Envoy_Config_Overload_V3_OverloadManager, at place: Place
  ) -> UInt64? {
    var limit: UInt64?
    for (index, monitor) in manager.resourceMonitors.enumerated() {
      let monitorPlace = place.field("resource_monitors").element(index)
      // The category has this one message. Envoy looks a monitor up by its name as well.
      let expected = "envoy.resource_monitors.global_downstream_max_connections"
      if monitor.name != expected {
        error("expected \"\(expected)\"", at: monitorPlace.field("name"))
      }
      if limit != nil { error("this resource has a monitor already", at: monitorPlace) }
      let config =
        try? Envoy_Extensions_ResourceMonitors_DownstreamConnections_V3_DownstreamConnectionsConfig(
          serializedBytes: monitor.typedConfig.value)
      limit = config.map { UInt64(max(0, $0.maxActiveDownstreamConnections)) }
    }
    let key = runtimeLimit("overload.global_downstream_max_connections")
    return limit ?? key
  }

  /// A connection limit from runtime; nil where there is none.
  func runtimeLimit(_ key: String) -> UInt64? {
    guard let (value, place) = runtime.number(key) else { return nil }
    if value == nil { error("expected a whole number of 0 or more", at: place) }
    return value
  }
}
