// A use of a format operator in the test's host.
import CMartletABI

/// `%NAME(argument)%` in a format string.
public final class TestOperator {
  private let configuration: TestConfiguration
  private let table: martlet_format_operator
  private let handle: martlet_handle
  private var use: UnsafeMutableRawPointer?
  /// MARTLET_VALUE_...
  public private(set) var kind = MARTLET_VALUE_TEXT

  /// Throws `TestRefusal` where the plugin refuses. `configuration` is one of format operators.
  public init(_ configuration: TestConfiguration, _ name: String, argument: String?) throws {
    self.configuration = configuration
    table = configuration.formatter!.pointee
    let host = configuration.host
    handle = host.newHandle(.config(configuration))
    let text = argument.map { host.texts.keep(Array($0.utf8)) } ?? martlet_bytes()
    let before = configuration.errors.count
    let status = table.create(
      configuration.object, handle, host.texts.keep(Array(name.utf8)), text, &kind, &use)
    if status != MARTLET_OK {
      throw TestRefusal(findings: Array(configuration.errors[before...]))
    }
  }

  /// The value for a stream of the same configuration; nil where there is none.
  public func value(_ stream: TestStream) -> String? {
    var bytes = martlet_bytes()
    let status = table.write(
      use, configuration.worker, TestTables.httpPointer, stream.handle, &bytes)
    return status == MARTLET_OK ? bytes.text : nil
  }

  public func destroy() {
    table.destroy(use)
    use = nil
    configuration.host.named[handle] = nil
  }
}
