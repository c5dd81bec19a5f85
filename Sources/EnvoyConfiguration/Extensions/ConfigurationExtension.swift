// How extensions are converted. An extension is one file in this folder: the message that
// configures it and the function that makes a model value of it. What the walk accepts follows
// from the category in its proto file; `all` of its category must name it as well, which a test
// compares.

internal import Model
internal import SwiftProtobuf

/// One extension whose configuration becomes `Output`.
struct ConfigurationExtension<Output> {
  /// The full name of the message.
  let typeName: String
  /// Nil where the configuration is wrong; the reason is among the findings then.
  let convert: (_ value: [UInt8], Conversion, Place) -> Output?

  init<Message: SwiftProtobuf.Message>(
    _ type: Message.Type, _ convert: @escaping (Message, Conversion, Place) -> Output?
  ) {
    typeName = Message.protoMessageName
    self.convert = { bytes, conversion, place in
      // The walk wrote these bytes for this message.
      guard let message = try? Message(serializedBytes: bytes) else { return nil }
      return convert(message, conversion, place)
    }
  }

  static func convert(
    _ any: Google_Protobuf_Any, among known: [Self], with conversion: Conversion, at place: Place
  ) -> Output? {
    let name = SchemaWalker.typeName(of: any.typeURL)
    guard let found = known.first(where: { $0.typeName == name }) else {
      conversion.error("the extension type `\(name)` is not supported", at: place)
      return nil
    }
    return found.convert(Array(any.value), conversion, place)
  }
}

typealias NetworkFilterExtension = ConfigurationExtension<NetworkFilter>
typealias ListenerFilterExtension = ConfigurationExtension<ListenerFilter>

extension ConfigurationExtension where Output == NetworkFilter {
  /// The category `envoy.filters.network`.
  static var all: [Self] {
    [.echo, .directResponse, .connectionLimit, .tcpProxy, .httpConnectionManager]
  }
}

extension ConfigurationExtension where Output == ListenerFilter {
  /// The category `envoy.filters.listener`.
  static var all: [Self] { [.proxyProtocol, .originalDestination] }
}
