// The serving process's side of the conversation with its supervisor. May be used from any thread.
import CMartletBlame
import CServerSystem
import DataPlane
import Glibc
import Model

final class SupervisorClient: Sendable {
  /// Who the supervisor is: two descriptors and its process.
  static let variable = "MARTLET_SUPERVISOR"
  /// Before the keys of listening sockets.
  static let socketPrefix = "socket:"
  /// The supervisor does nothing else: whoever waits longer waits for a process that was stopped.
  private static let patience: Int64 = 5_000
  /// As long as all crashes that it remembers may be.
  private static let longestAnswer = 64 << 10

  private let conversation: Locked<Int32>

  private init(_ descriptor: Int32) { conversation = Locked(descriptor) }

  /// Nil: nobody has started this process to supervise it. A variable that was inherited by somebody further
  /// down is not meant for us.
  private static var inherited: (conversation: Int32, page: Int32)? {
    guard let text = Environment.variable(variable) else { return nil }
    let numbers = text.split(separator: ",").compactMap { Int32($0) }
    guard numbers.count == 3, numbers[2] == getppid() else { return nil }
    return (numbers[0], numbers[1])
  }

  static var isSupervised: Bool { inherited != nil }

  /// Nil: this process has no supervisor. Takes the variable out of the environment. Once.
  static func connect() -> SupervisorClient? {
    guard let (conversation, page) = inherited else { return nil }
    unsetenv(variable)
    martlet_close_on_exec(conversation)
    martlet_receive_timeout(conversation, patience)
    if let memory = martlet_map_shared(page, MemoryLayout<martlet_crash>.size) {
      martlet_crash_share(memory.bindMemory(to: martlet_crash.self, capacity: 1))
    }
    close(page)
    return SupervisorClient(conversation)
  }

  /// The environment as `name=value`, without the variable.
  static func environmentWithoutOwn() -> [String] {
    var result: [String] = []
    var next = environ
    while let entry = next.pointee {
      let text = String(cString: entry)
      if !text.hasPrefix("\(variable)=") { result.append(text) }
      next += 1
    }
    return result
  }

  private func ask(_ request: SupervisorRequest, _ passed: Int32 = -1) -> (bytes: [UInt8], descriptor: Int32)?
  {
    let bytes = request.bytes
    guard bytes.count <= SupervisorRequest.longestKey else { return nil }
    return conversation.withLock { descriptor in
      guard descriptor >= 0 else { return nil }
      var buffer = [UInt8](repeating: 0, count: Self.longestAnswer)
      var got: Int32 = -1
      guard martlet_send_message(descriptor, bytes, bytes.count, passed) >= 0,
        case let count = Int(martlet_receive_message(descriptor, &buffer, buffer.count, &got)), count > 0
      else {
        // An answer that came later would be taken for that of the next question.
        close(descriptor)
        descriptor = -1
        return nil
      }
      return (Array(buffer[..<count]), got)
    }
  }

  // MARK: Descriptors

  /// A descriptor that is kept by this name, ours now as well.
  func take(_ key: String) -> Int32? { ask(.take(key)).flatMap { $0.descriptor < 0 ? nil : $0.descriptor } }
  func keep(_ key: String, _ descriptor: Int32) { _ = ask(.keep(key), descriptor) }
  func drop(_ key: String) { _ = ask(.drop(key)) }
  /// This process has all its sockets: others are not wanted any more.
  func settle() { _ = ask(.settle) }

  var sockets: SocketKeeper {
    let prefix = Self.socketPrefix
    return SocketKeeper(
      take: { [self] in take(prefix + $0) }, keep: { [self] in keep(prefix + $0, $1) },
      drop: { [self] in drop(prefix + $0) }, settle: { [self] in settle() })
  }

  // MARK: What is remembered

  func crashes() -> (restarts: Int, crashes: [CrashLine]) {
    guard let answer = ask(.crashes) else { return (0, []) }
    let lines = String(decoding: answer.bytes, as: UTF8.self).split(separator: "\n")
    return (lines.first.flatMap { Int($0) } ?? 0, lines.dropFirst().compactMap { CrashLine($0) })
  }

  func remember(_ key: String, _ bytes: [UInt8]) {
    let file = martlet_text_file(bytes, bytes.count)
    guard file >= 0 else { return }
    keep(key, file)
    close(file)
  }

  func recall(_ key: String) -> [UInt8]? {
    guard let file = take(key) else { return nil }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_size <= 64 << 20 else { return nil }
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeMutableBytes {
        pread(file, $0.baseAddress! + done, $0.count - done, off_t(done))
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return nil }
      done += count
    }
    return bytes
  }
}
