// A configuration file on disk: its bytes, and its format by its name's ending, as in Envoy.

internal import Foundation
internal import Glibc

struct SourceFile {
  enum Format { case yaml, json }
  struct Problem: Error { var message: String }

  var bytes: Data
  var format: Format

  static func read(_ path: String) -> Result<SourceFile, Problem> {
    let format: Format
    switch path.split(separator: ".").last.map({ $0.lowercased() }) {
    case "yaml", "yml": format = .yaml
    case "json": format = .json
    case "pb", "pb_text", "prototxt", "textproto":
      return .failure(
        Problem(message: "protobuf files are not supported; give .yaml, .yml or .json"))
    default:
      return .failure(
        Problem(message: "unknown kind of file; the name must end in .yaml, .yml or .json"))
    }
    switch bytes(path, limit: ReadingLimits.fileSize) {
    case .success(let bytes): return .success(SourceFile(bytes: bytes, format: format))
    case .failure(let problem): return .failure(problem)
    }
  }

  /// The bytes of a file up to a limit. Pipes (`-c <(...)`) are read as well as files.
  static func bytes(_ path: String, limit: Int) -> Result<Data, Problem> {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return .failure(Problem(message: reason())) }
    defer { close(descriptor) }
    var data = Data()
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = chunk.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { return .failure(Problem(message: reason())) }
      if count == 0 { return .success(data) }
      data.append(contentsOf: chunk[..<count])
      guard data.count <= limit else {
        return .failure(
          Problem(
            message: "larger than \(limit >= 1 << 20 ? "\(limit >> 20) MiB" : "\(limit) bytes")"))
      }
    }
  }

  private static func reason() -> String { "cannot be read: \(String(cString: strerror(errno)))" }
}
