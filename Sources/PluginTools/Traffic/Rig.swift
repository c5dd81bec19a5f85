// The real data plane with one worker, the filter in its chain, a client before it and an upstream behind
// it, all in this process.
import CPluginTools
import DataPlane
import EnvoyConfiguration
import Glibc
import Model
import PluginHost

final class Rig {
  let host: ToolHost
  let subject: Subject
  let upstream: Upstream
  let catalog: RecordingCatalog
  /// Nil after the end: it holds the configuration, and with it the filter's.
  private var plane: DataPlane?
  private let port: UInt16
  private var client: Socket?

  /// Texts of the filter's configuration.
  private(set) var words: [String] = []

  /// Nobody listens there.
  private static func deadPort() -> UInt16 { ListeningSocket()?.port ?? 1 }

  /// Opens the listener and begins to serve. Throws what is wrong with the configuration.
  init(host: ToolHost, subject: Subject) throws(ToolProblem) {
    self.host = host
    self.subject = subject
    upstream = try Upstream()
    catalog = RecordingCatalog(host.set, name: subject.name)
    let file = subject.file(upstream: upstream.port, dead: Self.deadPort())
    let configuration = try Self.load(file, catalog)
    var options = DataPlaneOptions()
    options.workers = 1
    options.log = host.sink
    options.logLevel = .warning
    let plane = DataPlane(options: options)
    self.plane = plane
    do {
      try plane.apply(configuration)
    } catch {
      throw ToolProblem(error.description)
    }
    let address = plane.listenerStatus().first?.addresses.first?.description ?? ""
    guard let port = UInt16(address.split(separator: ":").last ?? "") else {
      throw ToolProblem("no listener: '\(address)'")
    }
    self.port = port
    words = Self.words(catalog.request, subject)
  }

  /// Reads a configuration. Throws all that is wrong with it, a line each.
  static func load(_ file: String, _ catalog: any FilterCatalog) throws(ToolProblem) -> ProxyConfiguration {
    var options = ConfigurationLoader.Options()
    options.catalog = catalog
    do {
      return try ConfigurationLoader(options: options).load(yaml: file, name: "check").configuration
    } catch {
      // Where it stands in the file that we have made says nothing to the author.
      let lines = error.diagnostics.map { diagnostic -> String in
        let text = diagnostic.description
        guard let range = text.ranges(of: "typed_config").last else { return text }
        return "configuration" + text[range.upperBound...]
      }
      throw ToolProblem(lines.joined(separator: "\n"))
    }
  }

  private static func words(_ request: FilterRequest?, _ subject: Subject) -> [String] {
    if let request, request.encoding == .json, let json = JSONValue(parsing: request.bytes) {
      return json.texts.filter { !$0.isEmpty }
    }
    let parts = subject.configuration.split { !($0.isLetter || $0.isNumber || "-_.".contains($0)) }
    return parts.map(String.init).filter { $0.utf8.count > 2 && !$0.contains("googleapis") }
  }

  // MARK: Traffic

  /// No stream of the filter stands any more. False: one still does after `milliseconds`.
  @discardableResult
  func waitUntilIdle(milliseconds: Int = 1000) -> Bool {
    for _ in 0..<milliseconds * 2 {
      if martlet_tools_live() == 0 { return true }
      usleep(500)
    }
    return false
  }

