// Rate limits and attachments in the test's host: rules are taken unread, and a stream's descriptors are
// what the test has put there.
import CMartletABI

/// A descriptor that the host's rules would make.
public struct TestDescriptor: Sendable {
  public var entries: [(key: String, value: String)]
  /// MARTLET_DESCRIPTOR_...
  public var flags: UInt32 = 0
  public var hits: UInt64 = 1
  public init(_ entries: [(key: String, value: String)]) { self.entries = entries }
}

/// A downstream connection: what is attached to it.
public final class TestDownstream {
  struct Attachment {
    let key: UnsafeRawPointer?
    let attachment: martlet_attachment
  }
  var attachments: [Attachment] = []

  public init() {}

  /// The connection has ended.
  public func end() {
    for attachment in attachments { attachment.attachment.destroy?(attachment.attachment.object) }
    attachments = []
  }
}

/// The descriptors of the last query, in the shape of the C interface.
final class TestDescriptorMemory {
  private var entries: [UnsafeMutablePointer<martlet_descriptor_entry>] = []
  private var descriptors: UnsafeMutablePointer<martlet_descriptor>?
  private var pointers: UnsafeMutablePointer<UnsafePointer<martlet_descriptor>?>?

  func make(_ given: [TestDescriptor], _ texts: TestTexts) -> UnsafePointer<
    UnsafePointer<martlet_descriptor>?
  > {
    clear()
    let descriptors = UnsafeMutablePointer<martlet_descriptor>.allocate(capacity: given.count + 1)
    let pointers = UnsafeMutablePointer<UnsafePointer<martlet_descriptor>?>.allocate(
      capacity: given.count + 1)
    for (index, one) in given.enumerated() {
      let list = UnsafeMutablePointer<martlet_descriptor_entry>.allocate(capacity: one.entries.count + 1)
      for (place, entry) in one.entries.enumerated() {
        (list + place).initialize(
          to: martlet_descriptor_entry(
            key: texts.keep(Array(entry.key.utf8)), value: texts.keep(Array(entry.value.utf8))))
      }
      entries.append(list)
      (descriptors + index).initialize(
        to: martlet_descriptor(
          size: UInt32(MemoryLayout<martlet_descriptor>.size), flags: one.flags, entries: list,
          entry_count: one.entries.count, hits: one.hits, limit_requests: 0, limit_unit: 0))
      (pointers + index).initialize(to: UnsafePointer(descriptors + index))
    }
    self.descriptors = descriptors
    self.pointers = pointers
    return UnsafePointer(pointers)
  }

  private func clear() {
    for list in entries { list.deallocate() }
    entries = []
    descriptors?.deallocate()
    pointers?.deallocate()
  }

  deinit { clear() }
}

extension TestTables {
  static func rateLimit() -> martlet_host_rate_limit {
    var table = martlet_host_rate_limit()
    table.size = size(table)
    table.rules = { _, _, _, messages, count, out in
      let given = (0..<count).map { messages![$0].array }
      let host = TestHost.current!
      if let known = host.rateLimitRules.firstIndex(of: given) {
        out!.pointee = UInt32(known)
      } else {
        host.rateLimitRules.append(given)
        out!.pointee = UInt32(host.rateLimitRules.count - 1)
      }
      return MARTLET_OK
    }
    table.descriptors = { handle, query, out, count in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      stream.descriptorQuery = query!.pointee
      out!.pointee = stream.host.descriptorMemory.make(stream.descriptors, stream.host.texts)
      count!.pointee = stream.descriptors.count
      return MARTLET_OK
    }
    return table
  }

  static func addAttachments(to table: inout martlet_host_stream_info) {
    table.attached = { handle, key, out in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      guard let found = stream.downstream.attachments.first(where: { $0.key == key }) else {
        return MARTLET_E_NOT_FOUND
      }
      out!.pointee = found.attachment.object
      return MARTLET_OK
    }
    table.attach = { handle, key, given in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      if stream.downstream.attachments.contains(where: { $0.key == key }) { return MARTLET_E_CONFLICT }
      stream.downstream.attachments.append(.init(key: key, attachment: given!.pointee))
      return MARTLET_OK
    }
  }
}
