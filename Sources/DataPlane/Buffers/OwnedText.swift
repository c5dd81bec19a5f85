// Text of the configuration in memory that does not move, so that views of it can be kept.

final class OwnedText {
  let view: ByteView
  private let memory: UnsafeMutablePointer<UInt8>

  init(_ bytes: [UInt8]) {
    memory = .allocate(capacity: Swift.max(bytes.count, 1))
    for (index, byte) in bytes.enumerated() { memory[index] = byte }
    view = ByteView(UnsafePointer(memory), bytes.count)
  }

  init(_ bytes: ByteView) {
    memory = .allocate(capacity: Swift.max(bytes.count, 1))
    memory.update(from: bytes.base, count: bytes.count)
    view = ByteView(UnsafePointer(memory), bytes.count)
  }

  convenience init(_ text: String) { self.init(Array(text.utf8)) }

  deinit { memory.deallocate() }
}
