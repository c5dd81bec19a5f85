// The configuration that runs, as `/config_dump` shows it: the messages of its file, upgraded and
// merged, as JSON.

public struct ConfigurationReport: Sendable, Hashable {
  public struct Resource: Sendable, Hashable {
    public var name: String
    public var value: JSONValue
    public init(name: String, value: JSONValue) {
      self.name = name
      self.value = value
    }
  }
  public var bootstrap: JSONValue
  public var clusters: [Resource]
  public var listeners: [Resource]
  public var routes: [Resource]
  /// When it was loaded, in seconds and milliseconds since 1970.
  public var loaded: (seconds: Int, milliseconds: Int) { (loadedSeconds, loadedMilliseconds) }
  private let loadedSeconds: Int
  private let loadedMilliseconds: Int

  public init(
    bootstrap: JSONValue, clusters: [Resource], listeners: [Resource], routes: [Resource],
    loaded: (seconds: Int, milliseconds: Int)
  ) {
    self.bootstrap = bootstrap
    self.clusters = clusters
    self.listeners = listeners
    self.routes = routes
    loadedSeconds = loaded.seconds
    loadedMilliseconds = loaded.milliseconds
  }
}
