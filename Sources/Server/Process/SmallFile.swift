// Reading what the kernel tells in files of `/proc` and `/sys`, and writing one line to a file.
import Glibc

/// Whole small files.
enum SmallFile {
  /// The first 64 KiB as text, or nil.
  static func read(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    var count = 0
    while count < bytes.count {
      let got = bytes.withUnsafeMutableBytes {
        Glibc.read(descriptor, $0.baseAddress! + count, $0.count - count)
      }
      if got <= 0 { break }
      count += got
    }
    return String(decoding: bytes[..<count], as: UTF8.self)
  }

  /// Replaces the file in one step, so that a reader never sees half of it.
  static func write(_ text: String, to path: String, purpose: String) throws(OptionError) {
    let temporary = "\(path).\(getpid()).tmp"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw problem(purpose, path) }
    FileDescriptor.write(Array(text.utf8), to: descriptor)
    close(descriptor)
    guard rename(temporary, path) == 0 else {
      let error = problem(purpose, path)
      unlink(temporary)
      throw error
    }
  }

  private static func problem(_ purpose: String, _ path: String) -> OptionError {
    OptionError("cannot write \(purpose) to '\(path)': \(String(cString: strerror(errno)))")
  }
}
