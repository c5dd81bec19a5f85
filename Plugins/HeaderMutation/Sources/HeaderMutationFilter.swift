// envoy.filters.http.header_mutation: headers, trailers and query parameters changed by rules.
//
// Rules are compiled once (MutationRules). A hook applies the filter's own and then those of the
// levels of the stream's route, by default from the most specific to the least: the last that
// changes a header has the last word.
import MartletSDK

struct HeaderMutationFilter: HTTPFilter, OnRequestHeaders, OnRequestTrailers, OnResponseHeaders,
  OnResponseTrailers
{
  static let name = "envoy.filters.http.header_mutation"
  static let descriptors = Descriptors(base64: embeddedDescriptors)

  final class Settings: FilterSettings {
    let rules: MutationRules
    let mostSpecificWins: Bool

    init(_ message: FilterMessage, _ scope: inout ConfigurationScope) throws {
      rules = try MutationRules(message.mutations, &scope, at: "mutations")
      mostSpecificWins = message.mostSpecificWins
    }
  }

  final class RouteSettings: FilterSettings {
    let rules: MutationRules

    init(_ message: RouteMessage, _ scope: inout ConfigurationScope) throws {
      rules = try MutationRules(message.mutations, &scope, at: "mutations")
    }
  }

  init(_ stream: inout HTTPStream, _ settings: Settings) {}

  mutating func onRequestHeaders(
    _ stream: inout HTTPStream, _ settings: Settings, end: Bool
  ) -> HeadersStatus {
    settings.rules.changeRequest(stream)
    forEachLevel(stream, settings) { rules, stream in rules.changeRequest(stream) }
    return .continue
  }

  mutating func onRequestTrailers(
    _ stream: inout HTTPStream, _ settings: Settings
  ) -> TrailersStatus {
    settings.rules.changeRequestTrailers(stream)
    forEachLevel(stream, settings) { rules, stream in rules.changeRequestTrailers(stream) }
    return .continue
  }

  mutating func onResponseHeaders(
    _ stream: inout HTTPStream, _ settings: Settings, end: Bool
  ) -> HeadersStatus {
    settings.rules.changeResponse(stream)
    forEachLevel(stream, settings) { rules, stream in rules.changeResponse(stream) }
    return .continue
  }

  mutating func onResponseTrailers(
    _ stream: inout HTTPStream, _ settings: Settings
  ) -> TrailersStatus {
    settings.rules.changeResponseTrailers(stream)
    forEachLevel(stream, settings) { rules, stream in rules.changeResponseTrailers(stream) }
    return .continue
  }

  /// The rules of the route's levels, in the order in which they are applied.
  @inline(__always)
  private func forEachLevel(
    _ stream: borrowing HTTPStream, _ settings: Settings,
    _ apply: (MutationRules, borrowing HTTPStream) -> Void
  ) {
    var count = 0
    if settings.mostSpecificWins {
      while stream.withRouteSettings(RouteSettings.self, level: count, { _ in }) != nil { count += 1 }
      for level in stride(from: count - 1, through: 0, by: -1) {
        _ = stream.withRouteSettings(RouteSettings.self, level: level) { apply($0.rules, stream) }
      }
    } else {
      while stream.withRouteSettings(RouteSettings.self, level: count, { apply($0.rules, stream) }) != nil {
        count += 1
      }
    }
  }
}
