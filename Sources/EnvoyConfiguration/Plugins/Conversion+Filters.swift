// Filters of plugins: their configurations go to the plugins, and what these say about them comes back
// with the place in the file.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  /// What an Any says that the walk made for a plugin. Nil: it is none.
  private struct PluginAny {
    var encoding: Substring
    var filter: String
    var typeName: String

    init?(_ any: Google_Protobuf_Any) {
      guard any.typeURL.hasPrefix(PluginSchemas.prefix) else { return nil }
      let parts = any.typeURL.dropFirst(PluginSchemas.prefix.count)
        .split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count == 3 else { return nil }
      encoding = parts[0]
      filter = String(parts[1])
      typeName = String(parts[2])
    }
  }

  static func isPlugin(_ any: Google_Protobuf_Any) -> Bool { PluginAny(any) != nil }

  /// The type that a message stands for.
  static func typeName(_ any: Google_Protobuf_Any) -> String {
    PluginAny(any)?.typeName ?? String(SchemaWalker.typeName(of: any.typeURL))
  }

  /// The filter's usual name. Nil: it is not known, and optional.
  static func pluginFilter(_ any: Google_Protobuf_Any) -> String? {
    guard let any = PluginAny(any), any.encoding != "missing" else { return nil }
    return any.filter
  }

  /// `filter`: its usual name, where the message does not say it.
  func binding(
    _ any: Google_Protobuf_Any, kind: FilterKind, name: String, filter: String? = nil,
    isForRoute: Bool = false,
    managerPrefix: String = "", at place: Place
  ) -> FilterBinding? {
    guard let found = PluginAny(any), let plugins, found.encoding != "missing" else { return nil }
    // What was refused above need not be refused again by the plugin.
    if diagnostics.hasErrors, place.isDoubtful { return nil }
    var request = FilterRequest(
      kind: kind, filter: found.filter.isEmpty ? filter ?? "" : found.filter, name: name,
      typeName: found.typeName, encoding: found.encoding == "json" ? .json : .protobuf,
      bytes: Array(any.value), isForRoute: isForRoute, managerPrefix: managerPrefix, node: node)
    if plugins.isStateful(request.filter, kind: kind) {
      statefulRequests[request, default: 0] += 1
      request.occurrence = statefulRequests[request, default: 1] - 1
    }
    let outcome = plugins.catalog.make(request, operators: operators)
    for problem in outcome.warnings { warning(problem.message, at: place.following(problem.path)) }
    for problem in outcome.errors { diagnostics.error(problem.message, at: place.following(problem.path)) }
    return outcome.binding
  }

  // MARK: Chains

  /// The filters of a chain in front of the router, and what the router's own configuration says.
  func httpFilters(
    _ filters: [Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpFilter], managerPrefix: String,
    at place: Place
  ) -> (filters: [HTTPFilter], router: Envoy_Extensions_Filters_Http_Router_V3_Router?) {
    var result: [HTTPFilter] = []
    var router: Envoy_Extensions_Filters_Http_Router_V3_Router?
    var names: [String: Int] = [:]
    for (index, filter) in filters.enumerated() {
      let filterPlace = place.element(index)
      let isLast = index == filters.count - 1
      if let other = names[filter.name] {
        warning(
          "the filter at index \(other) has the name \"\(filter.name)\" as well; routes speak of both by it",
          at: filterPlace.field("name"))
      }
      names[filter.name] = index
      guard Self.isPlugin(filter.typedConfig) else {
        let config = filterPlace.field("typed_config")
        if !isLast, !config.isRefused {
          error("\"\(filter.name)\" ends the chain and must be its last filter", at: filterPlace)
        }
        if filter.disabled { error("the router cannot be disabled", at: filterPlace.field("disabled")) }
        router = try? Envoy_Extensions_Filters_Http_Router_V3_Router(
          serializedBytes: filter.typedConfig.value)
        continue
      }
      if isLast, !place.isDoubtful {
        error(
          "\"\(filter.name)\" does not end the chain: "
            + "expected the filter envoy.filters.http.router as the last one",
          at: filterPlace)
      }
      guard
        let binding = binding(
          filter.typedConfig, kind: .http, name: filter.name, managerPrefix: managerPrefix,
          at: filterPlace.field("typed_config"))
      else { continue }
      var made = HTTPFilter(name: filter.name, binding: binding)
      made.isDisabled = filter.disabled
      result.append(made)
    }
    return (result, router)
  }

  // MARK: Routes

  private func warnOfName(_ name: String, at place: Place) {
    warning("no filter of the chain has the name \"\(name)\"", at: place)
  }

  /// `typed_per_filter_config` of one level.
  func routeFilters(_ configs: [String: Google_Protobuf_Any], at place: Place) -> RouteFilters {
    var result: RouteFilters = [:]
    for (name, any) in configs.sorted(by: { $0.key < $1.key }) {
      let own = place.key(name)
      var any = any
      var configPlace = own
      var isDisabled: Bool?
      if SchemaWalker.typeName(of: any.typeURL) == "envoy.config.route.v3.FilterConfig" {
        guard let message = try? Envoy_Config_Route_V3_FilterConfig(serializedBytes: any.value) else {
          continue
        }
        isDisabled = message.disabled
        any = message.config
        configPlace = own.field("config")
        if message.hasConfig, any.typeURL.isEmpty {
          if chain[name] == nil { warnOfName(name, at: own) }
          result[name] = RouteFilterConfiguration(isDisabled: message.disabled)
          continue
        }
        if !message.hasConfig {
          if !message.disabled, !own.isDoubtful {
            error("`config` or `disabled: true` is required", at: own)
          }
          result[name] = RouteFilterConfiguration(isDisabled: isDisabled)
          continue
        }
      }
      guard Self.isPlugin(any) else {
        error("expected the configuration of one filter, found another FilterConfig", at: configPlace)
        continue
      }
      guard let filter = Self.pluginFilter(any) else { continue }
      guard let chainFilter = chain[name] else {
        warnOfName(name, at: own)
        continue
      }
      if !filter.isEmpty, filter != chainFilter {
        error("\"\(name)\" is the filter \(chainFilter), and this configures \(filter)", at: configPlace)
        continue
      }
      let binding = binding(
        any, kind: .http, name: name, filter: chainFilter, isForRoute: true, managerPrefix: managerPrefix,
        at: configPlace)
      result[name] = RouteFilterConfiguration(binding: binding, isDisabled: isDisabled ?? false)
    }
    return result
  }
}

extension Place {
  /// The place at a path such as `abort.percentage` or `mutations[2].header`.
  func following(_ path: String) -> Place {
    var place = self
    for part in path.split(separator: ".") {
      let pieces = part.split(separator: "[", omittingEmptySubsequences: false)
      if let name = pieces.first, !name.isEmpty { place = place.field(String(name)) }
      for index in pieces.dropFirst() {
        let text = index.hasSuffix("]") ? index.dropLast() : index
        place = Int(text).map { place.element($0) } ?? place.key(text.filter { $0 != "\"" })
      }
    }
    return place
  }
}
