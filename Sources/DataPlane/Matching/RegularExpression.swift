// A regular expression of a worker's own: RE2 guards what it builds lazily with a lock, which nobody
// else ever takes here. Matching allocates only while RE2 meets a kind of text for the first time.
import CMartletRegex

final class RegularExpression {
  /// Groups that can be asked for, the whole match included.
  static let groupLimit = 10
  typealias Span = martlet_regex_span
  private let handle: OpaquePointer

  /// Nil where the pattern is wrong. Configuration has been checked: it is not.
  init?(_ pattern: String) {
    var pattern = pattern
    let made = pattern.withUTF8 { martlet_regex_make($0.baseAddress, $0.count, nil, 0) }
    guard let made else { return nil }
    handle = made
  }

  deinit { martlet_regex_free(handle) }

  /// Whether all of the text matches.
  func matches(_ text: ByteView) -> Bool { martlet_regex_matches(handle, text.base, text.count) }

  /// Whether all of the text matches, and where its groups are.
  func capture(_ text: ByteView, _ spans: UnsafeMutableBufferPointer<Span>) -> Bool {
    martlet_regex_capture(handle, text.base, text.count, spans.baseAddress, Int32(spans.count))
  }

  /// Whether a substitution is one for this expression.
  func takes(substitution: [UInt8]) -> Bool {
    substitution.withUnsafeBufferPointer {
      martlet_regex_check_substitution(handle, $0.baseAddress, $0.count, nil, 0)
    }
  }

  /// Adds the text with every match replaced.
  func replaceAll(in text: ByteView, by substitution: [UInt8], into result: ByteBuilder) {
    substitution.withUnsafeBufferPointer { new in
      martlet_regex_replace_all(
        handle, text.base, text.count, new.baseAddress ?? text.base, new.count,
        { context, bytes, length in
          guard let context, let bytes else { return }
          Unmanaged<ByteBuilder>.fromOpaque(context)._withUnsafeGuaranteedRef {
            $0.append(ByteView(bytes, length))
          }
        }, Unmanaged.passUnretained(result).toOpaque())
    }
  }
}
