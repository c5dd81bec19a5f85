// A file of log lines, written by a thread of its own: a worker hands over what it has and goes on,
// however slow the disk is.
//
//     worker buffers --lock, copy--> front --swap--> back --write(2)--> file
//
// What cannot be written (a full disk, a broken pipe) is thrown away and counted, as Envoy does;
// what is not written in time has a limit, beyond which lines are thrown away as well. The lock is
// held for a copy or a swap, never for a system call.
import CMartletSystem
import Model
import Synchronization
import Glibc

/// `filesystem.`, over all files.
final class FileSystemStats: Sendable {
  let flushedByTimer = Atomic<UInt64>(0)
  let reopenFailed = Atomic<UInt64>(0)
  let writeBuffered = Atomic<UInt64>(0)
  let writeCompleted = Atomic<UInt64>(0)
  let writeFailed = Atomic<UInt64>(0)
  let totalBuffered = Atomic<UInt64>(0)

  var snapshot: [StatValue] {
    func value(_ name: String, _ kind: StatValue.Kind, _ value: UInt64) -> StatValue {
      StatValue(scope: .other("filesystem."), name: name, kind: kind, value: value)
    }
    return [
      value("flushed_by_timer", .counter, flushedByTimer.load(ordering: .relaxed)),
      value("reopen_failed", .counter, reopenFailed.load(ordering: .relaxed)),
      value("write_buffered", .counter, writeBuffered.load(ordering: .relaxed)),
      value("write_completed", .counter, writeCompleted.load(ordering: .relaxed)),
      value("write_failed", .counter, writeFailed.load(ordering: .relaxed)),
      value("write_total_buffered", .gauge, totalBuffered.load(ordering: .relaxed)),
    ]
  }
}

/// Threading: `append` from workers, the rest from the control side; all of it is behind the lock.
final class AccessLogFile: @unchecked Sendable {
  /// Bytes that may wait for a slow disk.
  private static let limit = 16 << 20

  private let path: String
  private let isStandardStream: Bool
  private let stats: FileSystemStats
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let wake: UnsafeMutablePointer<pthread_cond_t>
  private let idle: UnsafeMutablePointer<pthread_cond_t>

  // Behind the lock.
  private var front: UnsafeMutablePointer<UInt8>
  private var frontCapacity = 64 << 10
  private var frontCount = 0
  private var wantsReopen = false
  private var ending = false
  private var isWriting = false
  private var hasThread = false

  // The writing thread's, once it runs.
  private var descriptor: Int32
  private var back: UnsafeMutablePointer<UInt8>
  private var backCapacity = 64 << 10

  /// Opens the file, and starts no thread before the first line.
  init(path: String, stats: FileSystemStats) throws(SystemError) {
    self.path = path
    self.stats = stats
    isStandardStream = path == "/dev/stdout" || path == "/dev/stderr"
    descriptor = path == "/dev/stdout" ? 1 : path == "/dev/stderr" ? 2 : AccessLogFile.open(path)
    if descriptor < 0 { throw SystemError(call: "open", code: -descriptor) }
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
    wake = .allocate(capacity: 1)
    wake.initialize(to: pthread_cond_t())
    pthread_cond_init(wake, nil)
    idle = .allocate(capacity: 1)
    idle.initialize(to: pthread_cond_t())
    pthread_cond_init(idle, nil)
    front = .allocate(capacity: frontCapacity)
    back = .allocate(capacity: backCapacity)
  }

  /// Never while the thread runs: it keeps the file.
  deinit {
    if !isStandardStream { martlet_close(descriptor) }
    front.deallocate()
    back.deallocate()
    pthread_cond_destroy(wake)
    pthread_cond_destroy(idle)
    pthread_mutex_destroy(mutex)
    wake.deallocate()
    idle.deallocate()
    mutex.deallocate()
  }

  /// Negative errno on failure.
  private static func open(_ path: String) -> Int32 {
    Int32(martlet_open_log(path))
  }

  /// Copies lines for the writing thread.
  func append(_ bytes: UnsafePointer<UInt8>, _ count: Int, lines: UInt64, byTimer: Bool) {
    pthread_mutex_lock(mutex)
    stats.writeBuffered.wrappingAdd(lines, ordering: .relaxed)
    if byTimer { stats.flushedByTimer.wrappingAdd(1, ordering: .relaxed) }
    if frontCount + count > AccessLogFile.limit {
      stats.writeFailed.wrappingAdd(1, ordering: .relaxed)
    } else {
      if frontCount + count > frontCapacity { growFront(to: frontCount + count) }
      (front + frontCount).update(from: bytes, count: count)
      frontCount += count
      stats.totalBuffered.wrappingAdd(UInt64(count), ordering: .relaxed)
    }
    if !hasThread { startThread() }
    pthread_cond_signal(wake)
    pthread_mutex_unlock(mutex)
  }

