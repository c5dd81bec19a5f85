// `martlet plugin bench`: what the hooks of a filter cost, on one worker of the real data plane, each
// measured by the processor's own counter around the call; so neither the sockets that streams come by nor
// the rest of the proxy are in the figures. Then, in streams of their own, each call of the host.
import CMartletABI
import CPluginTools
import DataPlane
import Glibc
import Model
import PluginHost

public enum PluginBench {
  /// Measures and prints. Returns the exit code.
  public static func run(_ options: CheckOptions, rounds: Int, streams: Int) -> Int32 {
    guard (1...1000).contains(rounds), (10...1_000_000).contains(streams) else {
      return PluginTools.refuse("--rounds is 1 to 1000, --streams 10 to 1000000", code: ExitCode.failed)
    }
    do {
      let bench = try Bench(options, rounds: rounds, streams: streams)
      Output.write(options.json ? bench.json.text() + "\n" : bench.text)
      return ExitCode.success
    } catch {
      Output.error(error.message)
      return ExitCode.failed
    }
  }
}

private struct Bench {
  private struct Row {
    var name: String
    /// Of one, nanoseconds.
    var median: Double
    /// A stream.
    var calls: Double
  }
  private let report: PluginReport
  private let filter: PluginReport.Filter
  private let rounds: Int
  private let streams: Int
  private var hooks: [Row] = []
  private var calls: [Row] = []
  private var perStream = 0.0

  init(_ options: CheckOptions, rounds: Int, streams: Int) throws(ToolProblem) {
    self.rounds = rounds
    self.streams = streams
    // Which filter it is, before the wrappers must know; opened for real, as `inspect` does.
    var name = options.filter
    if name.isEmpty {
      let inspection = try Inspection(options.path)
      name = inspection.report.filters.first?.name ?? ""
    }
    let first = try Self.rig(options, name, MARTLET_TOOLS_HOOKS)
    report = first.0
    filter = first.1
    measureHooks(first.2)
    Self.end(first.2)
    // The plugin is loaded once more, with counting wrappers around the host's tables.
    let second = try Self.rig(options, name, MARTLET_TOOLS_CALLS)
    measureCalls(second.2)
    Self.end(second.2)
  }

  private static func rig(
    _ options: CheckOptions, _ name: String, _ mode: martlet_tools_mode
  ) throws(ToolProblem) -> (PluginReport, PluginReport.Filter, Rig) {
    var start = martlet_tools_options()
    start.mode = mode
    start.report = Glibc.open("/dev/null", O_WRONLY | O_CLOEXEC)
    name.withCString {
      start.filter = $0
      martlet_tools_start(&start)
    }
    let host = ToolHost(isInstrumented: true)
    let report = try host.load(options.path)
    guard let found = report.filters.first(where: { $0.name == name }) else {
      throw ToolProblem("\(report.version.id) has no filter '\(name)'")
    }
    let subject = Subject(found, configuration: options.configuration)
    return (report, found, try Rig(host: host, subject: subject))
  }

  private static func end(_ rig: Rig) {
    rig.stop()
    rig.host.plugins.stop()
  }

  /// By name: (median, how many a stream) of each round.
  private typealias Found = [String: [(Double, Double)]]

  private mutating func measureHooks(_ rig: Rig) {
    var found: Found = [:]
    var rare: Found = [:]
    var whole: [Double] = []
    play(rig, streams / 4)
    for _ in 0..<rounds {
      martlet_tools_clear_figures()
      play(rig, streams)
      Self.readHooks(streams, into: &found)
      var stream = martlet_tools_figures()
      martlet_tools_stream_figures(&stream)
      whole.append(stream.median)
    }
    // Hooks that only messages with bodies and trailers reach, one stream after the other.
    if filter.kind == .http {
      martlet_tools_clear_figures()
      playWhole(rig, streams / 4)
      Self.readHooks(streams / 4, into: &rare)
      found.merge(rare) { common, _ in common }
    }
    hooks = Self.rows(found)
    perStream = Self.median(whole)
  }

