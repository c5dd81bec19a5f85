// `/runtime` and `/runtime_modify`.

extension AdminHandler {
  func runtime() -> AdminResponse {
    let report = source.runtime()
    let entries = report.entries.map { entry in
      JSONValue.Member(
        entry.key,
        .object([
          .init("layer_values", .array(entry.layerValues.map { .string($0) })),
          .init("final_value", .string(entry.finalValue)),
        ]))
    }
    let text = JSONValue.object([
      .init("layers", .array(report.layers.map { .string($0) })), .init("entries", .object(entries)),
    ]).pretty
    return AdminResponse(.json, body: text)
  }

  /// Every parameter is a key and its value; an empty value takes the key out of the admin layer.
  func modifyRuntime(_ request: AdminRequest) -> AdminResponse {
    if request.parameters.isEmpty {
      return .badRequest(
        "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n"
          + "use an empty value to remove a previously added override\n")
    }
    guard source.modifyRuntime(request.parameters.map { ($0.name, $0.value) }) else {
      return AdminResponse(status: 503, body: "No admin layer specified\n")
    }
    return AdminResponse(body: "OK\n")
  }
}
