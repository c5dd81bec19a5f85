// The rules of one message, compiled: four lists for headers and trailers, one for the query.
import EnvoyMatchers
import MartletSDK

/// Read by all workers at once: nothing in it is counted by reference when it is used.
final class MutationRules: Sendable {
  private let request: FrozenList<FieldMutation>
  private let query: FrozenList<ParameterMutation>
  private let requestTrailers: FrozenList<FieldMutation>
  private let response: FrozenList<FieldMutation>
  private let responseTrailers: FrozenList<FieldMutation>

  init(_ given: GivenMutations, _ scope: inout ConfigurationScope, at path: String) throws {
    let mutations = given.mutations
    let header = given.isEnvoy ? "" : ".header"
    func list(
      _ mutations: [Martlet_Filters_Http_HeaderMutation_V1_Mutation], _ field: String,
      ofResponse: Bool, _ scope: inout ConfigurationScope
    ) throws -> FrozenList<FieldMutation> {
      try FrozenList(count: mutations.count) {
        try FieldMutation(
          mutations[$0], &scope, at: "\(path).\(field)[\($0)]", header: header,
          ofResponse: ofResponse)
      }
    }
    request = try list(mutations.requestMutations, "request_mutations", ofResponse: false, &scope)
    requestTrailers = try list(
      mutations.requestTrailersMutations, "request_trailers_mutations", ofResponse: false, &scope)
    response = try list(mutations.responseMutations, "response_mutations", ofResponse: true, &scope)
    responseTrailers = try list(
      mutations.responseTrailersMutations, "response_trailers_mutations", ofResponse: true, &scope)
    let parameter = given.isEnvoy ? "" : ".parameter"
    query = try FrozenList(count: mutations.queryParameterMutations.count) {
      try ParameterMutation(
        mutations.queryParameterMutations[$0], &scope,
        at: "\(path).query_parameter_mutations[\($0)]", parameter: parameter)
    }
  }

  func changeRequest(_ stream: borrowing HTTPStream) {
    apply(request, to: stream.requestHeaders, stream)
    if !query.isEmpty { changeQuery(query, stream) }
  }

  func changeRequestTrailers(_ stream: borrowing HTTPStream) {
    apply(requestTrailers, to: stream.requestTrailers, stream)
  }

  func changeResponse(_ stream: borrowing HTTPStream) {
    apply(response, to: stream.responseHeaders, stream)
  }

  func changeResponseTrailers(_ stream: borrowing HTTPStream) {
    apply(responseTrailers, to: stream.responseTrailers, stream)
  }

  private func apply(
    _ mutations: borrowing FrozenList<FieldMutation>, to fields: HeaderMap,
    _ stream: borrowing HTTPStream
  ) {
    let span = mutations.span
    for index in 0..<span.count { span[index].apply(to: fields, stream) }
  }

  private func changeQuery(
    _ mutations: borrowing FrozenList<ParameterMutation>, _ stream: borrowing HTTPStream
  ) {
    guard let path = stream.requestHeaders[":path"] else { return }
    var parameters = QueryParameters(path)
    let span = mutations.span
    for index in 0..<span.count { span[index].apply(to: &parameters, stream) }
    if parameters.isChanged { stream.requestHeaders.set(":path", parameters.path) }
  }
}
