// Data sources: bytes in the file itself, in another file, or in the environment.

internal import Foundation
internal import SwiftProtobuf

enum DataSourceLimit {
  /// Bytes of a file that is sent as it is. Each worker holds it once; a larger one is what
  /// file servers are for.
  static let file = 1 << 20
}

extension Conversion {
  /// The bytes, read now; nil with a finding where they cannot be had.
  func bytes(_ source: Envoy_Config_Core_V3_DataSource, limit: Int, at place: Place) -> [UInt8]? {
    let bytes: [UInt8]
    switch source.specifier {
    case .inlineBytes(let data)?: bytes = Array(data)
    case .inlineString(let text)?: bytes = Array(text.utf8)
    case .environmentVariable(let name)?:
      guard let value = getenv(name) else {
        error(
          "the environment variable \(name) is not set", at: place.field("environment_variable"))
        return nil
      }
      bytes = Array(String(cString: value).utf8)
    case .filename where !readsFiles: return []
    case .filename(let path)?:
      switch SourceFile.bytes(path, limit: limit) {
      case .success(let data): return Array(data)
      case .failure(let problem):
        error("\(path): \(problem.message)", at: place.field("filename"))
        return nil
      }
    case nil: return nil  // required by the proto file
    }
    guard bytes.count <= limit else {
      error("has \(bytes.count) bytes; the most is \(limit)", at: place)
      return nil
    }
    return bytes
  }
}
