// The time flags of a log format. Local time and English names, whatever the locale.
import Glibc

/// A moment, broken down.
struct LogTime {
  var parts: tm
  var time: timespec

  private static let days = [
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
  ]
  private static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
  ]

  func expand(_ flag: Character) -> String {
    switch flag {
    case "a": String(day.prefix(3))
    case "A": day
    case "b", "h": String(month.prefix(3))
    case "B": month
    case "c": "\(day.prefix(3)) \(month.prefix(3)) \(parts.tm_mday) \(clock) \(parts.tm_year + 1900)"
    case "C": pad(Int(parts.tm_year) % 100, 2)
    case "Y": String(parts.tm_year + 1900)
    case "D", "x":
      "\(two(parts.tm_mon + 1))/\(two(parts.tm_mday))/\(pad(Int(parts.tm_year) % 100, 2))"
    case "m": two(parts.tm_mon + 1)
    case "d": two(parts.tm_mday)
    case "H": two(parts.tm_hour)
    case "I": two(hour12)
    case "M": two(parts.tm_min)
    case "S": two(parts.tm_sec)
    case "e": pad(time.tv_nsec / 1_000_000, 3)
    case "f": pad(time.tv_nsec / 1000, 6)
    case "F": pad(time.tv_nsec, 9)
    case "p": half
    case "E": String(time.tv_sec)
    case "r": "\(two(hour12)):\(two(parts.tm_min)):\(two(parts.tm_sec)) \(half)"
    case "R": "\(two(parts.tm_hour)):\(two(parts.tm_min))"
    case "T", "X": clock
    case "z": zone
    default: ""
    }
  }

  private var day: String { Self.days[Int(parts.tm_wday)] }
  private var month: String { Self.months[Int(parts.tm_mon)] }
  private var clock: String { "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))" }
  private var half: String { parts.tm_hour < 12 ? "AM" : "PM" }
  private var hour12: Int32 { (parts.tm_hour + 11) % 12 + 1 }

  /// `+01:00`.
  private var zone: String {
    let minutes = parts.tm_gmtoff / 60
    let size = abs(minutes)
    return "\(minutes < 0 ? "-" : "+")\(pad(size / 60, 2)):\(pad(size % 60, 2))"
  }

  private func two(_ value: Int32) -> String { pad(Int(value), 2) }

  private func pad(_ value: Int, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}
