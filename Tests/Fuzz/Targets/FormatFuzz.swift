// Format strings: what is read is compiled and written, as text and as JSON. A line of JSON holds no
// bare control character and ends in one line feed, whatever the format and the request say; a
// length is kept; what is refused says why. The same with operators of plugins, whose arguments end
// otherwise; what a plugin has is not asked for here.
import Model
import Synchronization

@testable import DataPlane

enum FormatFuzz {
  static func run(_ input: [UInt8]) {
    let text = String(decoding: input, as: UTF8.self)
    run(text, input, nil)
    run(text, input, FuzzOperators.shared)
    FuzzOperators.shared.clear()
  }

  private static func run(_ text: String, _ input: [UInt8], _ plugins: (any FormatOperatorSource)?) {
    let elements: [FormatElement]
    do throws(FormatError) {
      elements = try FormatParser.parse(text, plugins: plugins)
    } catch {
      expect(!error.message.isEmpty, "refused without a reason")
      return
    }
    let again = try? FormatParser.parse(text, plugins: plugins)
    expect(again == elements, "read in two ways")
    write(FormatString(.text(elements)), input, isJSON: false)
    let members: [FormatJSON.Member] = [
      .init(key: text, value: .text(elements)), .init(key: "b", value: .list([.text(elements), .null])),
    ]
    var json = FormatString(.json(.object(members)))
    write(json, input, isJSON: true)
    json.omitEmptyValues = true
    write(json, input, isJSON: true)
  }

  private static func write(_ format: FormatString, _ input: [UInt8], isJSON: Bool) {
    guard let reactor = try? Reactor() else { return }
    let worker = WorkerContext(
      index: 0, reactor: reactor, names: HeaderNameTable(), stats: StatRegistry(),
      endpointStats: StatRegistry(), log: Log(threshold: LogThreshold(.off), sink: { _, _, _ in }))
    let program = FormatProgram(format, names: worker.names)
    let request = MessageHead()
    let response = MessageHead()
    let out = TextBuffer(capacity: 16)
    withExactCopy(input[...]) { base, count in
      let view = ByteView(UnsafePointer(base), count)
      request.methodText = view
      request.path = view
      request.authority = view
      for name in ["x", "x-request-id", "content-type"] {
        let id = worker.names.intern(Array(name.utf8)) ?? .unknown
        Array(name.utf8).withUnsafeBufferPointer { bytes in
          guard let start = bytes.baseAddress else { return }
          request.headers.addCopy(id, name: ByteView(start, bytes.count), value: view)
        }
      }
      var info = StreamInfo(start: reactor.now)
      info.details = view
      info.routeName = view
      info.flags = ResponseFlags(rawValue: 0x3fff_ffff)
      withUnsafeMutablePointer(to: &info) { info in
        var context = FormatContext(
          worker: worker, request: request, response: response, trailers: nil, connection: nil,
          info: info)
        program.write(&context, to: out)
      }
      guard isJSON else { return }
      let line = out.view
      expect(line.count > 0 && line[line.count - 1] == 0x0a, "no end of the line")
      for index in 0..<(line.count - 1) where line[index] < 0x20 {
        fatalError("fuzz: a bare control character in JSON")
      }
      expect(JSONText.isUTF8(line), "JSON that is no UTF-8")
    }
  }
}

/// The operator P: each argument gives one binding, so that what is read twice is the same.
private final class FuzzOperators: FormatOperatorSource {
  static let shared = FuzzOperators()
  private let formatter = FilterBinding(
    table: UnsafeRawPointer(bitPattern: 8).unsafelyUnwrapped, config: nil, handle: 1, filterName: "fuzz",
    plugin: PluginVersion(id: "fuzz", version: "1", hash: "0", handle: 1), release: {})
  private let made = Mutex<[String?: FormatOperatorBinding]>([:])

  var names: [String] { ["P"] }
  func has(_ name: String) -> Bool { name == "P" }
  func configuration(of name: String) -> FilterBinding? { formatter }

  func clear() { made.withLock { $0.removeAll() } }

  func make(_ name: String, argument: String?) throws(FormatError) -> FormatOperatorBinding {
    made.withLock { made in
      if let known = made[argument] { return known }
      let binding = FormatOperatorBinding(
        name: name, kind: .text, use: nil, formatter: formatter, operators: [:], release: {})
      made[argument] = binding
      return binding
    }
  }
}
