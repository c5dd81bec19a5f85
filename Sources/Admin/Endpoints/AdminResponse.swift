// An answer of the admin API, before it is HTTP.

/// Status, type and text; and what is to happen after it was sent.
public struct AdminResponse: Sendable, Hashable {
  public enum ContentType: String, Sendable {
    case text = "text/plain; charset=UTF-8"
    case html = "text/html; charset=UTF-8"
    case json = "application/json"
  }
  public enum Afterwards: Sendable { case nothing, quit }

  public var status: Int
  public var contentType: ContentType
  public var body: String
  public var afterwards = Afterwards.nothing

  public init(status: Int = 200, _ contentType: ContentType = .text, body: String) {
    self.status = status
    self.contentType = contentType
    self.body = body
  }

  static func badRequest(_ text: String) -> Self { Self(status: 400, body: text) }
}
