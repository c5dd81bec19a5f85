// What filters have stored, and metadata of the configuration, as formats write them: a text as it
// is, anything else as JSON.
import Model

extension FormatStep {
  /// Its value is JSON already when it stands alone in a JSON format.
  var writesJSON: Bool { code == .metadata || (code == .filterState && kind == 1) }

  private func find(_ context: FormatContext) -> MetadataPlace? {
    guard let pointer else { return nil }
    return Unmanaged<MetadataPath>.fromOpaque(pointer)._withUnsafeGuaranteedRef { path in
      let place =
        code == .filterState
        ? context.stored.filterState(path) : tree(context).flatMap { path.find(in: $0) }
      // A null is no value, in a line of JSON as well.
      return place.flatMap { $0.tree.kind(of: $0.node) == .null ? nil : $0 }
    }
  }

  private func tree(_ context: FormatContext) -> MetadataTree? {
    switch kind {
    case 0: context.stored.metadata
    case 1: context.info.pointee.cluster?.metadata
    case 2: context.info.pointee.routeMetadata
    case 3: context.info.pointee.endpoint?.metadata
    case 4: context.connection?.listenerMetadata
    case 5: context.connection?.filterChainMetadata
    default: context.info.pointee.virtualHostMetadata
    }
  }

  static func byte(of source: FormatOperator.MetadataSource) -> UInt8 {
    switch source {
    case .dynamic: 0
    case .cluster: 1
    case .route: 2
    case .upstreamHost: 3
    case .listener: 4
    case .listenerFilterChain: 5
    case .virtualHost: 6
    }
  }

  /// In a text. False: there is no value.
  func writeStored(_ context: FormatContext, to out: TextBuffer) -> Bool {
    guard let place = find(context) else { return false }
    if place.tree.kind(of: place.node) == .text, !(code == .filterState && kind == 1) {
      out.append(place.tree.text(of: place.node))
      return true
    }
    place.tree.writeJSON(place.node, to: out)
    return true
  }

  /// Alone in a JSON format. False: there is no value.
  func writeJSON(_ context: FormatContext, to out: TextBuffer) -> Bool {
    guard let place = find(context) else { return false }
    guard limit >= 0, place.tree.kind(of: place.node) == .text else {
      place.tree.writeJSON(place.node, to: out)
      return true
    }
    out.append(UInt8(ascii: "\""))
    let start = out.count
    let text = place.tree.text(of: place.node)
    out.append(text.prefix(Swift.min(text.count, Int(limit))))
    JSONText.escape(out, from: start)
    out.append(UInt8(ascii: "\""))
    return true
  }
}

extension MetadataTree {
  func writeJSON(_ node: NodeID, to out: TextBuffer) {
    switch kind(of: node) {
    case .null: out.append("null")
    case .bool: out.append(flag(of: node) ? "true" : "false")
    case .number: writeNumber(number(of: node), to: out)
    case .text: writeText(text(of: node), to: out)
    case .list, .object:
      let isObject = kind(of: node) == .object
      out.append(isObject ? UInt8(ascii: "{") : UInt8(ascii: "["))
      var child = first(in: node)
      while child >= 0 {
        if isObject {
          writeText(name(of: child), to: out)
          out.append(UInt8(ascii: ":"))
        }
        writeJSON(child, to: out)
        child = next(after: child)
        if child >= 0 { out.append(UInt8(ascii: ",")) }
      }
      out.append(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]"))
    }
  }

  private func writeText(_ text: ByteView, to out: TextBuffer) {
    out.append(UInt8(ascii: "\""))
    let start = out.count
    out.append(text)
    JSONText.escape(out, from: start)
    out.append(UInt8(ascii: "\""))
  }

  private func writeNumber(_ number: Double, to out: TextBuffer) {
    if number.magnitude < 1e15, number == number.rounded() {
      out.append(signed: Int64(number))
    } else if number.isFinite {
      for byte in "\(number)".utf8 { out.append(byte) }
    } else {
      out.append("null")
    }
  }
}
