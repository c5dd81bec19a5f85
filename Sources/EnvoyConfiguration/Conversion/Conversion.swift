// From typed messages to the model: the meaning of a configuration. What a single value may be
// has been checked by the walk; here stand the rules between values, and Envoy's defaults.
//
// Each aspect is a file. Every function takes the message and its place, adds findings and gives
// the best value it can, so that one mistake does not hide the next; a load with findings of
// severity error is refused in the end and its values are never seen.
//
// It also runs over files in which the walk found errors. Then a value may be absent because it was
// refused: `error(_:at:)` is silent about a place that was found wrong already, and a rule about
// several values asks `Place.isDoubtful` of what it looks at. A function that gives nil must have
// looked at all of its message before.

internal import Model
internal import SwiftProtobuf

final class Conversion {
  let diagnostics: Diagnostics
  /// Runtime values of the static layers.
  var runtime = RuntimeValues()
  /// For clusters that do not say how their names are resolved.
  var defaultResolver = DNSResolver()
  /// Names of all clusters, for the references of routes. A cluster that is wrong in itself exists.
  var clusterNames: Set<String> = []
  /// A cluster's name is not known, so that any reference may mean it.
  var hasUnknownClusterNames = false

  /// False: a data source's file counts as empty.
  let readsFiles: Bool
  /// Nil: there are no plugins.
  let plugins: PluginSchemas?
  /// What flags say about the node: they win, as in Envoy.
  var nodeOverride = ConfigurationLoader.NodeOverride()
  /// Who the proxy is.
  var node = Node()
  /// Operators of plugins that formats may have, and the bootstrap's configurations of them.
  var operators: (any FormatOperatorSource)?
  var formatters: [FilterBinding] = []
  /// A formatter was refused: that its operators have no configuration is not news.
  var lacksFormatter = false
  /// Of the connection manager that is being read: usual names of its filters by their names in the chain,
  /// and its `stat_prefix`.
  var chain: [String: String] = [:]
  var managerPrefix = ""
  /// How often each configuration of a stateful filter has been met.
  var statefulRequests: [FilterRequest: Int] = [:]

  init(diagnostics: Diagnostics, readsFiles: Bool, plugins: PluginSchemas? = nil) {
    self.plugins = plugins
    self.diagnostics = diagnostics
    self.readsFiles = readsFiles
  }

  func error(_ message: String, at place: Place) {
    // Whatever was refused left an error behind, so nothing is lost here.
    if diagnostics.hasErrors, place.isRefused { return }
    diagnostics.error(message, at: place)
  }
  func warning(_ message: String, at place: Place) { diagnostics.warning(message, at: place) }

  /// Nil for absent and for zero, where zero means "none".
  func timeout(_ duration: Google_Protobuf_Duration, isSet: Bool, absent: Duration? = nil)
    -> Duration?
  {
    guard isSet else { return absent }
    let value = Duration(duration)
    return value == .zero ? nil : value
  }

  func lacksCluster(_ name: String) -> Bool {
    !hasUnknownClusterNames && !clusterNames.contains(name)
  }

  /// A reference to a cluster that must exist.
  func checkCluster(_ name: String, at place: Place) {
    guard lacksCluster(name) else { return }
    // With thousands of clusters the nearest is a coincidence, and dear to find.
    let isWorthwhile = clusterNames.count <= 1000 && !diagnostics.isFull
    let near = isWorthwhile ? Suggestion.nearest(to: name, among: clusterNames.sorted()) : nil
    error(
      "the cluster \"\(name)\" does not exist" + (near.map { "; did you mean \"\($0)\"?" } ?? ""),
      at: place)
  }
}

extension Duration {
  init(_ duration: Google_Protobuf_Duration) {
    self = .seconds(duration.seconds) + .nanoseconds(Int64(duration.nanos))
  }
}
