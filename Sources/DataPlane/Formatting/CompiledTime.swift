// A time format ready to be written.
import CMartletSystem
import Glibc
import Model

final class CompiledTime {
  private struct Part {
    var kind: UInt8  // 0 text, 1 strftime, 2 epoch, 3 fraction, 4 seconds, 5 subseconds, 6 offset
    var number: Int
    /// Text, or a specifier with the NUL that strftime wants.
    var text: OwnedText?
  }
  private let parts: [Part]
  private let isLocal: Bool

  init(_ format: TimeFormat) {
    isLocal = format.isLocal
    parts = format.parts.map { part in
      switch part {
      case .text(let text): Part(kind: 0, number: 0, text: OwnedText(text))
      case .specifier(let text): Part(kind: 1, number: 0, text: OwnedText(Array(text.utf8) + [0]))
      case .epochSeconds: Part(kind: 2, number: 0)
      case .fraction(let digits): Part(kind: 3, number: digits)
      case .seconds(let digits): Part(kind: 4, number: digits ?? -1)
      case .subseconds(let digits): Part(kind: 5, number: digits ?? -1)
      case .offset(let withSeconds): Part(kind: 6, number: withSeconds ? 1 : 0)
      }
    }
  }

  /// `nanoseconds` since 1970.
  func write(_ nanoseconds: Int64, clock: inout WallClock, to out: TextBuffer) {
    var seconds = nanoseconds / 1_000_000_000
    var fraction = nanoseconds % 1_000_000_000
    if fraction < 0 {
      fraction += 1_000_000_000
      seconds -= 1
    }
    var time = clock.brokenDown(seconds, isLocal: isLocal)
    if parts.isEmpty {
      CompiledTime.writeDefault(time, UInt64(fraction), isLocal: isLocal, to: out)
      return
    }
    for part in parts {
      switch part.kind {
      case 0: if let text = part.text { out.append(text.view) }
      case 1: strftime(part, &time, to: out)
      case 2: out.append(signed: seconds)
      case 3: out.append(padded: UInt64(fraction) / CompiledTime.power(9 - part.number), digits: part.number)
      case 4:
        out.append(padded: UInt64(time.tm_sec), digits: 2)
        writeFraction(UInt64(fraction), part.number, dot: true, to: out)
      case 5: writeFraction(UInt64(fraction), part.number, dot: false, to: out)
      default: CompiledTime.writeOffset(time.tm_gmtoff, withSeconds: part.number == 1, to: out)
      }
    }
  }

  /// `2026-01-31T12:00:00.000Z`; in local time with the offset for the Z.
  private static func writeDefault(_ time: tm, _ fraction: UInt64, isLocal: Bool, to out: TextBuffer) {
    out.append(padded: UInt64(time.tm_year + 1900), digits: 4)
    out.append(UInt8(ascii: "-"))
    out.append(padded: UInt64(time.tm_mon + 1), digits: 2)
    out.append(UInt8(ascii: "-"))
    out.append(padded: UInt64(time.tm_mday), digits: 2)
    out.append(UInt8(ascii: "T"))
    out.append(padded: UInt64(time.tm_hour), digits: 2)
    out.append(UInt8(ascii: ":"))
    out.append(padded: UInt64(time.tm_min), digits: 2)
    out.append(UInt8(ascii: ":"))
    out.append(padded: UInt64(time.tm_sec), digits: 2)
    out.append(UInt8(ascii: "."))
    out.append(padded: fraction / 1_000_000, digits: 3)
    if isLocal {
      writeOffset(time.tm_gmtoff, withSeconds: false, to: out)
    } else {
      out.append(UInt8(ascii: "Z"))
    }
  }

  private func strftime(_ part: Part, _ time: inout tm, to out: TextBuffer) {
    guard let text = part.text else { return }
    let room = 128
    let space = out.reserve(room)
    space.withMemoryRebound(to: CChar.self, capacity: room) { space in
      text.view.base.withMemoryRebound(to: CChar.self, capacity: text.view.count) { format in
        // glibc calls the zone GMT; UTC is what it is.
        if format[1] == 0x5a, format[2] == 0, !isLocal {
          out.append("UTC")
        } else {
          out.commit(Glibc.strftime(space, room, format, &time))
        }
      }
    }
  }

  private func writeFraction(_ fraction: UInt64, _ digits: Int, dot: Bool, to out: TextBuffer) {
    var digits = digits
    var value = fraction
    if digits < 0 {
      digits = 9
      while digits > 0, value % 10 == 0 {
        value /= 10
        digits -= 1
      }
      // `%E*f` writes one digit at least.
      if digits == 0, !dot { digits = 1 }
    } else {
      value /= CompiledTime.power(9 - digits)
    }
    if digits == 0 { return }
    if dot { out.append(UInt8(ascii: ".")) }
    out.append(padded: value, digits: digits)
  }

  private static func writeOffset(_ seconds: Int, withSeconds: Bool, to out: TextBuffer) {
    out.append(seconds < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+"))
    let magnitude = seconds.magnitude
    out.append(padded: UInt64(magnitude / 3600), digits: 2)
    out.append(UInt8(ascii: ":"))
    out.append(padded: UInt64(magnitude / 60 % 60), digits: 2)
    if withSeconds {
      out.append(UInt8(ascii: ":"))
      out.append(padded: UInt64(magnitude % 60), digits: 2)
    }
  }

  private static func power(_ exponent: Int) -> UInt64 {
    var result: UInt64 = 1
    for _ in 0..<exponent { result *= 10 }
    return result
  }
}
