// A proxy needs two descriptors a connection; the soft limit is 1024 on most systems.
import Glibc

/// The process's limit of open files.
enum DescriptorLimit {
  /// Raises the soft limit to the hard one.
  /// - Returns: The limit that now holds.
  static func raise() -> UInt64 {
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0 else { return 0 }
    if limit.rlim_cur < limit.rlim_max {
      let before = limit.rlim_cur
      limit.rlim_cur = limit.rlim_max
      if setrlimit(resource, &limit) != 0 { limit.rlim_cur = before }
    }
    return UInt64(limit.rlim_cur)
  }
}
