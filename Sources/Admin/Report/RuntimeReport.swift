// What `/runtime` shows: the layers, and what each says under each key.

public struct RuntimeReport: Sendable, Hashable {
  public struct Entry: Sendable, Hashable {
    public let key: String
    /// In the order of the layers; empty where a layer says nothing.
    public let layerValues: [String]
    public let finalValue: String
    public init(key: String, layerValues: [String], finalValue: String) {
      self.key = key
      self.layerValues = layerValues
      self.finalValue = finalValue
    }
  }
  /// Names, in order.
  public let layers: [String]
  public let entries: [Entry]
  public init(layers: [String], entries: [Entry]) {
    self.layers = layers
    self.entries = entries
  }
}
