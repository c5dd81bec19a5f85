// Header rules, compiled: fields removed from a head and added to it. Values are all made before
// any is put in place, so that a rule sees what came and not what the rule before it did.
import Model

final class HeaderRules {
  private struct Addition {
    let id: HeaderID
    let name: OwnedText
    let value: FormatProgram
    let action: HeaderAddition.Action
    let keepsEmpty: Bool
    /// A field that Envoy keeps in one line.
    let joins: Bool
  }
  private let removals: [HeaderID]
  private let additions: [Addition]
  let needs: FormatNeeds

  init(_ model: HeaderMutations, names: HeaderNameTable) {
    removals = model.remove.compactMap { names.intern(Array($0.utf8)) }
    additions = model.add.compactMap { addition in
      guard let id = names.intern(Array(addition.name.utf8)) else { return nil }
      return Addition(
        id: id, name: OwnedText(addition.name), value: FormatProgram(addition.value, names: names),
        action: addition.action, keepsEmpty: addition.keepEmptyValue,
        joins: HeaderRules.inOneLine.contains(addition.name))
    }
    needs = additions.reduce([]) { $0.union($1.value.needs) }
  }

  /// What comes again is joined to what is there with a comma, as in Envoy; other fields get a line
  /// of their own.
  private static let inOneLine: Set<String> = [
    "accept", "accept-encoding", "age", "authorization", "cache-control", "content-encoding",
    "content-type", "date", "etag", "expect", "expires", "grpc-message", "grpc-status",
    "grpc-timeout", "location", "origin", "referer", "server", "te", "upgrade", "user-agent", "vary",
    "via", "x-client-trace-id", "x-envoy-attempt-count", "x-envoy-decorator-operation",
    "x-envoy-external-address", "x-envoy-original-path", "x-envoy-upstream-service-time",
    "x-forwarded-client-cert", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port",
    "x-forwarded-proto", "x-request-id",
  ]

  /// Nil where there is nothing to do.
  static func compile(_ model: HeaderMutations, names: HeaderNameTable) -> HeaderRules? {
    model.isEmpty ? nil : HeaderRules(model, names: names)
  }

  /// `head` is the one that changes, request or response.
  func apply(to head: MessageHead, _ context: inout FormatContext) {
    for id in removals { remove(id, from: head) }
    if additions.isEmpty { return }
    let text = context.worker.text
    let start = text.count
    withUnsafeTemporaryAllocation(of: Int.self, capacity: additions.count * 2) { ends in
      for index in additions.indices {
        additions[index].value.write(&context, to: text)
        ends[index] = text.count
        // Whether the field is there is asked before any is added.
        ends[additions.count + index] = head.headers.contains(additions[index].id) ? 1 : 0
      }
      // Replacements first, then what is added, as Envoy.
      for isSecond in [false, true] {
        var from = start
        for index in additions.indices {
          let value = ByteView(UnsafePointer(text.base + from), ends[index] - from)
          from = ends[index]
          put(
            additions[index], value, in: head, second: isSecond,
            wasThere: ends[additions.count + index] == 1)
        }
      }
    }
    text.truncate(to: start)
  }

  private func put(
    _ addition: Addition, _ value: ByteView, in head: MessageHead, second: Bool, wasThere: Bool
  ) {
    if value.count == 0, !addition.keepsEmpty { return }
    // What filters have stored and queries hold, decoded, may be what no field can.
    if !addition.value.isConstant, !HTTP1Characters.isValidValue(value) { return }
    let headers = head.headers
    switch addition.action {
    case .appendIfExistsOrAdd:
      if second {
        headers.append(addition.id, name: addition.name.view, value: value, joins: addition.joins)
      }
    case .addIfAbsent:
      if second, !wasThere {
        headers.append(addition.id, name: addition.name.view, value: value, joins: addition.joins)
      }
    case .overwriteIfExistsOrAdd:
      if !second { headers.replace(addition.id, name: addition.name.view, value: value) }
    case .overwriteIfExists:
      if !second, wasThere {
        headers.replace(addition.id, name: addition.name.view, value: value)
      }
    }
  }

  private func remove(_ id: HeaderID, from head: MessageHead) {
    if id == .contentLength, head.contentLength >= 0 {
      // The body is then framed by chunks.
      head.isChunked = head.contentLength > 0
      head.contentLength = -1
    }
    head.headers.remove(id)
  }
}

/// The rules of a route, of its virtual host and of its route table, for what has rules of its own
/// beside them: the entries of weighted clusters.
struct HeaderRuleLevels {
  var outer: [HeaderRuleSet] = []
  var mostSpecificWins = false

  /// Nil: it has none.
  func compile(with own: HeaderRuleSet, names: HeaderNameTable) -> RouteHeaderRules? {
    if own.request.isEmpty, own.response.isEmpty { return nil }
    // Its own come first whoever wins, as in Envoy.
    return RouteHeaderRules.compile(
      [own] + (mostSpecificWins ? outer.reversed() : outer), mostSpecificWins: false, names: names)
  }
}

/// Changes made one after the other, each to what the one before has left.
final class HeaderChanges {
  private enum Step { case rules(HeaderRules), remove(TextMatcher) }
  private let steps: [Step]
  let needs: FormatNeeds

  /// Nil: there are none.
  init?(_ model: [HeaderChange], names: HeaderNameTable) {
    if model.isEmpty { return nil }
    var needs: FormatNeeds = []
    steps = model.map { change in
      var mutations = HeaderMutations()
      switch change {
      case .removeMatching(let matcher): return .remove(TextMatcher(matcher))
      case .remove(let name): mutations.remove = [name]
      case .add(let addition): mutations.add = [addition]
      }
      let rules = HeaderRules(mutations, names: names)
      needs.formUnion(rules.needs)
      return .rules(rules)
    }
    self.needs = needs
  }

  func apply(to head: MessageHead, _ context: inout FormatContext) {
    for step in steps {
      switch step {
      case .rules(let rules): rules.apply(to: head, &context)
      case .remove(let matcher): head.headers.removeNames { matcher.matches($0) }
      }
    }
  }
}

/// The rules of a route with those of its virtual host and route table, in the order in which they
/// are applied.
final class RouteHeaderRules {
  private let request: [HeaderRules]
  private let response: [HeaderRules]
  let needs: FormatNeeds

  /// `levels` from the most specific (weighted cluster, route) to the least (route table). The last
  /// that is applied has the last word: the least specific, unless `mostSpecificWins`.
  /// Nil where no level has a rule.
  static func compile(
    _ levels: [HeaderRuleSet], mostSpecificWins: Bool, names: HeaderNameTable
  ) -> RouteHeaderRules? {
    let used = levels.filter { !$0.request.isEmpty || !$0.response.isEmpty }
    if used.isEmpty { return nil }
    return RouteHeaderRules(mostSpecificWins ? used.reversed() : used, names: names)
  }

  private init(_ levels: [HeaderRuleSet], names: HeaderNameTable) {
    request = levels.compactMap { HeaderRules.compile($0.request, names: names) }
    response = levels.compactMap { HeaderRules.compile($0.response, names: names) }
    needs = (request + response).reduce([]) { $0.union($1.needs) }
  }

  func applyToRequest(_ head: MessageHead, _ context: inout FormatContext) {
    for rules in request { rules.apply(to: head, &context) }
  }

  func applyToResponse(_ head: MessageHead, _ context: inout FormatContext) {
    for rules in response { rules.apply(to: head, &context) }
  }
}
