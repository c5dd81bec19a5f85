// `martlet.host.metrics/1`, `martlet.host.text/1` and `martlet.host.stream_info/1`, as C functions over
// handles of any scope of a filter.
import CMartletABI
import Model

@inline(__always)
func view(_ bytes: martlet_bytes) -> ByteView {
  bytes.data.map { ByteView($0, bytes.size) } ?? MessageHead.empty
}

extension martlet_bytes {
  init(_ view: ByteView) { self.init(data: view.base, size: view.count) }
}

@inline(__always)
private func increase(_ word: PluginRuntime.Word, by amount: UInt64) -> martlet_status {
  // Written on this worker alone.
  word.pointee.store(word.pointee.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  return MARTLET_OK
}

/// The rarer cases: members of families, errors.
@inline(never)
private func addToAny(
  _ scope: Unmanaged<FilterScope>, _ metric: UInt32, _ amount: UInt64
) -> martlet_status {
  guard let word = scope.takeUnretainedValue().plugin?.word(metric) else { return MARTLET_E_ARGUMENT }
  return increase(word, by: amount)
}

enum HostMetricServices {
  nonisolated(unsafe) static let table: UnsafePointer<martlet_host_metrics> = {
    let table = UnsafeMutablePointer<martlet_host_metrics>.allocate(capacity: 1)
    table.initialize(
      to: martlet_host_metrics(
        size: UInt32(MemoryLayout<martlet_host_metrics>.size),
        add: { handle, metric, amount in
          guard let scope = HandleTable.borrowed(handle) else { return MARTLET_E_GONE }
          guard let tables = scope._withUnsafeGuaranteedRef({ $0.tables }),
            Int(metric) < tables.pointee.wordCount, let word = tables.pointee.words[Int(metric)]
          else { return addToAny(scope, metric, amount) }
          return increase(word, by: amount)
        },
        subtract: { handle, metric, amount in
          guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
          guard let plugin = scope.plugin, let word = plugin.word(metric), plugin.isGauge(metric) else {
            return MARTLET_E_ARGUMENT
          }
          word.pointee.store(word.pointee.load(ordering: .relaxed) &- amount, ordering: .relaxed)
          return MARTLET_OK
        },
        record: { handle, metric, value in
          guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
          guard let histogram = scope.plugin?.histogram(metric) else { return MARTLET_E_ARGUMENT }
          let place = HistogramBins.place(of: value)
          histogram.add(page: place.page, place.index)
          return MARTLET_OK
        },
        series: { handle, family, values, count, out in
          guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
          guard count <= 16, let values, let plugin = scope.plugin else { return MARTLET_E_ARGUMENT }
          var texts: [[UInt8]] = []
          for index in 0..<count {
            let text = view(values[index])
            // What no name of a statistic can hold, and no client may choose: shown as underscores.
            texts.append(
              text.prefix(Swift.min(text.count, 200)).array.map { $0 < 0x20 || $0 == 0x7f ? 0x5f : $0 })
          }
          guard let member = plugin.member(of: family, texts) else { return MARTLET_E_ARGUMENT }
          out?.pointee = member
          return MARTLET_OK
        }))
    return UnsafePointer(table)
  }()
}

enum HostTextServices {
  nonisolated(unsafe) static let table: UnsafePointer<martlet_host_text> = {
    let table = UnsafeMutablePointer<martlet_host_text>.allocate(capacity: 1)
    table.initialize(
      to: martlet_host_text(
        size: UInt32(MemoryLayout<martlet_host_text>.size),
        format: { handle, number, out in
          guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
          guard let formats = scope.plugin?.formats, Int(number) < formats.count,
            let program = formats[Int(number)]
          else { return MARTLET_E_ARGUMENT }
          let text = scope.context.text
          let start = text.count
          defer { text.truncate(to: start) }
          guard scope.withFormatContext({ program.write(&$0, to: text) }) else {
            return MARTLET_E_ARGUMENT
          }
          out?.pointee = martlet_bytes(scope.keep(text.view(from: start)))
          return MARTLET_OK
        },
        matches: { handle, number, text, out in
          guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
          guard let expression = scope.expression(number) else { return MARTLET_E_ARGUMENT }
          out?.pointee = expression.matches(view(text))
          return MARTLET_OK
        },
        replace: { handle, number, text, substitution, out in
          guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
          guard scope.kind != .worker, let expression = scope.expression(number) else {
            return MARTLET_E_ARGUMENT
          }
          let new = view(substitution).array
          guard expression.takes(substitution: new) else { return MARTLET_E_ARGUMENT }
          let result = scope.context.scratch
          result.clear()
          expression.replaceAll(in: view(text), by: new, into: result)
          out?.pointee = martlet_bytes(scope.keep(result.view))
          return MARTLET_OK
        },
        runtime_number: { handle, key, otherwise, out in
          guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
          guard let slot = scope.runtimeSlot(key) else { return MARTLET_E_ARGUMENT }
          out?.pointee = scope.context.runtime.number(slot, otherwise)
          return MARTLET_OK
        },
        runtime_boolean: { handle, key, otherwise, out in
          guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
          guard let slot = scope.runtimeSlot(key) else { return MARTLET_E_ARGUMENT }
          out?.pointee = scope.context.runtime.boolean(slot, otherwise)
          return MARTLET_OK
        },
        runtime_share: { handle, key, numerator, denominator, random, out in
          guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
          guard let slot = scope.runtimeSlot(key), denominator > 0 else { return MARTLET_E_ARGUMENT }
          out?.pointee = scope.context.runtime.takes(
            slot, RuntimeShare(numerator: numerator, denominator: denominator), random: random)
          return MARTLET_OK
        }))
    return UnsafePointer(table)
  }()
}

extension FilterScope {
  fileprivate func expression(_ number: UInt32) -> RegularExpression? {
    guard let expressions = plugin?.expressions, Int(number) < expressions.count else { return nil }
    return expressions[Int(number)]
  }

  fileprivate func runtimeSlot(_ number: UInt32) -> RuntimeSlot? {
    guard let slots = plugin?.runtimeSlots, Int(number) < slots.count else { return nil }
    return slots[Int(number)]
  }
}

enum HostStreamInfoServices {
  /// Sets a value of the dynamic metadata.
  private static func set(
    _ handle: martlet_handle, _ space: martlet_bytes, _ key: martlet_bytes,
    _ write: (MetadataTree, MetadataTree.NodeID) -> Bool
  ) -> martlet_status {
    guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
    guard space.size > 0, key.size > 0, let stored = scope.storedForWriting() else {
      return MARTLET_E_ARGUMENT
    }
    let tree = stored.metadata
    let names = tree.makeMember(view(space), of: MetadataTree.root)
    guard names >= 0 else { return MARTLET_E_LIMIT }
    let node = tree.makeMember(view(key), of: names)
    return node >= 0 && write(tree, node) ? MARTLET_OK : MARTLET_E_LIMIT
  }

  /// A value as text.
  private static func answer(
    _ scope: FilterScope, _ tree: MetadataTree, _ node: MetadataTree.NodeID,
    _ out: UnsafeMutablePointer<martlet_bytes>?
  ) -> martlet_status {
    guard node >= 0 else { return MARTLET_E_NOT_FOUND }
    let found: ByteView
    switch tree.kind(of: node) {
    case .text: found = scope.keep(tree.text(of: node))
    case .bool:
      let text: StaticString = tree.flag(of: node) ? "true" : "false"
      found = ByteView(text.utf8Start, text.utf8CodeUnitCount)
    case .number:
      let number = tree.number(of: node)
      var text = number == number.rounded() && abs(number) < 1e15 ? "\(Int64(number))" : "\(number)"
      found = text.withUTF8 { scope.keep(ByteView($0.baseAddress.unsafelyUnwrapped, $0.count)) }
    case .null, .list, .object: return MARTLET_E_NOT_FOUND
    }
    out?.pointee = martlet_bytes(found)
    return MARTLET_OK
  }

  nonisolated(unsafe) static let table: UnsafePointer<martlet_host_stream_info> = {
    let table = UnsafeMutablePointer<martlet_host_stream_info>.allocate(capacity: 1)
    table.initialize(
      to: martlet_host_stream_info(
        size: UInt32(MemoryLayout<martlet_host_stream_info>.size),
        text: { handle, attribute, out in
          guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
          guard FilterScope.isKnown(attribute) else { return MARTLET_E_ARGUMENT }
          let text = scope.context.text
          let start = text.count
          defer { text.truncate(to: start) }
          guard scope.text(attribute, to: text) else { return MARTLET_E_NOT_FOUND }
          out?.pointee = martlet_bytes(scope.keep(text.view(from: start)))
          return MARTLET_OK
        },
        number: { handle, attribute, out in
          guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
          guard FilterScope.isKnown(number: attribute) else { return MARTLET_E_ARGUMENT }
          guard let number = scope.number(attribute) else { return MARTLET_E_NOT_FOUND }
          out?.pointee = number
          return MARTLET_OK
        },
        add_response_flag: { handle, flag in
          guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
          guard let flag = ResponseFlags.ofFilters(view(flag)) else { return MARTLET_E_ARGUMENT }
          return scope.note(flag) ? MARTLET_OK : MARTLET_E_ARGUMENT
        },
        set_metadata_text: { handle, space, key, value in
          set(handle, space, key) { $0.set($1, text: view(value)) }
        },
        set_metadata_number: { handle, space, key, value in
          set(handle, space, key) {
            $0.set($1, number: value)
            return true
          }
        },
        set_metadata_boolean: { handle, space, key, value in
          set(handle, space, key) {
            $0.set($1, bool: value)
            return true
          }
        },
        metadata: { handle, space, key, out in
          guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
          guard let tree = scope.storedView.metadata, !tree.isEmpty else { return MARTLET_E_NOT_FOUND }
          let names = tree.member(view(space), of: MetadataTree.root)
          return answer(scope, tree, tree.member(view(key), of: names), out)
        },
        set_filter_state: { handle, key, value in
          guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
          guard key.size > 0, let stored = scope.storedForWriting() else { return MARTLET_E_ARGUMENT }
          let node = stored.filterState.makeMember(view(key), of: MetadataTree.root)
          return node >= 0 && stored.filterState.set(node, text: view(value)) ? MARTLET_OK : MARTLET_E_LIMIT
        },
        filter_state: { handle, key, out in
          guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
          let stored = scope.storedView
          for data in [stored.stream, stored.connection] {
            guard let tree = data?.filterState, !tree.isEmpty else { continue }
            let node = tree.member(view(key), of: MetadataTree.root)
            if node >= 0 { return answer(scope, tree, node, out) }
          }
          return MARTLET_E_NOT_FOUND
        },
        attached: { handle, key, out in
          guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
          guard let binding = scope.filterBinding,
            let found = scope.downstream?.attachments?.find(key, binding)
          else { return MARTLET_E_NOT_FOUND }
          out?.pointee = found
          return MARTLET_OK
        },
        attach: { handle, key, given in
          guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
          guard let given, Int(given.pointee.size) >= MemoryLayout<martlet_attachment>.size,
            let binding = scope.filterBinding, let connection = scope.downstream
          else { return MARTLET_E_ARGUMENT }
          let attachments = connection.attachments ?? ConnectionAttachments()
          connection.attachments = attachments
          return attachments.add(key, given.pointee, binding)
        }))
    return UnsafePointer(table)
  }()
}

extension ResponseFlags {
  /// By Envoy's short name; those that a filter may set.
  static func ofFilters(_ name: ByteView) -> ResponseFlags? {
    if name == "DI" { return .delayInjected }
    if name == "FI" { return .faultInjected }
    if name == "RL" { return .rateLimited }
    if name == "UAEX" { return .unauthorizedExternalService }
    if name == "RLSE" { return .rateLimitServiceError }
    if name == "RFCF" { return .responseFromCacheFilter }
    if name == "DO" { return .dropOverload }
    return nil
  }
}
