// The rules that make the descriptors of rate limits, compiled for one worker: names as numbers, texts
// where they do not move. A list is made with its route table, or with what its plugin has defined.
import Model

final class RateLimitRules {
  final class Rule {
    enum Limit {
      case metadata(MetadataPath)
      case fixed(requests: UInt32, unit: RateLimit.Unit)
    }
    enum Hits {
      case number(UInt64)
      case format(FormatProgram)

      init(_ model: RateLimit.Hits.Count, _ context: WorkerContext) {
        switch model {
        case .number(let number): self = .number(number)
        case .format(var format):
          // What has no value is no number either.
          format.omitEmptyValues = true
          self = .format(FormatProgram(format, names: context.names))
        }
      }
    }
    let stage: Int
    /// Of the runtime value that turns it off. Nil: it has no `disable_key`.
    let disabled: RuntimeSlot?
    let actions: [RateLimitAction]
    let limit: Limit?
    let hits: Hits?
    let givesBack: Bool
    let appliesAtEnd: Bool
    let headers: RateLimit.Headers

    fileprivate init(_ model: RateLimit, _ context: WorkerContext) {
      stage = model.stage
      disabled =
        model.disableKey.isEmpty
        ? nil : context.runtime.slot("ratelimit.\(model.disableKey).http_filter_enabled")
      actions = model.actions.map { RateLimitAction($0, context) }
      limit =
        switch model.limit {
        case .metadata(let path)?: .metadata(MetadataPath(path))
        case .fixed(let requests, let unit)?: .fixed(requests: requests, unit: unit)
        case nil: nil
        }
      hits = model.hits.map { Hits($0.count, context) }
      givesBack = model.hits?.isNegative ?? false
      appliesAtEnd = model.appliesAtEnd
      headers = model.headers
    }

    /// What its format needs to be recorded.
    fileprivate var formatNeeds: FormatNeeds {
      if case .format(let format)? = hits { return format.needs }
      return []
    }
  }
  let rules: [Rule]
  let formatNeeds: FormatNeeds

  /// Nil: there are none.
  init?(_ model: [RateLimit], _ context: WorkerContext) {
    if model.isEmpty { return nil }
    rules = model.map { Rule($0, context) }
    formatNeeds = rules.reduce([]) { $0.union($1.formatNeeds) }
  }
}

/// One action: where the value of an entry comes from.
struct RateLimitAction {
  enum Source {
    case fixed(OwnedText)
    case destinationCluster
    case header(HeaderID)
    case method, path, authority, scheme
    case query([UInt8])
    case address
    case maskedAddress(v4: Int, v6: Int)
    case headerMatch(OwnedText, expected: Bool, [HeaderMatcherRuntime])
    case queryMatch(OwnedText, expected: Bool, [QueryParameterMatcherRuntime])
    case addressMatch(OwnedText, [AddressPrefix], invert: Bool)
    case metadata(RateLimit.MetadataSource, MetadataPath, otherwise: OwnedText)
  }
  let key: OwnedText
  let source: Source
  /// Where there is no value the descriptor goes on without the entry.
  let isOptional: Bool

  init(_ model: RateLimit.Action, _ context: WorkerContext) {
    var optional = false
    switch model {
    case .sourceCluster:
      key = OwnedText("source_cluster")
      source = .fixed(OwnedText(context.node.cluster))
    case .destinationCluster:
      key = OwnedText("destination_cluster")
      source = .destinationCluster
    case .header(let name, let key, let isOptional):
      self.key = OwnedText(key)
      source = Self.header(name, context.names)
      optional = isOptional
    case .queryParameter(let name, let key, let isOptional):
      self.key = OwnedText(key)
      source = .query(Array(name.utf8))
      optional = isOptional
    case .remoteAddress:
      key = OwnedText("remote_address")
      source = .address
    case .maskedRemoteAddress(let v4, let v6):
      key = OwnedText("masked_remote_address")
      source = .maskedAddress(v4: v4, v6: v6)
    case .fixed(let key, let value):
      self.key = OwnedText(key)
      source = .fixed(OwnedText(value))
    case .headerMatch(let key, let value, let expected, let headers):
      self.key = OwnedText(key)
      source = .headerMatch(
        OwnedText(value), expected: expected,
        headers.map { HeaderMatcherRuntime(model: $0, names: context.names) })
    case .queryParameterMatch(let key, let value, let expected, let parameters):
      self.key = OwnedText(key)
      source = .queryMatch(
        OwnedText(value), expected: expected, parameters.map { QueryParameterMatcherRuntime($0) })
    case .remoteAddressMatch(let key, let value, let ranges, let invert):
      self.key = OwnedText(key)
      source = .addressMatch(OwnedText(value), ranges, invert: invert)
    case .metadata(let key, let from, let path, let otherwise, let isOptional):
      self.key = OwnedText(key)
      source = .metadata(from, MetadataPath(path), otherwise: OwnedText(otherwise))
      optional = isOptional
    }
    isOptional = optional
  }

  private static func header(_ name: String, _ names: HeaderNameTable) -> Source {
    switch name {
    case ":method": .method
    case ":path": .path
    case ":authority", "host": .authority
    case ":scheme": .scheme
    default: .header(names.intern(Array(name.utf8)) ?? .unknown)
    }
  }
}
