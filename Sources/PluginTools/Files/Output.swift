// Bytes to and from descriptors, in the tools' blocking way.
import Glibc

enum Output {
  /// All of it, as long as somebody reads.
  static func write(_ text: String, to descriptor: Int32 = STDOUT_FILENO) {
    write(Array(text.utf8), to: descriptor)
  }

  @discardableResult
  static func write(_ bytes: some Collection<UInt8>, to descriptor: Int32) -> Bool {
    let bytes = Array(bytes)
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes {
        // A socket whose peer has gone raises no signal.
        let sent = send(descriptor, $0.baseAddress! + done, $0.count - done, Int32(MSG_NOSIGNAL))
        return sent < 0 && errno == ENOTSOCK
          ? Glibc.write(descriptor, $0.baseAddress! + done, $0.count - done) : sent
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      done += count
    }
    return true
  }

  static func error(_ text: String) { write("error: \(text)\n", to: STDERR_FILENO) }

  /// A whole file. Nil: it cannot be read, `errno` says why.
  static func read(_ path: String, limit: Int = 256 << 20) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return nil }
    guard status.st_mode & S_IFMT == S_IFREG else {
      errno = EISDIR
      return nil
    }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count < limit {
      let count = chunk.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { return nil }
      if count == 0 { break }
      bytes += chunk[..<count]
    }
    return bytes
  }

  static var systemError: String { String(cString: strerror(errno)) }
}
