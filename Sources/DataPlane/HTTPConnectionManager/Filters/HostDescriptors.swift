// The worker's half of `martlet.host.rate_limit/1`: the descriptors of a stream, by the rules of its route
// and virtual host or by a filter's own.
public import CMartletABI
import Glibc
import Model

public enum HostDescriptors {
  public typealias Function =
    @convention(c) (
      martlet_handle, UnsafePointer<martlet_descriptor_query>?,
      UnsafeMutablePointer<UnsafePointer<UnsafePointer<martlet_descriptor>?>?>?,
      UnsafeMutablePointer<Int>?
    ) -> martlet_status

  static let find: Function = { handle, query, out, count in
    guard let scope = HandleTable.borrowed(handle) else { return MARTLET_E_GONE }
    return scope._withUnsafeGuaranteedRef { scope in
      guard scope.kind == .stream else { return MARTLET_E_GONE }
      let slot = unsafeDowncast(scope, to: HTTPFilterSlot.self)
      guard let query, Int(query.pointee.size) >= MemoryLayout<martlet_descriptor_query>.size,
        let stream = slot.instance.stream
      else { return MARTLET_E_ARGUMENT }
      let list = slot.instance.handles.descriptors
      list.clear()
      guard add(query.pointee, slot, stream, to: list) else { return MARTLET_E_ARGUMENT }
      out?.pointee = list.finish()
      count?.pointee = list.count
      return MARTLET_OK
    }
  }

  /// False: the query is wrong.
  private static func add(
    _ query: martlet_descriptor_query, _ slot: HTTPFilterSlot, _ stream: HTTPStream, to list: DescriptorList
  ) -> Bool {
    var writer = DescriptorWriter(list: list, stream: stream, context: slot.context)
    guard query.rules == MARTLET_ROUTE_RATE_LIMITS else {
      guard let known = slot.plugin?.rateLimits, Int(query.rules) < known.count else { return false }
      if let rules = known[Int(query.rules)] { writer.add(ofFilter: rules, atEnd: query.at_end) }
      return true
    }
    guard query.stage <= 10,
      (MARTLET_VIRTUAL_HOST_OTHERWISE...MARTLET_VIRTUAL_HOST_NOT).contains(query.virtual_host)
    else { return false }
    // Those of routes all count at once.
    guard !query.at_end, let (action, host) = stream.rateLimitRoute else { return true }
    let stage = Int(query.stage)
    if let rules = action.rateLimits { writer.add(ofRoute: rules, stage: stage) }
    let isIncluded =
      action.includesVirtualHostRateLimits || query.virtual_host == MARTLET_VIRTUAL_HOST_TOO
      || (query.virtual_host == MARTLET_VIRTUAL_HOST_OTHERWISE && action.rateLimits == nil)
    if isIncluded, let rules = host.rateLimits { writer.add(ofRoute: rules, stage: stage) }
    return true
  }
}

/// Makes the descriptors of one request.
private struct DescriptorWriter {
  let list: DescriptorList
  unowned(unsafe) let stream: HTTPStream
  unowned(unsafe) let context: WorkerContext

  mutating func add(ofFilter rules: RateLimitRules, atEnd: Bool) {
    for rule in rules.rules where rule.appliesAtEnd == atEnd { add(rule, rule.hits) }
  }

  /// They all count one, and at once.
  mutating func add(ofRoute rules: RateLimitRules, stage: Int) {
    for rule in rules.rules where rule.stage == stage { add(rule, nil) }
  }

  private mutating func add(_ rule: RateLimitRules.Rule, _ hits: RateLimitRules.Rule.Hits?) {
    for action in rule.actions where !add(action) && !action.isOptional {
      list.abandon()
      return
    }
    var flags: UInt32 = 0
    var count: UInt64 = 1
    if let hits {
      guard let number = self.hits(hits) else {
        list.abandon()
        return
      }
      count = number
      flags |= MARTLET_DESCRIPTOR_HITS
      if rule.givesBack { flags |= MARTLET_DESCRIPTOR_GIVES_BACK }
    }
    if let slot = rule.disabled {
      flags |= MARTLET_DESCRIPTOR_DISABLE_KEY
      let all = RuntimeShare(numerator: 100, denominator: 100)
      if !context.runtime.takes(slot, all, random: context.random.next()) {
        flags |= MARTLET_DESCRIPTOR_DISABLED
      }
    }
    switch rule.headers {
    case .unspecified: break
    case .off: flags |= MARTLET_DESCRIPTOR_HEADERS_OFF
    case .draft03: flags |= MARTLET_DESCRIPTOR_HEADERS_ON
    }
    let limit = rule.limit.flatMap { self.limit($0) }
    if limit != nil { flags |= MARTLET_DESCRIPTOR_LIMIT }
    list.commit(flags: flags, hits: count, limit: limit ?? (0, 0))
  }

  // MARK: Entries

