// The two names of a statistic: Envoy's dotted one (`cluster.a.upstream_rq_2xx`), and the one metric
// systems get, with what varies taken out into tags
// (`envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="a"}`).
//
// Envoy takes tags out of the finished text with regular expressions, and so tears a cluster
// name at its first dot (`svc.a` becomes cluster "svc", metric `..._a_...`). We know the parts
// before they are joined and keep the name whole; for names without dots both agree.

/// A statistic's names and tags.
public struct StatisticName: Sendable, Hashable {
  public struct Tag: Sendable, Hashable {
    public let name: String
    public let value: String
    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// Dotted, whole.
  public let text: String
  /// Dotted, without what became a tag.
  public let tagged: String
  /// In Envoy's order: the innermost part of the name first.
  public let tags: [Tag]

  /// Of parts that are whole; colons must not be in them.
  public init(text: String, tagged: String, tags: [Tag]) {
    self.text = text
    self.tagged = tagged
    self.tags = tags
  }

  /// - Parameters:
  ///   - root: `cluster`, `http`, `server`, ...; may be empty.
  ///   - owner: What the statistic belongs to, as a tag; its value is the name's second part.
  ///   - name: The rest; may hold further dots.
  public init(root: String, owner: Tag? = nil, name: String) {
    self.init(root: root, owner: owner, name: name) { _ in true }
  }

  /// `uses`: which of the tags are taken out of the name; what stays is not sanitised again.
  public init(root: String, owner: Tag? = nil, name: String, uses: (String) -> Bool) {
    let root = Self.sanitized(root)
    let name = Self.sanitized(name)
    let owner = owner.map { Tag($0.name, Self.sanitized($0.value)) }
    var tags: [Tag] = []
    var rest = Substring(name)
    if uses("envoy_worker_id"), let worker = Self.takeWorker(&rest) { tags.append(worker) }
    let takesManager = root == "listener" && uses("envoy_http_conn_manager_prefix")
    let manager = takesManager ? Self.takeConnectionManager(&rest) : nil
    var (stem, code) = Self.splitResponseCode(rest)
    if let found = code, !uses(found.name) { (stem, code) = (String(rest), nil) }
    if let code { tags.insert(code, at: 0) }
    if let manager { tags.append(manager) }
    let takesOwner = owner.map { uses($0.name) } ?? true
    if let owner, takesOwner { tags.append(owner) }

    let taggedRest = manager == nil ? stem : "http." + stem
    text = Self.joined(root, owner?.value ?? "", name)
    tagged = Self.joined(root, takesOwner ? "" : owner?.value ?? "", taggedRest)
    self.tags = tags
  }

  /// With dots between those that are not empty.
  private static func joined(_ first: String, _ second: String, _ third: String) -> String {
    var text = first
    for part in [second, third] where !part.isEmpty {
      if !text.isEmpty { text += "." }
      text += part
    }
    return text
  }

  /// The same with one more tag; `part` is taken out of the tagged name where it stands in it.
  public func adding(_ tag: Tag, without part: String) -> Self {
    var name = tagged
    if !part.isEmpty, let range = name.firstRange(of: part) { name.removeSubrange(range) }
    return Self(text: text, tagged: name, tags: tags + [tag])
  }

  /// The same with a tag whose value stands behind `label` in the name, and is taken out of it.
  /// `inside`: before the tag of the owner, as Envoy writes all of them but a route's.
  public func adding(_ tag: Tag, behind label: String, inside: Bool) -> Self {
    let tag = Tag(tag.name, Self.sanitized(tag.value))
    guard let range = tagged.firstRange(of: "\(label).\(tag.value).") else { return self }
    let owner = inside ? 1 : 0
    let tags = self.tags.dropLast(owner) + [tag] + self.tags.suffix(owner)
    var name = tagged
    name.replaceSubrange(range, with: "\(label).")
    return Self(text: text, tagged: name, tags: Array(tags))
  }

  /// As Envoy's `sanitizeStatsName`: colons would end the name in `name: value`, so that
  /// `127.0.0.1:80` is `127.0.0.1_80`, and `://` and `:/` are one underscore.
  private static func sanitized(_ value: String) -> String {
    // Nearly every name: the admin makes tens of thousands of them for one answer.
    guard value.utf8.contains(where: { $0 == UInt8(ascii: ":") || $0 == 0 }) else { return value }
    var out: [UInt8] = []
    var rest = Array(value.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: ":") || byte == 0 else {
        out.append(byte)
        continue
      }
      out.append(UInt8(ascii: "_"))
      guard byte == UInt8(ascii: ":") else { continue }
      rest = rest.dropFirst(min(2, rest.prefix { $0 == UInt8(ascii: "/") }.count))
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// `worker_3.watchdog_miss`: the number is a tag, `worker` stays.
  private static func takeWorker(_ rest: inout Substring) -> Tag? {
    guard rest.hasPrefix("worker_"), let dot = rest.firstIndex(of: ".") else { return nil }
    let number = rest[rest.index(rest.startIndex, offsetBy: 7)..<dot]
    guard !number.isEmpty, number.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
    let tag = Tag("envoy_worker_id", String(number))
    rest = "worker" + rest[dot...]
    return tag
  }

  /// `http.<stat prefix>.<statistic>` below a listener.
  private static func takeConnectionManager(_ rest: inout Substring) -> Tag? {
    guard rest.hasPrefix("http."), let end = rest.lastIndex(of: ".") else { return nil }
    let start = rest.index(rest.startIndex, offsetBy: 5)
    guard start < end else { return nil }
    let tag = Tag("envoy_http_conn_manager_prefix", String(rest[start..<end]))
    rest = rest[rest.index(after: end)...]
    return tag
  }

  /// `..._rq_2xx` and `..._rq_200`: class or code is a tag.
  private static func splitResponseCode(_ name: Substring) -> (stem: String, tag: Tag?) {
    let bytes = name.utf8
    func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
    guard bytes.suffix(7).starts(with: "_rq_".utf8), isDigit(bytes.suffix(3).first ?? 0)
    else { return (String(name), nil) }
    let last = name.suffix(3)
    if last.hasSuffix("xx") {
      return (name.dropLast(3) + "xx", Tag("envoy_response_code_class", String(last.prefix(1))))
    }
    guard last.utf8.allSatisfy(isDigit) else { return (String(name), nil) }
    return (String(name.dropLast(4)), Tag("envoy_response_code", String(last)))
  }
}
