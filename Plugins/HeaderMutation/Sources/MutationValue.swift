// The value of a mutation: text, or a format that is evaluated for each stream.
import MartletSDK

struct MutationValue: ~Copyable, Sendable {
  private let literal: FrozenBytes
  private let format: Format?

  /// `isLiteral`: text without operators, whatever it looks like.
  init(
    _ text: String, isLiteral: Bool = false, _ scope: inout ConfigurationScope, at path: String
  ) throws {
    let hasOperators = !isLiteral && text.utf8.contains(UInt8(ascii: "%"))
    let format = hasOperators ? try scope.format(text, at: path) : nil
    self.format = format
    literal = FrozenBytes(hasOperators ? "" : text)
  }

  /// The text of a value without operators.
  var literalView: BytesView {
    @_lifetime(borrow self) get { literal.view }
  }

  /// Calls `body` with the value for this stream.
  @inline(__always)
  borrowing func with(_ stream: borrowing HTTPStream, _ body: (BytesView) -> Void) {
    if let format { body(stream.text(of: format)) } else { body(literal.view) }
  }
}
