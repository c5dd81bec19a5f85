// A plugin's file before it is loaded: read once, hashed, and looked at, so that what is no plugin of
// ours gets an error that says what it is instead, and none of its code runs.
import CCrypto
import Glibc

/// Why a file is not loaded. The text names the file.
struct PluginProblem: Error {
  let message: String
  /// It has nothing to do with Martlet: other libraries may stand in a folder of plugins.
  var isForeign = false
}

struct PluginFile {
  let path: String
  let bytes: [UInt8]
  /// SHA-256, hexadecimal.
  let hash: String

  /// 256 MiB: far beyond any plugin, so that a wrong path does not fill the memory.
  static let sizeLimit = 256 << 20
  static let entry = "martlet_plugin_v1"

  static func read(_ path: String) throws(PluginProblem) -> PluginFile {
    // Not waiting: a pipe in the folder would have the process hang.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw problem(path, String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw problem(path, String(cString: strerror(errno))) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw problem(path, "not a regular file") }
    guard status.st_size <= sizeLimit else { throw problem(path, "larger than \(sizeLimit >> 20) MiB") }
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    var filled = 0
    while filled < bytes.count {
      let start = filled
      let count = bytes.withUnsafeMutableBytes {
        Glibc.read(descriptor, $0.baseAddress! + start, $0.count - start)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      filled += count
    }
    if filled < bytes.count { throw problem(path, "it changed while it was read") }
    let file = PluginFile(path: path, bytes: bytes, hash: sha256(bytes))
    try file.check()
    return file
  }

  static func problem(_ path: String, _ text: String, isForeign: Bool = false) -> PluginProblem {
    PluginProblem(message: "plugin '\(path)': \(text)", isForeign: isForeign)
  }

  private static func sha256(_ bytes: [UInt8]) -> String {
    var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    bytes.withUnsafeBufferPointer { _ = SHA256($0.baseAddress, $0.count, &digest) }
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  // MARK: ELF (System V ABI, chapter 4)

  private static let machines: [Int: String] = [
    3: "x86", 40: "ARM", 62: "x86-64", 183: "AArch64", 243: "RISC-V", 21: "PowerPC64", 22: "S/390",
  ]

  private static var ownMachine: Int {
    #if arch(x86_64)
      62
    #elseif arch(arm64)
      183
    #else
      0
    #endif
  }

  private func number(_ offset: Int, _ size: Int) -> Int {
    guard offset >= 0, offset + size <= bytes.count else { return -1 }
    var value: UInt64 = 0
    for index in (0..<size).reversed() { value = value << 8 | UInt64(bytes[offset + index]) }
    return Int(truncatingIfNeeded: value)
  }

  private func check() throws(PluginProblem) {
    guard bytes.count >= 4, bytes[0] == 0x7f, bytes[1...3].elementsEqual("ELF".utf8) else {
      throw Self.problem(
        path, bytes.isEmpty ? "empty file" : "not a shared library (no ELF file)", isForeign: true)
    }
    guard bytes.count >= 64 else { throw Self.problem(path, "truncated: the ELF header is not whole") }
    guard bytes[4] == 2, bytes[5] == 1 else {
      throw Self.problem(path, "for another machine: expected a 64-bit little-endian library")
    }
    let machine = number(18, 2)
    guard machine == Self.ownMachine else {
      let name = Self.machines[machine] ?? "machine \(machine)"
      let own = Self.machines[Self.ownMachine] ?? "another"
      throw Self.problem(path, "for another machine: \(name), expected \(own)")
    }
    guard number(16, 2) == 3 else { throw Self.problem(path, "not a shared library", isForeign: true) }
    try checkExtents()
    try checkEntry()
  }

  /// Every segment and the table of sections lie within the file.
  private func checkExtents() throws(PluginProblem) {
    let offset = number(32, 8)
    let size = number(54, 2)
    let count = number(56, 2)
    let truncated = Self.problem(path, "truncated: \(bytes.count) bytes are less than its headers say")
    guard size >= 56, offset > 0, offset <= bytes.count - size * count else { throw truncated }
    for index in 0..<count {
      let start = number(offset + index * size + 8, 8)
      let length = number(offset + index * size + 32, 8)
      guard start >= 0, length >= 0, start <= bytes.count, length <= bytes.count - start else {
        throw truncated
      }
    }
    let sections = number(40, 8)
    if sections > 0 {
      guard number(58, 2) * number(60, 2) <= bytes.count - Swift.min(sections, bytes.count) else {
        throw truncated
      }
    }
  }

  /// The entry's name stands in the table of dynamic symbols; without it no code of the file is run.
  private func checkEntry() throws(PluginProblem) {
    let prefix = Array("martlet_plugin_v".utf8)
    var others = Set<Int>()
    let found = bytes.withUnsafeBytes { all -> Bool in
      var start = all.baseAddress!
      let end = start + all.count
      while let hit = memchr(start, Int32(prefix[0]), end - start).map({ UnsafeRawPointer($0) }) {
        start = hit + 1
        guard end - hit > prefix.count, memcmp(hit, prefix, prefix.count) == 0 else { continue }
        var digits = hit + prefix.count
        var major = 0
        var isNumber = false
        while digits < end, case let byte = digits.load(as: UInt8.self), (48...57).contains(byte),
          major < 1000
        {
          major = major * 10 + Int(byte - 48)
          isNumber = true
          digits += 1
        }
        if isNumber, digits < end, digits.load(as: UInt8.self) == 0 {
          if major == 1 { return true }
          others.insert(major)
        }
      }
      return false
    }
    if found { return }
    if let newest = others.max() {
      throw Self.problem(path, "it needs version \(newest) of the plugin ABI; this host has version 1")
    }
    throw Self.problem(path, "not a plugin: it has no symbol \(Self.entry)", isForeign: true)
  }
}
