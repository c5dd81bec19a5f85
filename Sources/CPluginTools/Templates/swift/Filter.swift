// The filter com.example.my_filter: sets a header on every response and counts how often.
import MartletSDK

struct MyFilter: HTTPFilter, OnResponseHeaders {
  static let name = "com.example.my_filter"

  /// As it stands in the file.
  struct Options: JSONConfiguration {
    static let typeName = "com.example.MyFilter"
    var header: String
    /// May hold Envoy's operators: "hello, %PROTOCOL%".
    var value: String
  }

  /// What the options are compiled to, once; all workers read it.
  final class Settings: FilterSettings {
    let header: HeaderName
    let value: Format
    let served: Counter

    init(_ options: Options, _ scope: inout ConfigurationScope) throws {
      if options.value.isEmpty { throw ConfigurationError("is required", at: "value") }
      header = try scope.header(options.header, at: "header")
      value = try scope.format(options.value, at: "value")
      served = try scope.counter("my_filter.served")
    }
  }

  init(_ stream: inout HTTPStream, _ settings: Settings) {}

  mutating func onResponseHeaders(
    _ stream: inout HTTPStream, _ settings: Settings, end: Bool
  ) -> HeadersStatus {
    stream.responseHeaders.set(settings.header, stream.text(of: settings.value))
    stream.add(to: settings.served)
    return .continue
  }
}

@c(martlet_plugin_v1)
public func martletPlugin(_ minor: UInt32) -> PluginEntry {
  Plugin.entry(id: "com.example.my_filter", version: "0.1.0", .http(MyFilter.self))
}
