// Tests without traffic: what the file exports, how the plugin opens, what it says of its configuration.
import CMartletABI
import CPluginTools
import Glibc
import Model
import PluginHost

extension CheckChild {
  /// A17: a start or reload waits that long for one plugin, at most.
  private static let slow: UInt64 = 1_000_000_000

  /// What the parent asks first: the id, the version and the filter that is meant.
  func identify() throws(ToolProblem) {
    let host = ToolHost(isInstrumented: false)
    let report = try host.load(options.path)
    let wanted = report.filters.first { options.filter.isEmpty || $0.name == options.filter }
    guard let filter = wanted else {
      let names = report.filters.map(\.name).joined(separator: ", ")
      throw ToolProblem("\(report.version.id) has no filter '\(options.filter)', it has: \(names)")
    }
    let parts = [report.version.id, report.version.version, filter.name, report.version.hash]
    say("F \(filter.kind == .http ? "http" : "network") \(parts.joined(separator: "\u{1f}"))")
  }

  func load() throws(ToolProblem) {
    if options.denied == "?" { return try identify() }
    let before = Self.processState()
    let host = ToolHost(isInstrumented: true)
    let (report, subject) = try open(host)
    checkFile()
    checkNames(report)
    _ = try Rig.load(subject.file(upstream: 1, dead: 1), host.set)
    let figures = [("open", martlet_tools_open_time()), ("config_create", martlet_tools_config_time())]
    for (name, time) in figures where time >= Self.slow {
      broken("A17", "\(name) took \(time / 1_000_000) ms; a start and a reload wait for it")
    }
    evidence("A17", figures.map { "\($0.0) \($0.1 / 1000) us" }.joined(separator: ", "))
    host.plugins.stop()
    compareState(before, Self.processState(), "after open and close")
    martlet_tools_finish()
  }

  private func checkFile() {
    guard let bytes = Output.read(options.path), let file = ELFFile(bytes) else {
      return none("A1", "the file's sections cannot be read")
    }
    let extra = file.exportedSymbols.filter { $0 != "martlet_plugin_v1" }
    if !extra.isEmpty {
      let some = extra.prefix(5).joined(separator: ", ")
      broken(
        "A1",
        "it exports \(extra.count) more: \(some)\(extra.count > 5 ? ", ..." : "") "
          + "(-fvisibility=hidden or a version script hides them)")
    }
  }

  private func checkNames(_ report: PluginReport) {
    func check(_ name: String, _ what: String, mayBeEnvoys: Bool) {
      let isEnvoys = name.hasPrefix("envoy.") || name.hasPrefix("martlet.")
      if isEnvoys, !mayBeEnvoys {
        broken("A15", "\(what) '\(name)' begins with a name that is not the author's")
      } else if !name.contains(".") {
        broken("A15", "\(what) '\(name)' is not in reverse domain notation (com.example.name)")
      }
    }
    check(report.version.id, "the id", mayBeEnvoys: isOwn(report))
    for filter in report.filters {
      // A filter that does an Envoy filter's job has its name and reads its messages.
      let reads = filter.typeNames.contains { $0.hasPrefix("envoy.") }
      check(filter.name, "the filter", mayBeEnvoys: reads || isOwn(report))
    }
  }

  /// Comes with Martlet.
  private func isOwn(_ report: PluginReport) -> Bool { report.version.id.hasPrefix("martlet.") }

  /// One of the tables is not there. To refuse is right, and so is to do without.
  func tables() throws(ToolProblem) {
    let host = ToolHost(isInstrumented: true)
    let report: PluginReport
    do {
      report = try host.load(options.path)
    } catch {
      return evidence("A4", "refuses to open without \(options.denied)")
    }
    guard let filter = report.filters.first(where: { $0.name == options.filter }) else { return }
    let subject = Subject(filter, configuration: options.configuration)
    let rig: Rig
    do {
      rig = try Rig(host: host, subject: subject)
    } catch {
      return evidence("A4", "refuses its configuration without \(options.denied)")
    }
    var random = random
    if subject.kind == .http {
      for exchange in Exchange.all(words: rig.words, &random).prefix(4) {
        _ = rig.play(exchange, seed: nil, draws: 1, patience: 1000)
      }
    } else {
      _ = rig.play(Array("PING\r\n".utf8), name: "bytes", seed: nil, draws: 1, end: .halfClose)
    }
    evidence("A4", "works without \(options.denied)")
    rig.stop()
    host.plugins.stop()
  }

  // MARK: Configurations

  /// A12, and configurations of odd kinds, which may be refused and must not end the process.
  func configurations() throws(ToolProblem) {
    let host = ToolHost(isInstrumented: true)
    let (report, subject) = try open(host)
    let catalog = RecordingCatalog(host.set, name: subject.name)
    martlet_tools_exchange("its own configuration", 1)
    _ = try Rig.load(subject.file(upstream: 1, dead: 1), catalog)
    martlet_tools_exchange("a field that nobody knows", 1)
    let field = "martlet_check_no_such_field"
    do {
      _ = try Rig.load(subject.file(upstream: 1, dead: 1, extra: field), host.set)
      if subject.typeName == nil, options.configuration.isEmpty {
        none("A12", "it has nothing to configure")
      } else {
        broken("A12", "it takes a configuration with the field `\(field)`, which it cannot know")
      }
    } catch {
      evidence("A12", "refuses an unknown field: \(error.message)")
    }
    if let request = catalog.request, request.encoding == .json, let json = JSONValue(parsing: request.bytes)
    {
      for (name, changed) in Self.oddities(json) {
        martlet_tools_exchange("configured with \(name)", 1)
        var odd = request
        odd.bytes = Array(changed.text(compact: true).utf8)
        _ = host.set.make(odd, operators: catalog.operators)
      }
      let wide = request.bytes.count
      evidence("A21", "\(wide) bytes of JSON, \(Self.oddities(json).count) changes borne")
    } else if report.filters.first(where: { $0.name == subject.name })?.descriptorBytes ?? 0 > 0 {
      evidence("A12", "the host checks its messages by its descriptors")
    }
    host.plugins.stop()
  }

  /// Values of other kinds in the place of each member, and of the whole.
  private static func oddities(_ json: JSONValue) -> [(String, JSONValue)] {
    let odd: [(String, JSONValue)] = [
      ("null", .null), ("true", .boolean(true)), ("-1", .number("-1")), ("1e308", .number("1e308")),
      ("18446744073709551616", .number("18446744073709551616")), ("an empty text", .string("")),
      ("a long text", .string(String(repeating: "x", count: 70_000))),
      ("escapes", .string("a\"b\\c\n\u{1}\u{e9}")),
      ("an empty list", .array([])), ("a list of lists", .array([.array([.array([])])])),
      ("an object", .object([JSONValue.Member(name: "a", value: .null)])),
    ]
    guard case .object(let members) = json else { return [] }
    var result: [(String, JSONValue)] = [("no member", .object([]))]
    for index in members.indices {
      var without = members
      without.remove(at: index)
      result.append(("no `\(members[index].name)`", .object(without)))
      result.append(("two `\(members[index].name)`", .object(members + [members[index]])))
      for (name, value) in odd {
        var changed = members
        changed[index].value = value
        result.append(("\(name) as `\(members[index].name)`", .object(changed)))
      }
    }
    return result
  }
}