  private func growFront(to least: Int) {
    let larger = Swift.max(frontCapacity * 2, least)
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
    memory.update(from: front, count: frontCount)
    front.deallocate()
    front = memory
    frontCapacity = larger
  }

  private func startThread() {
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { argument in
        martlet_name_thread("access_log")
        Unmanaged<AccessLogFile>.fromOpaque(argument.unsafelyUnwrapped).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    if code == 0 {
      pthread_detach(thread)
      hasThread = true
    } else {
      Unmanaged.passUnretained(self).release()
      stats.writeFailed.wrappingAdd(1, ordering: .relaxed)
    }
  }

  /// The path is opened again before the next line is written: the file was moved away.
  func reopen() {
    pthread_mutex_lock(mutex)
    wantsReopen = true
    pthread_cond_signal(wake)
    pthread_mutex_unlock(mutex)
  }

  /// Writes what is there and ends the thread. Waits for it, up to `timeout` seconds: a pipe that
  /// nobody reads must not keep the process.
  func finish(timeout: Int) {
    pthread_mutex_lock(mutex)
    ending = true
    pthread_cond_signal(wake)
    var until = timespec()
    clock_gettime(CLOCK_REALTIME, &until)
    until.tv_sec += timeout
    while hasThread, pthread_cond_timedwait(idle, mutex, &until) == 0 {}
    pthread_mutex_unlock(mutex)
  }

  // MARK: The thread

  private func run() {
    pthread_mutex_lock(mutex)
    while true {
      while frontCount == 0, !wantsReopen, !ending { pthread_cond_wait(wake, mutex) }
      let reopens = wantsReopen
      wantsReopen = false
      let count = frontCount
      swap(&front, &back)
      swap(&frontCapacity, &backCapacity)
      frontCount = 0
      if count == 0, !reopens, ending { break }
      pthread_mutex_unlock(mutex)
      if reopens { openAgain() }
      if count > 0 { write(count) }
      pthread_mutex_lock(mutex)
    }
    hasThread = false
    pthread_cond_broadcast(idle)
    pthread_mutex_unlock(mutex)
  }

  private func openAgain() {
    if isStandardStream { return }
    let fresh = AccessLogFile.open(path)
    if fresh < 0 {
      // The old file is better than none.
      stats.reopenFailed.wrappingAdd(1, ordering: .relaxed)
      return
    }
    martlet_close(descriptor)
    descriptor = fresh
  }

  private func write(_ count: Int) {
    var done = 0
    while done < count {
      let result = martlet_write(descriptor, back + done, count - done)
      if result > 0 {
        done += Int(result)
      } else if result == -Int64(EAGAIN) {
        // Standard output may be a pipe that somebody made non-blocking.
        var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = poll(&wait, 1, 1000)
      } else {
        break
      }
    }
    if done == count {
      stats.writeCompleted.wrappingAdd(1, ordering: .relaxed)
    } else {
      stats.writeFailed.wrappingAdd(1, ordering: .relaxed)
    }
    stats.totalBuffered.wrappingSubtract(UInt64(count), ordering: .relaxed)
    if backCapacity > 1 << 20 {
      back.deallocate()
      backCapacity = 64 << 10
      back = .allocate(capacity: backCapacity)
    }
  }
}

/// The files of the process by path: all workers and configurations write to one.
final class AccessLogFiles: Sendable {
  let stats = FileSystemStats()
  private let files = Locked<[String: AccessLogFile]>([:])

  /// The file, opened at first asking.
  func open(_ path: String) throws(SystemError) -> AccessLogFile {
    try files.withLock { files throws(SystemError) in
      if let file = files[path] { return file }
      let file = try AccessLogFile(path: path, stats: stats)
      files[path] = file
      return file
    }
  }

  /// One that `open` has opened.
  func opened(_ path: String) -> AccessLogFile? { files.withLock { $0[path] } }

  /// Closes what the configuration does not name any more, when its last line is written.
  func keep(only paths: Set<String>) {
    let gone = files.withLock { files in
      let gone = files.filter { !paths.contains($0.key) }
      for path in gone.keys { files[path] = nil }
      return gone
    }
    for file in gone.values { file.finish(timeout: 0) }
  }

  func reopen() { for file in files.withLock({ $0 }).values { file.reopen() } }

  func finish() { for file in files.withLock({ $0 }).values { file.finish(timeout: 2) } }
}
