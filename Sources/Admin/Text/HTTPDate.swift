// Dates of the admin's answers and access log, without Foundation.
import Glibc

/// The clock's time in the two forms that are needed.
public enum HTTPDate {
  private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// RFC 9110 section 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
  static func header(_ seconds: Int) -> String {
    let t = parts(seconds)
    let date = "\(days[Int(t.tm_wday)]), \(two(t.tm_mday)) \(months[Int(t.tm_mon)]) \(t.tm_year + 1900)"
    return "\(date) \(two(t.tm_hour)):\(two(t.tm_min)):\(two(t.tm_sec)) GMT"
  }

  /// `%START_TIME%`: `1994-11-06T08:49:37.123Z`.
  static func timestamp(seconds: Int, milliseconds: Int) -> String {
    let t = parts(seconds)
    let thousandths = String(1000 + milliseconds).dropFirst()
    let date = "\(t.tm_year + 1900)-\(two(t.tm_mon + 1))-\(two(t.tm_mday))"
    return "\(date)T\(two(t.tm_hour)):\(two(t.tm_min)):\(two(t.tm_sec)).\(thousandths)Z"
  }

  /// Wall clock now.
  public static func now() -> (seconds: Int, milliseconds: Int) {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return (time.tv_sec, time.tv_nsec / 1_000_000)
  }

  private static func parts(_ seconds: Int) -> tm {
    var time = time_t(seconds)
    var result = tm()
    gmtime_r(&time, &result)
    return result
  }

  private static func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
