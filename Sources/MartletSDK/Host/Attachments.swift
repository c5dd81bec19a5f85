// Objects that live as long as the downstream connection, for all its streams.
import CMartletABI

/// What the host holds: the object, and the key, whose address may not be another's meanwhile.
private final class Attachment {
  let key: AnyObject
  let object: AnyObject

  init(key: AnyObject, object: AnyObject) {
    self.key = key
    self.object = object
  }
}

extension StreamScope where Self: ~Copyable & ~Escapable {
  /// The object of this filter that is attached to the downstream connection under `key`; nil where
  /// there is none, or one of another type.
  public func attached<Object: AnyObject>(_ type: Object.Type, key: AnyObject) -> Object? {
    guard let function = _services.pointee.streamInfo.attached else { return nil }
    var found: UnsafeMutableRawPointer?
    let address = UnsafeRawPointer(Unmanaged.passUnretained(key).toOpaque())
    guard function(_handle, address, &found) == MARTLET_OK, let found else { return nil }
    return Unmanaged<Attachment>.fromOpaque(found)._withUnsafeGuaranteedRef { $0.object as? Object }
  }

  /// Attaches an object to the downstream connection, for all its streams, until it has ended; it is
  /// used on this worker alone. `.conflict`: there is one of that key.
  @discardableResult
  public func attach(_ object: AnyObject, key: AnyObject) -> HostStatus {
    guard let function = _services.pointee.streamInfo.attach else { return .state }
    let attachment = Unmanaged.passRetained(Attachment(key: key, object: object))
    var given = martlet_attachment()
    given.size = UInt32(MemoryLayout<martlet_attachment>.size)
    given.object = attachment.toOpaque()
    given.destroy = { if let object = $0 { Unmanaged<Attachment>.fromOpaque(object).release() } }
    let address = UnsafeRawPointer(Unmanaged.passUnretained(key).toOpaque())
    let status = HostStatus(function(_handle, address, &given))
    if !status.isOK { attachment.release() }
    return status
  }
}
