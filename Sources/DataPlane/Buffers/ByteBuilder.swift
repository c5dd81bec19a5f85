// A piece of text being put together: grows to what it has to hold once, is cleared and used again,
// so that in steady state nothing is allocated. Belongs to one worker; what it holds is borrowed
// until the next `clear`.

final class ByteBuilder {
  private var memory: UnsafeMutablePointer<UInt8>
  private var capacity = 512
  private(set) var count = 0

  init() { memory = .allocate(capacity: capacity) }
  deinit { memory.deallocate() }

  var view: ByteView { ByteView(UnsafePointer(memory), count) }

  @inline(__always) func clear() { count = 0 }

  /// Takes back what was added behind the first `length` bytes.
  func truncate(to length: Int) { count = Swift.min(count, length) }

  func append(_ view: ByteView) {
    reserve(view.count)
    (memory + count).update(from: view.base, count: view.count)
    count &+= view.count
  }

  func append(_ bytes: [UInt8]) {
    bytes.withUnsafeBufferPointer { buffer in
      if let base = buffer.baseAddress { append(ByteView(base, buffer.count)) }
    }
  }

  func append(_ text: StaticString) { append(ByteView(text.utf8Start, text.utf8CodeUnitCount)) }

  func append(byte: UInt8) {
    reserve(1)
    memory[count] = byte
    count &+= 1
  }

  func append(decimal: UInt64) {
    reserve(20)
    count &+= writeDecimal(decimal, to: memory + count)
  }

  func append(hexadecimal: UInt64) {
    reserve(16)
    count &+= writeHexadecimal(hexadecimal, to: memory + count)
  }

  @inline(__always)
  private func reserve(_ more: Int) { if capacity &- count < more { grow(more) } }

  @inline(never)
  private func grow(_ more: Int) {
    capacity = Swift.max(capacity * 2, count + more)
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
    larger.update(from: memory, count: count)
    memory.deallocate()
    memory = larger
  }
}
