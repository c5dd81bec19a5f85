// How many workers are started where `--concurrency` says nothing.
import CServerSystem
import Glibc

/// Processors this process may use.
public enum ProcessorCount {
  /// The smallest of the processors there are, those the affinity mask allows and what the
  /// control group's CPU limit pays for; 1...
  public static func usable() -> Int {
    let affinity = affinityCount()
    return max(1, min(affinity, groupLimit() ?? affinity))
  }

  private static func affinityCount() -> Int {
    let count = Int(martlet_affinity_count())
    return count > 0 ? count : max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
  }

  /// Control groups version 2: the limit of this process's group, rounded down.
  private static func groupLimit() -> Int? {
    guard let groups = SmallFile.read("/proc/self/cgroup"),
      let line = groups.split(separator: "\n").first(where: { $0.hasPrefix("0::") }),
      let limit = SmallFile.read("/sys/fs/cgroup\(line.dropFirst(3))/cpu.max")
    else { return nil }
    return processors(ofLimit: limit)
  }

  /// `cpu.max`: `max 100000`, or microseconds of processor time a period.
  static func processors(ofLimit text: String) -> Int? {
    let words = text.split { $0 == " " || $0 == "\n" }
    guard words.count == 2, let quota = Int(words[0]), let period = Int(words[1]), period > 0 else {
      return nil
    }
    return max(1, quota / period)
  }
}
