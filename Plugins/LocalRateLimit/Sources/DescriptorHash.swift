// Entries of descriptors as numbers, so that a request's descriptors are found among the configured ones
// without looking at each: the keys alone (for wildcards), and keys with values.
import MartletSDK

/// FNV-1a of 64 bits, with a seed of the process, so that no client can choose texts that collide.
struct DescriptorHash {
  private(set) var value: UInt64

  private static let seed = UInt64.random(in: .min ... .max)

  init() { value = 0xcbf2_9ce4_8422_2325 ^ Self.seed }

  @inline(__always)
  mutating func add(_ bytes: BytesView) {
    for index in 0..<bytes.count { value = (value ^ UInt64(bytes[index])) &* 0x100_0000_01b3 }
    // Behind each text its length: no two lists of texts run into the same bytes.
    value = (value ^ UInt64(truncatingIfNeeded: bytes.count)) &* 0x9e37_79b9_7f4a_7c15
    value ^= value >> 29
  }
}

/// What a request's descriptor is found by.
struct DescriptorKey {
  let keys: UInt64
  let entries: UInt64

  @inline(__always)
  init(_ descriptor: RequestDescriptor) {
    var keys = DescriptorHash()
    var entries = DescriptorHash()
    for index in 0..<descriptor.count {
      keys.add(descriptor.key(index))
      entries.add(descriptor.key(index))
      entries.add(descriptor.value(index))
    }
    self.keys = keys.value
    self.entries = entries.value
  }
}

/// The entries of a configured descriptor. An empty value is a wildcard.
struct DescriptorPattern: ~Copyable, Sendable {
  private let keys: FrozenList<FrozenBytes>
  private let values: FrozenList<FrozenBytes>
  let isWildcard: Bool
  let keyHash: UInt64
  let entryHash: UInt64

  init(_ entries: [(key: String, value: String)]) {
    keys = FrozenList(count: entries.count) { FrozenBytes(entries[$0].key) }
    values = FrozenList(count: entries.count) { FrozenBytes(entries[$0].value) }
    isWildcard = entries.contains { $0.value.isEmpty }
    var keyHash = DescriptorHash()
    var entryHash = DescriptorHash()
    for entry in entries {
      entry.key.withBytes {
        keyHash.add($0)
        entryHash.add($0)
      }
      entry.value.withBytes { entryHash.add($0) }
    }
    self.keyHash = keyHash.value
    self.entryHash = entryHash.value
  }

  /// Whether a descriptor has these entries and no others, in this order.
  borrowing func matches(_ descriptor: RequestDescriptor) -> Bool {
    guard descriptor.count == keys.count else { return false }
    for index in 0..<keys.count {
      guard descriptor.key(index).equals(keys.span[index]) else { return false }
      if values.span[index].count == 0 { continue }
      guard descriptor.value(index).equals(values.span[index]) else { return false }
    }
    return true
  }
}
