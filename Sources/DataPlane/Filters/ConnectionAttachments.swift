// Objects that filters have attached to a downstream connection, for all its streams (`attach` of
// `martlet.host.stream_info/1`). They go with the connection, when no stream of it is left.
import CMartletABI
import Model

final class ConnectionAttachments {
  private struct Attachment {
    let key: UnsafeRawPointer?
    let object: UnsafeMutableRawPointer?
    let destroy: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?
    /// Whose it is: the same key of two filters is two.
    let binding: FilterBinding
  }
  private var attachments: [Attachment] = []
  /// A filter has one or a few; what it forgets to bound is bounded here.
  private static let most = 64

  deinit { for attachment in attachments { attachment.destroy?(attachment.object) } }

  /// Nil: there is none.
  func find(_ key: UnsafeRawPointer?, _ binding: FilterBinding) -> UnsafeMutableRawPointer?? {
    for attachment in attachments where attachment.key == key && attachment.binding === binding {
      return .some(attachment.object)
    }
    return nil
  }

  func add(
    _ key: UnsafeRawPointer?, _ given: martlet_attachment, _ binding: FilterBinding
  ) -> martlet_status {
    if find(key, binding) != nil { return MARTLET_E_CONFLICT }
    guard attachments.count < ConnectionAttachments.most else { return MARTLET_E_LIMIT }
    attachments.append(
      Attachment(key: key, object: given.object, destroy: given.destroy, binding: binding))
    return MARTLET_OK
  }
}
