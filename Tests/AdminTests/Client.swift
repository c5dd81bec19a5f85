// A blocking client of one connection, by the C library alone.
import Glibc
import Model

/// One connection to an admin under test.
final class Client {
  struct Refused: Error {}
  private let descriptor: Int32

  init(_ address: SocketAddress) throws {
    var storage = sockaddr_storage()
    let length: socklen_t
    switch address {
    case .ip(let ip, let port) where ip.family == .v4:
      var v4 = sockaddr_in()
      v4.sin_family = sa_family_t(AF_INET)
      v4.sin_port = port.bigEndian
      v4.sin_addr.s_addr = UInt32(ip.high >> 32).bigEndian
      withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: v4, as: sockaddr_in.self) }
      length = socklen_t(MemoryLayout<sockaddr_in>.size)
    case .ip(_, let port):
      var v6 = sockaddr_in6()
      v6.sin6_family = sa_family_t(AF_INET6)
      v6.sin6_port = port.bigEndian
      v6.sin6_addr = in6addr_loopback
      withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: v6, as: sockaddr_in6.self) }
      length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    case .unix(let name, _), .unixAbstract(let name):
      let isAbstract = if case .unixAbstract = address { true } else { false }
      let path = (isAbstract ? [0] : []) + Array(name.utf8)
      withUnsafeMutableBytes(of: &storage) { bytes in
        bytes.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
        for (index, byte) in path.enumerated() { bytes[2 + index] = byte }
      }
      length = socklen_t(2 + path.count + (isAbstract ? 0 : 1))
    }
    descriptor = socket(Int32(storage.ss_family), Int32(SOCK_STREAM.rawValue), 0)
    var patience = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    let status = withUnsafePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) }
    }
    guard status == 0 else { throw Refused() }
  }

  deinit { close(descriptor) }

  func send(_ text: String) {
    let bytes = Array(text.utf8)
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count <= 0 { return }
      sent += count
    }
  }

  /// Until the peer closes, or ten seconds without a byte.
  func receive() -> String {
    var result: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = recv(descriptor, &chunk, chunk.count, 0)
      if count <= 0 { return String(decoding: result, as: UTF8.self) }
      result += chunk[..<count]
    }
  }

  /// Sends, closes its side, and reads all there is.
  static func exchange(_ address: SocketAddress, _ request: String) throws -> String {
    let client = try Client(address)
    client.send(request)
    shutdown(client.descriptor, Int32(SHUT_WR))
    return client.receive()
  }
}
