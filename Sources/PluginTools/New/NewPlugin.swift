// `martlet plugin new`: a folder with a filter that builds, is checked and runs. Its files stand in this
// binary (CPluginTools/Templates, and our own martlet.h); what is of the new filter's name in them is put in.
import CPluginTools
import Glibc

public enum NewPlugin {
  /// Makes the folder `name` in the present one. Returns the exit code.
  public static func run(name: String, language: String, isNetwork: Bool, package: String?) -> Int32 {
    do {
      let made = try NewPluginFiles(name: name, language: language, isNetwork: isNetwork, package: package)
      try made.write()
      Output.write(made.welcome)
      return ExitCode.success
    } catch {
      Output.error(error.message)
      return ExitCode.failed
    }
  }
}

/// The files of one new plugin.
struct NewPluginFiles {
  enum Language: String, CaseIterable { case c, cpp, rust, swift }

  let name: String
  /// By their path in the folder.
  private(set) var files: [(path: String, bytes: [UInt8])] = []

  init(name: String, language: String, isNetwork: Bool, package: String?) throws(ToolProblem) {
    guard let known = Language(rawValue: language) else {
      let names = Language.allCases.map(\.rawValue).joined(separator: ", ")
      throw ToolProblem("--language: '\(language)' is not known, expected one of: \(names)")
    }
    guard Self.isValid(name) else {
      throw ToolProblem(
        "the name '\(name)': expected 1 to 40 letters, digits and single `-` between them, a letter first")
    }
    guard !isNetwork || known == .c else {
      throw ToolProblem("--network: there is one in c alone; Samples/filters/network-c is a larger one")
    }
    guard (package == nil) == (known != .swift) else {
      throw ToolProblem(
        package == nil
          ? "--language swift needs --package: folder or URL of Martlet's source, which has MartletSDK"
          : "--package is for --language swift")
    }
    self.name = name
    let source = Self.whole(package ?? "")
    let prefix = isNetwork ? "network-c/" : known.rawValue + "/"
    var number: Int32 = 0
    while case let file = martlet_tools_template(number), let bytes = file.bytes {
      number += 1
      let path = String(cString: file.name)
      let text = Array(UnsafeBufferPointer(start: bytes, count: file.size))
      if path == "martlet.h" {
        if known == .c || known == .cpp { files.append((path, text)) }
      } else if path.hasPrefix(prefix) {
        let own = String(path.dropFirst(prefix.count))
        files.append((put(own), Array(put(String(decoding: text, as: UTF8.self), package: source).utf8)))
      }
    }
  }

  /// A folder's whole path: the new package stands elsewhere.
  private static func whole(_ package: String) -> String {
    guard !package.isEmpty, !package.contains("://"), let path = realpath(package, nil) else {
      return package
    }
    defer { free(path) }
    return String(cString: path)
  }

  static func isValid(_ name: String) -> Bool {
    guard (1...40).contains(name.utf8.count), let first = name.utf8.first,
      name.utf8.last != UInt8(ascii: "-"),
      !name.contains("--")
    else { return false }
    func isLetter(_ byte: UInt8) -> Bool { (97...122).contains(byte | 32) }
    return isLetter(first)
      && name.utf8.allSatisfy { isLetter($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-") }
  }

  /// `rate-limit` in the place of `my-filter`, `rate_limit` of `my_filter`, `RateLimit` of `MyFilter`.
  private func put(_ text: String, package: String = "") -> String {
    let words = name.split(separator: "-")
    let type = words.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    let isPath = !package.contains("://")
    let dependency =
      isPath
      ? ".package(name: \"martlet\", path: \(JSONValue.string(package).text()))"
      : ".package(url: \(JSONValue.string(package).text()), branch: \"main\")"
    return text.replacing("my-filter", with: name)
      .replacing("my_filter", with: words.joined(separator: "_").lowercased()).replacing(
        "MyFilter", with: type
      )
      .replacing(".package(path: \"MARTLET\")", with: dependency)
  }

  /// Never over what is there.
  func write() throws(ToolProblem) {
    guard mkdir(name, 0o777) == 0 else {
      throw ToolProblem(
        errno == EEXIST
          ? "'\(name)' is there already; nothing was changed" : "'\(name)': \(Output.systemError)")
    }
    for (path, bytes) in files {
      let whole = "\(name)/\(path)"
      var folder = name
      for part in path.split(separator: "/").dropLast() {
        folder += "/\(part)"
        mkdir(folder, 0o777)
      }
      let descriptor = open(whole, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      guard descriptor >= 0 else { throw ToolProblem("'\(whole)': \(Output.systemError)") }
      defer { close(descriptor) }
      guard Output.write(bytes, to: descriptor) else {
        throw ToolProblem("'\(whole)': \(Output.systemError)")
      }
    }
  }

  var welcome: String {
    """
    \(name)/ has a filter. To go on:

        cd \(name)
        make          # builds it
        make test     # martlet plugin check
        make run      # serves envoy.yaml on 127.0.0.1:10000; README.md says what to ask

    """
  }
}