  /// False: there is no value.
  private func add(_ action: RateLimitAction) -> Bool {
    let key = action.key.view
    switch action.source {
    case .fixed(let value): list.add(key, value.view)
    case .destinationCluster:
      guard let cluster = stream.destinationCluster() else { return false }
      list.add(key, cluster.nameText.view)
    case .header(let id):
      guard let value = stream.request.headers.first(id) else { return false }
      list.add(key, value)
    case .method: list.add(key, stream.request.methodText)
    case .path: list.add(key, stream.request.path)
    case .authority: list.add(key, stream.request.authority)
    case .scheme:
      list.add(key, ByteView(literal: "http"))
    case .query(let name):
      let start = list.text.count
      guard DecodedQuery(stream.request.path).first(name, to: list.text) else { return false }
      list.add(key, textFrom: start)
    case .address:
      guard case .ip(let address, _)? = remote else { return false }
      let start = list.text.count
      AddressText.write(address, to: list.text)
      list.add(key, textFrom: start)
    case .maskedAddress(let v4, let v6):
      guard let remote, case .ip(let address, _) = remote else { return false }
      let start = list.text.count
      AddressText.writeWithoutPort(remote, prefix: address.family == .v4 ? v4 : v6, to: list.text)
      list.add(key, textFrom: start)
    case .headerMatch(let value, let expected, let matchers):
      guard matches(matchers) == expected else { return false }
      list.add(key, value.view)
    case .queryMatch(let value, let expected, let matchers):
      guard matches(matchers) == expected else { return false }
      list.add(key, value.view)
    case .addressMatch(let value, let ranges, let invert):
      guard case .ip(let address, _)? = remote,
        ranges.contains(where: { $0.contains(address) }) != invert
      else { return false }
      list.add(key, value.view)
    case .metadata(let source, let path, let otherwise):
      if let text = text(source, path) {
        list.add(key, text)
      } else if otherwise.view.count > 0 {
        list.add(key, otherwise.view)
      } else {
        return false
      }
    }
    return true
  }

  /// The client, as far as the proxy believes headers.
  private var remote: SocketAddress? {
    stream.info.remote ?? stream.codec?.connection.remoteAddress
  }

  private func matches(_ matchers: [HeaderMatcherRuntime]) -> Bool {
    for matcher in matchers where !matcher.matches(stream.request) { return false }
    return true
  }

  private func matches(_ matchers: [QueryParameterMatcherRuntime]) -> Bool {
    let query = DecodedQuery(stream.request.path)
    let start = list.text.count
    defer { list.text.truncate(to: start) }
    for matcher in matchers {
      list.text.truncate(to: start)
      let isThere = query.first(matcher.name, to: list.text)
      if !matcher.matches(isThere ? list.text.view(from: start) : nil) { return false }
    }
    return true
  }

  /// A text of metadata that is not empty.
  private func text(_ source: RateLimit.MetadataSource, _ path: MetadataPath) -> ByteView? {
    let tree =
      switch source {
      case .dynamic: stream.storedView.metadata
      case .route: stream.info.routeMetadata
      case .cluster: stream.destinationCluster()?.metadata
      }
    guard let place = tree.flatMap({ path.find(in: $0) }), place.tree.kind(of: place.node) == .text else {
      return nil
    }
    let text = place.tree.text(of: place.node)
    return text.count > 0 ? text : nil
  }

  // MARK: Beside the entries

  /// Nil: the value is no number of hits.
  private func hits(_ hits: RateLimitRules.Rule.Hits) -> UInt64? {
    let format: FormatProgram
    switch hits {
    case .number(let number): return number
    case .format(let program): format = program
    }
    let start = list.text.count
    defer { list.text.truncate(to: start) }
    stream.withFormatContext(nil) { format.write(&$0, to: list.text) }
    guard let number = list.text.view(from: start).number, number >= 0,
      number <= Double(RateLimit.mostHits)
    else { return nil }
    return UInt64(number)
  }

  private func limit(_ limit: RateLimitRules.Rule.Limit) -> (requests: UInt32, unit: UInt32)? {
    let path: MetadataPath
    switch limit {
    case .fixed(let requests, let unit): return (requests, UInt32(unit.rawValue))
    case .metadata(let found): path = found
    }
    guard let tree = stream.storedView.metadata, let place = path.find(in: tree) else { return nil }
    let requests = tree.member(DescriptorWriter.requestsPerUnit, of: place.node)
    let unit = tree.member(DescriptorWriter.unit, of: place.node)
    guard requests >= 0, unit >= 0, tree.kind(of: requests) == .number, tree.kind(of: unit) == .text,
      let number = UInt32(exactly: tree.number(of: requests).rounded(.towardZero))
    else { return nil }
    let name = tree.text(of: unit)
    for known in RateLimit.Unit.allCases where name == Array(known.name.utf8) {
      return (number, UInt32(known.rawValue))
    }
    return nil
  }

  private static var requestsPerUnit: ByteView { ByteView(literal: "requests_per_unit") }
  private static var unit: ByteView { ByteView(literal: "unit") }
}

extension ByteView {
  fileprivate init(literal text: StaticString) { self.init(text.utf8Start, text.utf8CodeUnitCount) }

  /// A number as C reads it, and nothing behind it.
  var number: Double? {
    guard count > 0, count < 64 else { return nil }
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text -> Double? in
      guard let start = text.baseAddress else { return nil }
      UnsafeMutableRawPointer(start).copyMemory(from: base, byteCount: count)
      start[count] = 0
      var end: UnsafeMutablePointer<CChar>?
      let value = strtod(start, &end)
      return end == start + count && value.isFinite ? value : nil
    }
  }
}
