// Blocking sockets on loopback, with deadlines, for the tools' client and upstream.
import CPluginTools
import Glibc

/// A connected socket, closed with its last reference. One thread at a time.
final class Socket {
  let descriptor: Int32
  private var buffered: [UInt8] = []
  private var start = 0

  init(descriptor: Int32) {
    self.descriptor = descriptor
    var one: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
  }

  deinit { close(descriptor) }

  /// Nil: nobody listens there.
  static func connect(port: UInt16) -> Socket? {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    var address = sockaddr_in.loopback(port)
    let status = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else {
      close(descriptor)
      return nil
    }
    return Socket(descriptor: descriptor)
  }

  func setPatience(milliseconds: Int) {
    var time = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
  }

  @discardableResult
  func write(_ bytes: some Collection<UInt8>) -> Bool { Output.write(bytes, to: descriptor) }

  /// Waits until the other end has read what was written, so that what follows is a piece of its own.
  func settle() {
    if !martlet_tools_wait_until_read(descriptor, 20) { usleep(700) }
  }

  func endWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Ends it with a reset.
  func setReset() {
    var value = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
  }

  enum Ended: String { case closed, reset, silent }

  /// More bytes into the buffer. Nil: there are; otherwise how it ended.
  private func fill() -> Ended? {
    var chunk = [UInt8](repeating: 0, count: 1 << 14)
    while true {
      let count = chunk.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
      if count > 0 {
        if start > 0 {
          buffered.removeFirst(start)
          start = 0
        }
        buffered += chunk[..<count]
        return nil
      }
      if count == 0 { return .closed }
      if errno == EINTR { continue }
      return errno == EAGAIN ? .silent : .reset
    }
  }

  /// The next line without its CRLF. Nil: the stream ended before.
  func line() -> [UInt8]? {
    var searched = start
    while true {
      if let end = buffered[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        var line = Array(buffered[start..<end])
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        start = end + 1
        return line
      }
      let known = buffered.count - start
      if known > 1 << 20 || fill() != nil { return nil }
      searched = start + known
    }
  }

  func read(_ count: Int) -> [UInt8]? {
    while buffered.count - start < count { if fill() != nil { return nil } }
    defer { start += count }
    return Array(buffered[start..<start + count])
  }

  /// Everything until the end, and which end it was.
  func rest(limit: Int = 1 << 24) -> ([UInt8], Ended) {
    var ended: Ended?
    while ended == nil, buffered.count - start < limit { ended = fill() }
    defer { start = buffered.count }
    return (Array(buffered[start...]), ended ?? .silent)
  }
}

/// A listening socket on 127.0.0.1, a port of the kernel's choice.
final class ListeningSocket {
  let descriptor: Int32
  let port: UInt16

  init?() {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in.loopback(0)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let fd = descriptor
    let status = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Int32 in
        guard bind(fd, address, size) == 0 else { return -1 }
        return getsockname(fd, address, &size)
      }
    }
    port = UInt16(bigEndian: address.sin_port)
    if status != 0 {
      close(descriptor)
      return nil
    }
  }

  func listen() { _ = Glibc.listen(descriptor, 128) }
  func accept() -> Socket? {
    let descriptor = Glibc.accept(descriptor, nil, nil)
    return descriptor < 0 ? nil : Socket(descriptor: descriptor)
  }
}

extension sockaddr_in {
  static func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
  }
}