  private static func readHooks(_ streams: Int, into found: inout Found) {
    for hook in 0..<martlet_tools_hook_count() {
      var figures = martlet_tools_figures()
      guard martlet_tools_hook(hook, &figures), figures.count > 0 else { continue }
      let name = String(cString: figures.name)
      guard !name.contains("config"), !name.contains("worker") else { continue }
      found[name, default: []].append((figures.median, Double(figures.count) / Double(streams)))
    }
  }

  private mutating func measureCalls(_ rig: Rig) {
    var found: Found = [:]
    var rare: Found = [:]
    play(rig, streams / 4)
    for _ in 0..<rounds {
      martlet_tools_clear_figures()
      play(rig, streams / 2)
      Self.readCalls(streams / 2, into: &found)
    }
    if filter.kind == .http {
      martlet_tools_clear_figures()
      playWhole(rig, streams / 4)
      Self.readCalls(streams / 4, into: &rare)
      found.merge(rare) { common, _ in common }
    }
    calls = Self.rows(found)
  }

  private static func readCalls(_ streams: Int, into found: inout Found) {
    var number: Int32 = 0
    var figures = martlet_tools_figures()
    while martlet_tools_call(number, &figures) {
      number += 1
      guard figures.count > 0 else { continue }
      let name = String(cString: figures.name)
      found[name, default: []].append((figures.median, Double(figures.count) / Double(streams)))
    }
  }

  private static func rows(_ found: [String: [(Double, Double)]]) -> [Row] {
    found.map { Row(name: $0.key, median: median($0.value.map(\.0)), calls: median($0.value.map(\.1))) }
      .sorted { ($0.median * $0.calls, $0.name) > ($1.median * $1.calls, $1.name) }
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
  }

  /// Small requests on end; connections that send a line.
  private func play(_ rig: Rig, _ count: Int) {
    if filter.kind == .http {
      rig.burst(count)
    } else {
      let line = Array("PING hello\r\n".utf8)
      for _ in 0..<count { _ = rig.play(line, name: "bench", seed: nil, draws: 1, end: .halfClose) }
    }
    rig.hangUp()
  }

  /// Requests and answers with bodies and trailers, through the upstream.
  private func playWhole(_ rig: Rig, _ count: Int) {
    let body = Array("order 1234567 of a customer\r\n".utf8)
    let trailers = [("x-checksum", "4711")]
    let request = Message("POST /bench HTTP/1.1", [("host", "bench.example")])
      .with(body, .chunked, trailers: trailers)
    let answer = Message("HTTP/1.1 200 OK", [("content-type", "text/plain")])
      .with(body, .chunked, trailers: trailers)
    let exchange = Exchange(name: "bench", request: request, response: answer)
    for _ in 0..<count { _ = rig.play(exchange, seed: nil, draws: 1) }
    rig.hangUp()
  }

  private static func tenths(_ value: Double) -> String {
    let number = Int((value * 10).rounded())
    return "\(number / 10).\(number % 10)"
  }

  var text: String {
    var out =
      "\(report.version.id) \(report.version.version), \(filter.name): medians of \(rounds) rounds of "
    out += "\(streams) streams, ns\n"
    out += "stream".padded(30) + Self.tenths(perStream) + "\n"
    for row in hooks {
      out +=
        ("  " + row.name).padded(30) + Self.tenths(row.median).padded(10)
        + "\(Self.tenths(row.calls)) a stream\n"
    }
    if !calls.isEmpty { out += "calls of the host\n" }
    for row in calls {
      out +=
        ("  " + row.name).padded(30) + Self.tenths(row.median).padded(10)
        + "\(Self.tenths(row.calls)) a stream\n"
    }
    return out
  }

  private static func json(_ rows: [Row]) -> JSONValue {
    .array(
      rows.map {
        .members([
          "name": .string($0.name), "nanoseconds": .number(tenths($0.median)),
          "per_stream": .number(tenths($0.calls)),
        ])
      })
  }

  var json: JSONValue {
    .members([
      "id": .string(report.version.id), "version": .string(report.version.version),
      "filter": .string(filter.name),
      "rounds": .number(rounds), "streams": .number(streams),
      "stream_nanoseconds": .number(Self.tenths(perStream)), "hooks": Self.json(hooks),
      "calls": Self.json(calls),
    ])
  }
}
