// The server behind the proxy: on threads of its own, it reads requests whole, keeps the last one, and
// answers as it was told to.
import Glibc
import Model

/// What the upstream answers with.
struct AnswerPlan: Sendable {
  /// Of the response; `method` of the request decides whether it has a body.
  var pieces: [[UInt8]]
  /// Between two pieces once the first of them has been read, microseconds.
  var pause: UInt32 = 0
  /// The connection is closed after this many of them. Nil: it stays.
  var breaksAfter: Int?
}

final class Upstream: Sendable {
  private struct State {
    var plan = AnswerPlan(pieces: [])
    var received: ReadMessage?
  }
  let port: UInt16
  private let state = Locked(State())

  init() throws(ToolProblem) {
    guard let listening = ListeningSocket() else {
      throw ToolProblem("no socket on 127.0.0.1: \(Output.systemError)")
    }
    port = listening.port
    listening.listen()
    let descriptor = listening.descriptor
    // Open as long as the process.
    _ = Unmanaged.passRetained(listening)
    Background.start { [self] in
      while true {
        let accepted = accept(descriptor, nil, nil)
        guard accepted >= 0 else { continue }
        Background.start { [self] in serve(Socket(descriptor: accepted)) }
      }
    }
  }

  /// How the next requests are answered; what was received is forgotten.
  func expect(_ plan: AnswerPlan) {
    state.withLock {
      $0.plan = plan
      $0.received = nil
    }
  }

  /// The last request that came whole.
  var received: ReadMessage? { state.withLock { $0.received } }

  private func serve(_ socket: Socket) {
    while let request = ReadMessage.read(socket, answering: nil), request.isWhole {
      let plan = state.withLock {
        $0.received = request
        return $0.plan
      }
      for (index, piece) in plan.pieces.enumerated() {
        if plan.breaksAfter == index { return }
        if index > 0 {
          socket.settle()
          if plan.pause > 0 { usleep(plan.pause) }
        }
        guard socket.write(piece) else { return }
      }
      if plan.breaksAfter != nil { return }
    }
  }
}

/// Threads that end when they like.
enum Background {
  private final class Body {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
  }

  static func start(_ run: @escaping @Sendable () -> Void) {
    let body = Unmanaged.passRetained(Body(run))
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, body.toOpaque())
    if status == 0 { pthread_detach(thread) } else { body.release() }
  }
}
