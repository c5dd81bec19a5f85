// What `martlet plugin check` is asked for, and how a child hears of it: by the same words.
import Glibc

public struct CheckOptions: Sendable {
  /// The library.
  public var path: String
  /// YAML or JSON of the filter's `typed_config`.
  public var configuration = ""
  /// The filter; empty: the plugin's first.
  public var filter = ""
  /// Of everything that is drawn.
  public var seed: UInt64
  /// One test alone; empty: all.
  public var test = ""
  public var json = false

  /// Of a child: the test that it is, where its findings go, and the table that its host lacks.
  var child: CheckTest?
  var report: Int32 = -1
  var denied = ""

  /// `configuration`: text, or the path of a file. Throws what is wrong with the options.
  public init(
    path: String, configuration: String?, filter: String?, seed: UInt64?, test: String?, json: Bool
  ) throws(OptionProblem) {
    self.path = path
    self.filter = filter ?? ""
    self.test = test ?? ""
    self.json = json
    self.seed = seed ?? UInt64.random(in: 1...999_999_999)
    if !self.test.isEmpty, CheckTest(rawValue: self.test) == nil {
      let known = CheckTest.allCases.map(\.rawValue).joined(separator: ", ")
      throw OptionProblem(message: "--test: there is no test '\(self.test)', expected one of: \(known)")
    }
    self.configuration = try Self.text(configuration)
  }

  /// Text that begins with `{`, or has a colon and a blank or an end of line; anything else is a file's path.
  static func text(_ given: String?) throws(OptionProblem) -> String {
    guard let given, !given.isEmpty else { return "" }
    if given.trimmed.hasPrefix("{") || given.contains(": ") || given.contains("\n") { return given }
    guard let bytes = Output.read(given) else {
      throw OptionProblem(message: "--config: cannot read '\(given)': \(Output.systemError)")
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  public struct OptionProblem: Error {
    public let message: String
  }

  /// Of a child process: this program, this plugin, one test.
  func arguments(_ test: CheckTest, denied: String, seed: UInt64) -> [String] {
    [
      "plugin", "check", path, "--child", test.rawValue, "--filter", filter, "--reproduce", "\(seed)",
      "--config-text", configuration, "--report", "\(CheckProcess.report)", "--denied", denied,
    ]
  }

  /// What to type to see a finding again.
  func command(_ test: CheckTest) -> String {
    var words = ["martlet", "plugin", "check", path, "--reproduce", "\(seed)", "--test", test.rawValue]
    if !filter.isEmpty { words += ["--filter", filter] }
    if !configuration.isEmpty { words += ["--config", "..."] }
    return words.joined(separator: " ")
  }
}
