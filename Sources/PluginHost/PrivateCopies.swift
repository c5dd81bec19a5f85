// Loaded plugins are copies that nobody else changes, named by their content: the file that the
// operator has may be replaced or removed at any time. They stand in a folder of this process's own
// until it ends, so that debuggers and profilers find them; where nothing may be executed from there,
// in memory.
import CMartletSystem
import Glibc

final class PrivateCopies: @unchecked Sendable {
  // On the control thread.
  private var folder: String?
  /// Of the next copy: one that comes back after it was closed gets a fresh image, since the old one stays
  /// mapped, with all that its statics hold.
  private var serial = 0

  /// Folders of processes that are gone.
  private static func removeLeftovers(in parent: String) {
    guard let directory = opendir(parent) else { return }
    defer { closedir(directory) }
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      let parts = name.split(separator: "-")
      guard parts.count == 4, parts[0] == "martlet", parts[1] == "plugins", let process = Int32(parts[2]),
        kill(process, 0) != 0, errno == ESRCH
      else { continue }
      var status = stat()
      let path = "\(parent)/\(name)"
      if lstat(path, &status) == 0, status.st_uid == geteuid() { remove(path) }
    }
  }

  private static func remove(_ folder: String) {
    if let directory = opendir(folder) {
      while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name.hasSuffix(".so") { unlink("\(folder)/\(name)") }
      }
      closedir(directory)
    }
    rmdir(folder)
  }

  /// Loads a copy of the file. Throws the loader's own words.
  func load(_ file: PluginFile, id: String) throws(PluginProblem) -> UnsafeMutableRawPointer {
    var reason = "no folder for copies"
    if let path = copy(file, name: id) {
      if let library = open(path) { return library }
      reason = Self.loaderError
      // A folder that is mounted noexec; anything else fails from memory as well.
      guard reason.contains("failed to map segment") || reason.contains("Operation not permitted") else {
        throw PluginFile.problem(file.path, reason.replacing(path, with: "the library"))
      }
    }
    guard let path = inMemory(file) else { throw PluginFile.problem(file.path, reason) }
    if let library = open(path) { return library }
    throw PluginFile.problem(file.path, Self.loaderError.replacing(path, with: "the library"))
  }

  private func open(_ path: String) -> UnsafeMutableRawPointer? {
    dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)
  }

  private static var loaderError: String { dlerror().map { String(cString: $0) } ?? "cannot be loaded" }

  private func copy(_ file: PluginFile, name: String) -> String? {
    if folder == nil {
      let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
      Self.removeLeftovers(in: parent)
      var template = Array("\(parent)/martlet-plugins-\(getpid())-XXXXXX".utf8CString)
      guard mkdtemp(&template) != nil else { return nil }
      folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    guard let folder else { return nil }
    serial += 1
    let path = "\(folder)/\(name)-\(file.hash.prefix(16))-\(serial).so"
    let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o500)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    return write(file.bytes, to: descriptor) ? path : nil
  }

  private func inMemory(_ file: PluginFile) -> String? {
    let descriptor = martlet_memory_file("martlet-\(file.hash.prefix(16))")
    guard descriptor >= 0, write(file.bytes, to: descriptor) else { return nil }
    // Kept open: the path names it for as long as the library is mapped.
    return "/proc/self/fd/\(descriptor)"
  }

  private func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + done, $0.count - done) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      done += count
    }
    return true
  }

  /// The libraries stay mapped; their files go.
  func removeFiles() {
    if let folder { Self.remove(folder) }
    folder = nil
  }
}

extension String {
  fileprivate func replacing(_ text: String, with other: String) -> String {
    guard let range = self.range(of: text) else { return self }
    return self[..<range.lowerBound] + other + self[range.upperBound...]
  }

  private func range(of text: String) -> Range<String.Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
      start = index(after: start)
    }
    return nil
  }
}
