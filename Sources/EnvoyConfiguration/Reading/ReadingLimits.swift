// Bounds on what is read, so that no file, however made, can take the process down.

/// Limits of a reader, each with the reason for its number.
enum ReadingLimits {
  /// Bytes of a file. A route of a large table takes about 200 bytes, so this is a third of a
  /// million routes; the tree in memory is roughly ten times the text.
  static let fileSize = 64 << 20

  /// Levels of nesting. Envoy's deepest usual path has about 30 levels (bootstrap to a header
  /// matcher in a route); protobuf's own parsers stop at 100. Every later step recurses once
  /// per level, at well under 2 KiB of stack, so 100 levels fit the smallest thread stack.
  static let depth = 100

  /// Nodes after aliases are expanded: "a billion laughs" is refused while it is still a few
  /// shared arrays. Eight nodes a route make this a quarter of a million routes.
  static let nodes = 2_000_000
}
