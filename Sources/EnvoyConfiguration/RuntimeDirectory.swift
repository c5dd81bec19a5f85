// A runtime layer on disk: a file's path below the directory, with dots for slashes, is a key, and its
// text the value. Lines that begin with `#` are remarks.

internal import Foundation
public import Model

/// What stands in the files below a directory.
public struct RuntimeDirectory: Sendable {
  public private(set) var values: [String: RuntimeValue] = [:]
  /// False where there is no such directory.
  public private(set) var exists = false
  /// What could not be read; a line each.
  public private(set) var problems: [String] = []

  /// Levels of directories, as in Envoy.
  private static let depthLimit = 16
  /// Bytes of a value.
  private static let fileLimit = 1 << 16

  public init(_ path: String) {
    var isDirectory: ObjCBool = false
    exists =
      FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue
    if exists { read(path, prefix: "", depth: 1) }
  }

  private mutating func read(_ path: String, prefix: String, depth: Int) {
    guard depth <= Self.depthLimit else {
      problems.append("\(path): deeper than \(Self.depthLimit) levels")
      return
    }
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    } catch {
      problems.append("\(path): cannot be listed")
      return
    }
    for name in names {
      let below = "\(path)/\(name)"
      let key = prefix.isEmpty ? name : "\(prefix).\(name)"
      var isDirectory: ObjCBool = false
      guard FileManager.default.fileExists(atPath: below, isDirectory: &isDirectory) else { continue }
      if isDirectory.boolValue {
        read(below, prefix: key, depth: depth + 1)
      } else {
        switch SourceFile.bytes(below, limit: Self.fileLimit) {
        case .success(let bytes): values[key] = Self.value(String(decoding: bytes, as: UTF8.self))
        case .failure(let problem): problems.append("\(below): \(problem.message)")
        }
      }
    }
  }

  private static func value(_ text: String) -> RuntimeValue {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).filter { !$0.hasPrefix("#") }
    var value = lines.joined(separator: "\n")[...]
    while let last = value.last, last.isWhitespace { value.removeLast() }
    return RuntimeText.value(String(value))
  }
}

/// Values as they are written in files and to the admin interface.
public enum RuntimeText {
  /// A number, a flag, or YAML of FractionalPercent's fields; anything else is itself alone.
  public static func value(_ text: String) -> RuntimeValue {
    if text.contains("numerator") || text.contains("denominator") {
      var copy = text
      let node = copy.withUTF8 { try? YAMLReader.read(UnsafeRawBufferPointer($0), file: 0) }
      if let share = node.flatMap(share) { return RuntimeValue(text: text, share: share) }
    }
    return RuntimeValue(parsing: text)
  }

  private static func share(_ node: ConfigurationNode) -> RuntimeShare? {
    guard let entries = node.entries, entries.allSatisfy({ ["numerator", "denominator"].contains($0.key) })
    else { return nil }
    let denominator: UInt32
    switch node["denominator"]?.text ?? "HUNDRED" {
    case "HUNDRED": denominator = 100
    case "TEN_THOUSAND": denominator = 10_000
    case "MILLION": denominator = 1_000_000
    default: return nil
    }
    guard let numerator = UInt32(node["numerator"]?.text ?? "0") else { return nil }
    return RuntimeShare(numerator: numerator, denominator: denominator)
  }
}
