// Extensions: `@type`, categories, and the older forms with a Struct.

import EnvoyConfiguration
import Model
import Testing

@Suite struct ExtensionTests {
  private static func filter(_ typed: String, name: String = "f") -> String {
    Piece.filters("{name: \(name), typed_config: \(typed)}")
  }
  private static let echo = "envoy.extensions.filters.network.echo.v3.Echo"
  private static let path =
    "1: static_resources.listeners[0].filter_chains[0].filters[0].typed_config"

  @Test(arguments: ["type.googleapis.com/", "", "example.com/a/"])
  func typeURLs(_ prefix: String) throws {
    let loaded = try load(Self.filter("{'@type': \(prefix)\(Self.echo)}"))
    #expect(loaded.configuration.listeners.first?.filterChains.first?.filters == [.echo])
  }

  @Test func missingType() {
    #expect(
      errorLines(Self.filter("{}")) == [
        "\(Self.path): expected `@type` with the name of the extension's message"
      ])
    #expect(
      errorLines(Self.filter("{}", name: "envoy.filters.network.echo")) == [
        "\(Self.path): expected `@type` with the name of the extension's message: "
          + "\"type.googleapis.com/\(Self.echo)\""
      ])
    #expect(
      errorLines(Self.filter("abc")) == [
        "\(Self.path): expected a mapping with `@type`, found `abc`"
      ])
    #expect(errorLines(Piece.filters("{name: f}")) == ["\(Self.path): is required"])
    #expect(
      errorLines(Self.filter("{'@type': [1]}")) == [
        "\(Self.path).@type: expected text, found a list"
      ])
  }

  @Test func unknownType() {
    let found = errorLines(
      Self.filter("{'@type': type.googleapis.com/envoy.extensions.filters.network.echo.v3.Ecco}"))
    #expect(
      found == [
        "\(Self.path).@type: the extension type `envoy.extensions.filters.network.echo.v3.Ecco` "
          + "is not supported; did you mean `\(Self.echo)`?"
      ])
    #expect(
      errorLines(Self.filter("{'@type': type.googleapis.com/x.Y}")).first?.contains(
        "known here: envoy.extensions.filters.network.connection_limit") == true)
  }

  @Test func wrongCategory() {
    let found = errorLines(
      Self.filter("{'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}"))
    #expect(
      found == [
        "\(Self.path).@type: `envoy.extensions.filters.http.router.v3.Router` is an extension of "
          + "the category envoy.filters.http; expected one of envoy.filters.network"
      ])
    #expect(
      errorLines(Self.filter("{'@type': type.googleapis.com/envoy.config.core.v3.Node}")).count == 1
    )
  }

  @Test func fieldsInside() {
    let found = errorLines(Self.filter("{'@type': type.googleapis.com/\(Self.echo), x: 1}"))
    #expect(found == ["\(Self.path).x: `x` is not a field of Echo; it has no fields"])
  }

  @Test(arguments: ["udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct"])
  func typedStruct(_ type: String) throws {
    let fields =
      "type_url: type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, "
      + "value: {stat_prefix: a, cluster: c}"
    let yaml = Self.filter("{'@type': type.googleapis.com/\(type), \(fields)}") + "\n"
    let loaded = try load(yaml)
    #expect(
      loaded.configuration.listeners.first?.filterChains.first?.filters == [
        .tcpProxy(TCPProxy(statPrefix: "a", cluster: .single("c")))
      ])
    #expect(
      errorLines(Self.filter("{'@type': type.googleapis.com/\(type), value: {}}")) == [
        "\(Self.path): expected `type_url` with the name of the extension's message"
      ])
    #expect(
      errorLines(
        Self.filter("{'@type': type.googleapis.com/\(type), type_url: \(Self.echo), vale: {}}")
      ).count == 1)
  }

  @Test(arguments: ["value: {stat_prefix: a, cluster: c}", "stat_prefix: a, cluster: c"])
  func plainStruct(_ fields: String) throws {
    let yaml = Self.filter(
      "{'@type': type.googleapis.com/google.protobuf.Struct, \(fields)}",
      name: "envoy.filters.network.tcp_proxy")
    let loaded = try load(yaml)
    #expect(
      loaded.configuration.listeners.first?.filterChains.first?.filters == [
        .tcpProxy(TCPProxy(statPrefix: "a", cluster: .single("c")))
      ])
    #expect(
      loaded.warnings.contains { $0.message.hasPrefix("google.protobuf.Struct is deprecated") })
    #expect(
      errorLines(Self.filter("{'@type': type.googleapis.com/google.protobuf.Struct}")).first?
        .contains("is not the name of a known extension") == true)
  }
}
