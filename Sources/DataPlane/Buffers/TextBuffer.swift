// Where text is made: bytes that grow, used again for the next line. For formats and log lines.

final class TextBuffer {
  private(set) var base: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  private(set) var count = 0

  init(capacity: Int = 1024) {
    self.capacity = capacity
    base = .allocate(capacity: capacity)
  }

  deinit { base.deallocate() }

  /// Valid until the next write.
  var view: ByteView { ByteView(UnsafePointer(base), count) }
  func view(from start: Int) -> ByteView { ByteView(UnsafePointer(base + start), count - start) }

  @inline(__always) func clear() { count = 0 }

  /// Takes back what was written behind `length`.
  @inline(__always) func truncate(to length: Int) { if length < count { count = length } }

  /// Room for `more` bytes behind what is there.
  @inline(__always)
  func reserve(_ more: Int) -> UnsafeMutablePointer<UInt8> {
    if capacity &- count < more { grow(more) }
    return base + count
  }

  @inline(__always) func commit(_ length: Int) { count &+= length }

  @inline(never)
  private func grow(_ more: Int) {
    let larger = Swift.max(capacity * 2, count + more)
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
    memory.update(from: base, count: count)
    base.deallocate()
    base = memory
    capacity = larger
  }

  /// Gives memory back that one large line has taken.
  func shrink(to length: Int) {
    guard capacity > length, count == 0 else { return }
    base.deallocate()
    capacity = length
    base = .allocate(capacity: length)
  }

  @inline(__always)
  func append(_ view: ByteView) {
    reserve(view.count).update(from: view.base, count: view.count)
    count &+= view.count
  }

  @inline(__always)
  func append(_ text: StaticString) {
    append(ByteView(text.utf8Start, text.utf8CodeUnitCount))
  }

  @inline(__always)
  func append(_ byte: UInt8) {
    reserve(1)[0] = byte
    count &+= 1
  }

  @inline(__always)
  func append(decimal value: UInt64) { count &+= writeDecimal(value, to: reserve(20)) }

  func append(signed value: Int64) {
    if value < 0 { append(UInt8(ascii: "-")) }
    append(decimal: value.magnitude)
  }

  /// With leading zeros, `digits` of them in all.
  func append(padded value: UInt64, digits: Int) {
    let out = reserve(digits)
    var rest = value
    var index = digits
    while index > 0 {
      index -= 1
      out[index] = 0x30 &+ UInt8(rest % 10)
      rest /= 10
    }
    count &+= digits
  }
}
