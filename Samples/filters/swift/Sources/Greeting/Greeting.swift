// A filter in Swift: greets each client in a response header and counts the greetings.
import MartletSDK

struct Greeting: HTTPFilter, OnResponseHeaders {
  static let name = "com.example.greeting"

  /// As it stands in the file.
  struct Options: JSONConfiguration {
    static let typeName = "com.example.Greeting"
    var header: String
    /// May hold Envoy's operators: "hello %REQ(x-user)%".
    var text: String
  }

  /// What the options are compiled to, once; all workers read it.
  final class Settings: FilterSettings {
    let header: HeaderName
    let text: Format
    let greeted: Counter

    init(_ options: Options, _ scope: inout ConfigurationScope) throws {
      if options.text.isEmpty { throw ConfigurationError("expected a greeting", at: "text") }
      header = try scope.header(options.header, at: "header")
      text = try scope.format(options.text, at: "text")
      greeted = try scope.counter("greeting.greeted")
    }
  }

  init(_ stream: inout HTTPStream, _ settings: Settings) {}

  mutating func onResponseHeaders(
    _ stream: inout HTTPStream, _ settings: Settings, end: Bool
  ) -> HeadersStatus {
    stream.responseHeaders.set(settings.header, stream.text(of: settings.text))
    stream.add(to: settings.greeted)
    return .continue
  }
}

@c(martlet_plugin_v1)
public func martletPlugin(_ minor: UInt32) -> PluginEntry {
  Plugin.entry(id: "com.example.greeting", version: "1.0.0", .http(Greeting.self))
}
