// The known name nearest to a mistyped one.

enum Suggestion {
  /// Nil where nothing is near: more than a third of the letters would have to change, of the whole or of
  /// what follows its last dot (a long package says little of what was meant).
  static func nearest(to name: String, among known: [String]) -> String? {
    let wanted = Array(name.lowercased().utf8)
    // A hostile key may be long; nobody mistypes a name to four times its length.
    guard wanted.count <= 80 else { return nil }
    var best: (name: String, distance: Int)?
    for candidate in known {
      let distance = distance(wanted, Array(candidate.lowercased().utf8))
      if distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    guard let best, isNear(best.distance, wanted, Array(best.name.utf8)) else { return nil }
    let (left, right) = (last(wanted), last(Array(best.name.lowercased().utf8)))
    return isNear(distance(left, right), left, right) ? best.name : nil
  }

  private static func last(_ name: [UInt8]) -> [UInt8] {
    Array(name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).last ?? [])
  }

  private static func isNear(_ distance: Int, _ left: [UInt8], _ right: [UInt8]) -> Bool {
    distance <= max(1, min(left.count, right.count) / 3)
  }

  /// Levenshtein's distance, in one row.
  private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var row = Array(0...right.count)
    for (i, byte) in left.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, other) in right.enumerated() {
        let substituted = diagonal + (byte == other ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substituted, row[j] + 1, diagonal + 1)
      }
    }
    return row[right.count]
  }
}
