// What a connection needs to keep names as they were written (`header_key_format`).
import Model

extension HTTP1Options.Names {
  /// Nil: nothing is to be kept.
  var recorder: HeadRecorder? {
    guard case .preserved(let othersProper, let keepsReason) = self else { return nil }
    return HeadRecorder(othersProper: othersProper, keepsReason: keepsReason)
  }
}
