// What a route asks of a request besides its path.
import Model

final class RouteConditions {
  private let fraction: RuntimeFractionRuntime?
  private let headers: [HeaderMatcherRuntime]
  private let query: [QueryParameterMatcherRuntime]
  private let isGRPC: Bool
  /// It asks for a client certificate, and without TLS there is none.
  private let wantsCertificate: Bool
  private let metadata: [MetadataMatcherRuntime]
  private let filterState: [FilterStateMatcherRuntime]

  /// Nil: it asks for nothing.
  init?(_ model: RouteMatch, context: WorkerContext) {
    let wantsCertificate = model.tls?.presented == true || model.tls?.validated == true
    if model.runtimeFraction == nil, model.headers.isEmpty, model.queryParameters.isEmpty, !model.isGRPC,
      !wantsCertificate, model.metadata.isEmpty, model.filterState.isEmpty
    {
      return nil
    }
    fraction = model.runtimeFraction.map { RuntimeFractionRuntime($0, context.runtime) }
    headers = model.headers.map { HeaderMatcherRuntime(model: $0, names: context.names) }
    query = model.queryParameters.map { QueryParameterMatcherRuntime($0) }
    isGRPC = model.isGRPC
    metadata = model.metadata.map { MetadataMatcherRuntime($0) }
    filterState = model.filterState.map { FilterStateMatcherRuntime($0) }
    self.wantsCertificate = wantsCertificate
  }

  /// It wants to see what filters have stored.
  var asksForStored: Bool { !metadata.isEmpty || !filterState.isEmpty }

  func hold(_ lookup: inout RouteLookup) -> Bool {
    if wantsCertificate { return false }
    if isGRPC, !lookup.head.isGRPCRequest { return false }
    for header in headers where !header.matches(lookup.head) { return false }
    for matcher in metadata where !matcher.matches(lookup.stored.metadata) { return false }
    for matcher in filterState where !matcher.matches(lookup.stored, lookup.context.text) {
      return false
    }
    for parameter in query where !parameter.matches(lookup) { return false }
    if let fraction, !fraction.takes(lookup.context.runtime, random: lookup.random()) { return false }
    return true
  }
}

final class QueryParameterMatcherRuntime {
  let name: [UInt8]
  /// For a matcher without text: whether the parameter must be there.
  private let mustBePresent: Bool
  private let text: TextMatcher?

  init(_ model: QueryParameterMatcher) {
    name = Array(model.name.utf8)
    switch model.kind {
    case .present(let wanted): (mustBePresent, text) = (wanted, nil)
    case .string(let matcher): (mustBePresent, text) = (true, TextMatcher(matcher))
    }
  }

  func matches(_ lookup: RouteLookup) -> Bool { matches(lookup.queryParameter(name)) }

  /// `value`: of the first parameter of that name; nil: there is none.
  func matches(_ value: ByteView?) -> Bool {
    guard let text else { return (value != nil) == mustBePresent }
    return value.map { text.matches($0) } ?? false
  }
}
