// The descriptors of one request, in the shape in which plugins get them. One a worker, used again for
// every request: the memory stays where it is until more is needed, and nothing is counted.
//
// Values that are made (addresses, decoded parameters) lie in a text buffer, which moves as it grows; until
// the end they are named by their offsets.
import CMartletABI

final class DescriptorList {
  private typealias Entry = martlet_descriptor_entry
  private typealias Descriptor = martlet_descriptor
  private typealias Pointer = UnsafePointer<martlet_descriptor>?

  private var entries = UnsafeMutablePointer<Entry>.allocate(capacity: 16)
  /// Where a made value begins in `text`; below 0: it lies elsewhere.
  private var offsets = UnsafeMutablePointer<Int>.allocate(capacity: 16)
  private var entryCapacity = 16
  private var entryCount = 0
  private var descriptors = UnsafeMutablePointer<Descriptor>.allocate(capacity: 8)
  private var pointers = UnsafeMutablePointer<Pointer>.allocate(capacity: 8)
  private var capacity = 8
  private(set) var count = 0
  /// The first entry of the descriptor that is being made.
  private var first = 0
  let text = TextBuffer(capacity: 256)

  deinit {
    entries.deallocate()
    offsets.deallocate()
    descriptors.deallocate()
    pointers.deallocate()
  }

  func clear() {
    count = 0
    entryCount = 0
    first = 0
    text.clear()
  }

  // MARK: One descriptor

  /// What has been added since the last descriptor is dropped.
  func abandon() { entryCount = first }

  func add(_ key: ByteView, _ value: ByteView) { add(key, value, offset: -1) }

  /// The value is what has been written to `text` from `start` on.
  func add(_ key: ByteView, textFrom start: Int) {
    add(key, ByteView(text.base, text.count - start), offset: start)
  }

  private func add(_ key: ByteView, _ value: ByteView, offset: Int) {
    if entryCount == entryCapacity {
      DescriptorList.grow(&entries, entryCapacity)
      DescriptorList.grow(&offsets, entryCapacity)
      entryCapacity *= 2
    }
    (entries + entryCount).initialize(to: Entry(key: martlet_bytes(key), value: martlet_bytes(value)))
    (offsets + entryCount).initialize(to: offset)
    entryCount += 1
  }

  /// Makes a descriptor of the entries that have been added since the last.
  func commit(
    flags: UInt32, hits: UInt64, limit: (requests: UInt32, unit: UInt32)
  ) {
    if count == capacity {
      DescriptorList.grow(&descriptors, capacity)
      DescriptorList.grow(&pointers, capacity)
      capacity *= 2
    }
    (descriptors + count).initialize(
      to: Descriptor(
        size: UInt32(MemoryLayout<Descriptor>.size), flags: flags, entries: nil,
        entry_count: entryCount - first, hits: hits, limit_requests: limit.requests,
        limit_unit: limit.unit))
    count += 1
    first = entryCount
  }

  // MARK: All of them

  /// The descriptors in place: good until the list is used again.
  func finish() -> UnsafePointer<UnsafePointer<martlet_descriptor>?> {
    for index in 0..<entryCount where offsets[index] >= 0 {
      entries[index].value.data = UnsafePointer(text.base + offsets[index])
    }
    var start = 0
    for index in 0..<count {
      descriptors[index].entries = UnsafePointer(entries + start)
      start += descriptors[index].entry_count
      pointers[index] = UnsafePointer(descriptors + index)
    }
    return UnsafePointer(pointers)
  }

  private static func grow<Element>(_ base: inout UnsafeMutablePointer<Element>, _ count: Int) {
    let larger = UnsafeMutablePointer<Element>.allocate(capacity: count * 2)
    larger.moveInitialize(from: base, count: count)
    base.deallocate()
    base = larger
  }
}
