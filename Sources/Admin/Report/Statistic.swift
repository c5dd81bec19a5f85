// One counter or gauge.

public struct Statistic: Sendable, Hashable {
  public enum Kind: Sendable { case counter, gauge }
  public typealias Tag = StatisticName.Tag

  public let id: StatisticName
  public let kind: Kind
  public var value: UInt64

  /// Dotted, whole.
  public var name: String { id.text }
  /// Dotted, without what became a tag.
  public var taggedName: String { id.tagged }
  public var tags: [Tag] { id.tags }

  public init(_ id: StatisticName, kind: Kind, value: UInt64) {
    self.id = id
    self.kind = kind
    self.value = value
  }

  /// See `StatisticName.init(root:owner:name:)`.
  public init(root: String, owner: Tag? = nil, name: String, kind: Kind, value: UInt64) {
    self.init(StatisticName(root: root, owner: owner, name: name), kind: kind, value: value)
  }
}