  private static func left() -> String {
    var buffer = [CChar](repeating: 0, count: 1 << 16)
    let size = min(martlet_tools_outcome(&buffer, buffer.count), buffer.count)
    return String(decoding: buffer[..<size].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Plays it and waits for its end. `seed`: of the pieces; nil: in one piece each way. `draws`: of the
  /// random numbers that the filter gets.
  func play(_ exchange: Exchange, seed: UInt64?, draws: UInt64, patience: Int = 3000) -> Outcome {
    var cuts = SeededRandom(seed: seed ?? 0)
    let pieces = seed.map { ", pieces \($0)" } ?? ""
    martlet_tools_exchange("\(exchange.name)\(pieces)", draws)
    let answer = exchange.response.pieces(&cuts, isWhole: seed == nil)
    upstream.expect(
      AnswerPlan(
        pieces: exchange.method == "HEAD" ? [exchange.response.head] : answer,
        breaksAfter: exchange.breaks ? 1 : nil))
    if exchange.breaks { cutShort(answer) }
    guard let socket = client ?? Socket.connect(port: port) else {
      return Outcome(answer: nil, request: nil, left: "")
    }
    client = nil
    socket.setPatience(milliseconds: patience)
    for (index, piece) in exchange.request.pieces(&cuts, isWhole: seed == nil).enumerated() {
      if index > 0 { socket.settle() }
      if !socket.write(piece) { break }
    }
    let read = ReadMessage.read(socket, answering: exchange.method)
    if let read, read.isWhole, read.header("connection") != "close",
      seed == nil || exchange.request.framing == .none
    {
      client = socket
    }
    waitUntilIdle()
    return Outcome(answer: read, request: upstream.received, left: Self.left())
  }

  /// The first half of the first piece is all that the upstream sends.
  private func cutShort(_ pieces: [[UInt8]]) {
    let first = pieces.first ?? []
    upstream.expect(
      AnswerPlan(pieces: [Array(first.prefix(max(1, first.count * 2 / 3))), []], breaksAfter: 1))
  }

  /// The client goes away after so many pieces of its request, or after the first bytes of the answer.
  func abandon(_ exchange: Exchange, after count: Int?, seed: UInt64) {
    var cuts = SeededRandom(seed: seed)
    martlet_tools_exchange("\(exchange.name), the client goes away, pieces \(seed)", seed)
    let answer = exchange.response.pieces(&cuts, isWhole: false)
    upstream.expect(AnswerPlan(pieces: answer, pause: 3000))
    guard let socket = Socket.connect(port: port) else { return }
    socket.setPatience(milliseconds: 1000)
    let pieces = exchange.request.pieces(&cuts, isWhole: false)
    for piece in pieces.prefix(count ?? pieces.count) {
      socket.write(piece)
      socket.settle()
    }
    if count == nil { _ = socket.read(20) }
    if seed % 2 == 0 { socket.setReset() }
    _ = consume socket
    waitUntilIdle()
  }

  /// Requests on end that the router answers by itself: the worker goes from one stream to the next
  /// without waiting, as one does that has much to do.
  func burst(_ count: Int) {
    guard let socket = client ?? Socket.connect(port: port) else { return }
    client = socket
    socket.setPatience(milliseconds: 3000)
    let request = Message(
      "GET /direct HTTP/1.1",
      [("host", "bench.example"), ("user-agent", "bench"), ("accept", "*/*"), ("x-user", "Ada")])
    var cuts = SeededRandom(seed: 0)
    let one = request.pieces(&cuts, isWhole: true).flatMap(\.self)
    var left = count
    while left > 0 {
      let size = min(left, 50)
      left -= size
      socket.write(Array(repeating: one, count: size).flatMap(\.self))
      for _ in 0..<size { if ReadMessage.read(socket, answering: "GET") == nil { return hangUp() } }
    }
    waitUntilIdle()
  }

  /// How a client of a network filter ends.
  enum End: CaseIterable { case halfClose, close, reset }

  /// Bytes to a network filter, and what comes back until the connection ends or nothing comes for a while.
  func play(_ bytes: [UInt8], name: String, seed: UInt64?, draws: UInt64, end: End) -> Outcome {
    var cuts = SeededRandom(seed: seed ?? 0)
    martlet_tools_exchange("\(name)\(seed.map { ", pieces \($0)" } ?? "")", draws)
    guard let socket = Socket.connect(port: port) else {
      return Outcome(bytes: [], ended: "refused", left: "")
    }
    socket.setPatience(milliseconds: 300)
    var message = Message("")
    message.body = bytes
    for (index, piece) in message.raw(&cuts, isWhole: seed == nil).enumerated() {
      if index > 0 { socket.settle() }
      if !socket.write(piece) { break }
    }
    if end != .halfClose { socket.settle() }
    if end == .reset { socket.setReset() }
    var result = ([UInt8](), Socket.Ended.closed)
    if end == .halfClose {
      socket.endWriting()
      result = socket.rest()
    }
    let outcome = (result.0, result.1.rawValue)
    _ = consume socket
    waitUntilIdle()
    return Outcome(bytes: outcome.0, ended: outcome.1, left: Self.left())
  }

  /// Ends the kept connection.
  func hangUp() {
    client = nil
    waitUntilIdle()
  }

  /// Ends the worker, and with it the filter's scopes; the plugin stays loaded.
  func stop() {
    hangUp()
    plane?.stop()
    plane = nil
  }
}

extension Message {
  /// The body alone, for connections.
  func raw(_ cuts: inout SeededRandom, isWhole: Bool) -> [[UInt8]] {
    isWhole ? [body] : Self.split(body, &cuts)
  }

  private static func split(_ bytes: [UInt8], _ cuts: inout SeededRandom) -> [[UInt8]] {
    guard bytes.count > 1 else { return [bytes] }
    var places = Set((0..<6).map { _ in 1 + cuts.below(min(bytes.count - 1, 40)) })
    places.insert(1 + cuts.below(bytes.count - 1))
    let borders = [0] + places.sorted() + [bytes.count]
    return zip(borders, borders.dropFirst()).map { Array(bytes[$0..<$1]) }
  }
}
