// Writing bytes out, in one place.
import Glibc

/// A descriptor of the operating system.
enum FileDescriptor {
  /// All of it, or nothing more where the descriptor refuses: there is nobody to tell.
  static func write(_ bytes: [UInt8], to descriptor: Int32) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if errno != EINTR {
        return
      }
    }
  }
}
