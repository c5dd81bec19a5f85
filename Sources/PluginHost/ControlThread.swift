// The thread on which plugins are opened, configured and closed: one for all, never a worker's. It
// runs what it is given in order, and the timers of config scopes in between.
import CMartletBlame
import CMartletSystem
import Glibc

final class ControlThread: @unchecked Sendable {
  // All of it under `mutex`.
  private var queue: [() -> Void] = []
  private var timers: [Timer] = []
  private var isStopping = false
  private var hasEnded = false

  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let changed: UnsafeMutablePointer<pthread_cond_t>
  private var thread = pthread_t()

  private struct Timer {
    var deadline: UInt64
    var owner: UInt64
    var number: UInt32
    var fire: () -> Void
  }

  init() {
    mutex = .allocate(capacity: 1)
    changed = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(changed, &attributes)
    pthread_condattr_destroy(&attributes)
    let code = pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<ControlThread>.fromOpaque(argument.unsafelyUnwrapped).takeUnretainedValue().main()
        return nil
      }, Unmanaged.passUnretained(self).toOpaque())
    precondition(code == 0, "pthread_create: no thread for plugins")
  }

  /// Runs what was posted, then ends the thread. Nothing may be posted after it.
  func stop() {
    pthread_mutex_lock(mutex)
    let wasStopping = isStopping
    isStopping = true
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(mutex)
    if !wasStopping { pthread_join(thread, nil) }
  }

  static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  var isCurrent: Bool { pthread_equal(pthread_self(), thread) != 0 }

  /// From any thread. False: the thread has ended and the message is dropped.
  @discardableResult
  func post(_ message: @escaping @Sendable () -> Void) -> Bool {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    if isStopping { return false }
    queue.append(message)
    pthread_cond_broadcast(changed)
    return true
  }

  /// Runs `body` there and waits for it. When the thread has ended, it is run here: nothing else of
  /// plugins runs any more then.
  func run<Result>(_ body: () -> Result) -> Result {
    if isCurrent { return body() }
    return withoutActuallyEscaping(body) { body in
      let answer = Answer<Result>()
      let task = OneCall(body)
      if post({ answer.give(task.run()) }) { return answer.wait() }
      pthread_mutex_lock(mutex)
      while !hasEnded { pthread_cond_wait(changed, mutex) }
      pthread_mutex_unlock(mutex)
      return task.run()
    }
  }

  // MARK: Timers

  /// 0 milliseconds take it off. On this thread.
  func setTimer(_ owner: UInt64, _ number: UInt32, milliseconds: UInt64, fire: @escaping () -> Void) {
    timers.removeAll { $0.owner == owner && $0.number == number }
    if milliseconds > 0 {
      timers.append(
        Timer(
          deadline: Self.now &+ milliseconds &* 1_000_000, owner: owner, number: number, fire: fire))
    }
  }

  func cancelTimers(of owner: UInt64) { timers.removeAll { $0.owner == owner } }

  // MARK: The thread

  private func main() {
    martlet_name_thread("plugins")
    martlet_slot_open("plugins")
    defer { martlet_slot_close() }
    pthread_mutex_lock(mutex)
    while true {
      if !queue.isEmpty {
        // What a message holds is let go of before the mutex is taken again: it may post something.
        var work: (() -> Void)? = queue.removeFirst()
        pthread_mutex_unlock(mutex)
        work?()
        work = nil
        pthread_mutex_lock(mutex)
        continue
      }
      if isStopping { break }
      if let due = timers.indices.min(by: { timers[$0].deadline < timers[$1].deadline }) {
        let deadline = timers[due].deadline
        if deadline <= Self.now {
          var timer: Timer? = timers.remove(at: due)
          pthread_mutex_unlock(mutex)
          timer?.fire()
          timer = nil
          pthread_mutex_lock(mutex)
          continue
        }
        var until = timespec(
          tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
        pthread_cond_timedwait(changed, mutex, &until)
      } else {
        pthread_cond_wait(changed, mutex)
      }
    }
    hasEnded = true
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(mutex)
  }
}

/// A closure that is gone when it has run: the caller, who lent it, goes on as soon as it has the result.
private final class OneCall<Result>: @unchecked Sendable {
  private var body: (() -> Result)?

  init(_ body: @escaping () -> Result) { self.body = body }

  func run() -> Result {
    guard let call = body else { preconditionFailure("run once") }
    body = nil
    return call()
  }
}

/// A value that another thread will give.
private final class Answer<Value>: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let given: UnsafeMutablePointer<pthread_cond_t>
  private var value: Value?

  init() {
    mutex = .allocate(capacity: 1)
    given = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(given, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(given)
    mutex.deallocate()
    given.deallocate()
  }

  func give(_ value: Value) {
    pthread_mutex_lock(mutex)
    self.value = value
    pthread_cond_signal(given)
    pthread_mutex_unlock(mutex)
  }

  func wait() -> Value {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while true {
      if let value { return value }
      pthread_cond_wait(given, mutex)
    }
  }
}
