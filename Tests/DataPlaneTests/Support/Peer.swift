// The other end of a socket, held by the test: never blocks unless it is asked to.
import CMartletSystem
import Glibc
import Model
import Testing

@testable import DataPlane

final class Peer {
  private(set) var descriptor: Int32
  /// Everything read so far.
  private(set) var received: [UInt8] = []
  private(set) var sawEnd = false
  /// errno of a failed read.
  private(set) var failure: Int32 = 0

  init(_ descriptor: Int32) { self.descriptor = descriptor }
  deinit { close() }

  /// A connected pair of unix sockets: ours for the reactor, the peer's.
  static func pair() throws -> (descriptor: Int32, peer: Peer) {
    var ends: [Int32] = [-1, -1]
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0)
    return (ends[0], Peer(ends[1]))
  }

  /// The same over TCP, where there are resets.
  static func tcpPair() throws -> (descriptor: Int32, peer: Peer) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { Glibc.close(listener) }
    var address = try #require(SystemAddress(.ip(.init(v4: 0x7f00_0001), port: 0)))
    try #require(martlet_bind(listener, &address.storage, address.length) == 0)
    try #require(listen(listener, 1) == 0)
    let bound = try #require(ListenSocketAddress.local(of: listener))
    let peer = try #require(Peer.connect(bound))
    let accepted = accept(listener, nil, nil)
    try #require(accepted >= 0)
    _ = fcntl(accepted, F_SETFL, O_NONBLOCK)
    return (accepted, peer)
  }

  /// Connects (blocking); nil when refused.
  static func connect(_ address: SocketAddress) -> Peer? {
    guard var system = SystemAddress(address) else { return nil }
    let descriptor = socket(system.family, Int32(SOCK_STREAM.rawValue), 0)
    guard martlet_connect(descriptor, &system.storage, system.length) == 0 else {
      Glibc.close(descriptor)
      return nil
    }
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    return Peer(descriptor)
  }

  /// Reads what there is. True when the peer now has at least `count` bytes.
  @discardableResult
  func read(atLeast count: Int = 0) -> Bool {
    var space = [UInt8](repeating: 0, count: 65_536)
    while !sawEnd, failure == 0 {
      let result = martlet_recv(descriptor, &space, space.count)
      if result > 0 {
        received += space[0..<Int(result)]
      } else if result == 0 {
        sawEnd = true
      } else if result == -Int64(EAGAIN) {
        break
      } else {
        failure = Int32(-result)
      }
    }
    return received.count >= count
  }

  /// Reads one bit at most.
  func readSome(_ count: Int) {
    var space = [UInt8](repeating: 0, count: count)
    let result = martlet_recv(descriptor, &space, count)
    if result > 0 { received += space[0..<Int(result)] }
  }

  /// How many bytes the kernel took.
  @discardableResult
  func write(_ bytes: [UInt8]) -> Int {
    let result = Int(martlet_send(descriptor, bytes, bytes.count))
    return result < 0 ? 0 : result
  }

  @discardableResult
  func write(_ text: String) -> Int { write(bytes(text)) }

  func shutdownWriting() { _ = martlet_shutdown_write(descriptor) }

  func reset() {
    _ = martlet_reset_on_close(descriptor)
    close()
  }

  func close() {
    if descriptor >= 0 { Glibc.close(descriptor) }
    descriptor = -1
  }

  /// Waits (blocking) until `done` holds, 10 seconds at most.
  func wait(_ done: (Peer) -> Bool) -> Bool {
    for _ in 0..<10_000 {
      read()
      if done(self) { return true }
      usleep(1000)
    }
    return false
  }

  var text: String { String(decoding: received, as: UTF8.self) }
}
