// The rules of rate limits that a filter has itself: it hands them to the host, which checks them as it
// checks those of routes (`martlet.host.rate_limit/1`).

internal import Foundation
public import Model
internal import SwiftProtobuf

public struct FilterRateLimits {
  private let schemas = SchemaStore()
  private var outcome = RateLimitOutcome()

  /// Reads `messages`, each one `envoy.config.route.v3.RateLimit`, as JSON or in the wire format.
  public static func read(_ messages: [[UInt8]], isJSON: Bool) -> RateLimitOutcome {
    var reader = FilterRateLimits()
    for (index, bytes) in messages.enumerated() { reader.read(bytes, isJSON: isJSON, index) }
    return reader.outcome
  }

  private init() {}

  private static let typeName = "envoy.config.route.v3.RateLimit"

  private mutating func read(_ bytes: [UInt8], isJSON: Bool, _ index: Int) {
    // By way of JSON, so that there is one place that knows what is allowed.
    guard let json = isJSON ? bytes : Self.json(bytes) else {
      outcome.errors.append(FilterProblem(path: "[\(index)]", message: "is no \(Self.typeName)"))
      return
    }
    let node: ConfigurationNode
    switch json.withUnsafeBytes({ bytes in Self.tree(bytes) }) {
    case .success(let tree): node = tree
    case .failure(let failure):
      outcome.errors.append(FilterProblem(path: "[\(index)]", message: failure.message))
      return
    }
    let diagnostics = Diagnostics()
    diagnostics.files = [""]
    let root = Place(root: Location(at: SourcePosition(file: 0, line: 1)))
    let walker = SchemaWalker(store: schemas, diagnostics: diagnostics, allowsUnknownFields: false)
    let wire = walker.message(node, schemas.required(Self.typeName), at: root).bytes
    PresenceCheck(store: schemas, diagnostics: diagnostics).check(root)
    if let message = try? Envoy_Config_Route_V3_RateLimit(serializedBytes: wire) {
      let conversion = Conversion(diagnostics: diagnostics, readsFiles: false)
      if let rule = conversion.filterRateLimit(message, at: root) { outcome.rules.append(rule) }
    }
    for finding in diagnostics.sorted {
      let path = finding.path.isEmpty ? "[\(index)]" : "[\(index)].\(finding.path)"
      let problem = FilterProblem(path: path, message: finding.message)
      if finding.severity == .error {
        outcome.errors.append(problem)
      } else {
        outcome.warnings.append(problem)
      }
    }
  }

  private static func tree(
    _ bytes: UnsafeRawBufferPointer
  ) -> Result<ConfigurationNode, YAMLReader.Failure> {
    do throws(YAMLReader.Failure) { return .success(try JSONReader.read(bytes, file: 0)) } catch {
      return .failure(error)
    }
  }

  private static func json(_ bytes: [UInt8]) -> [UInt8]? {
    guard let message = try? Envoy_Config_Route_V3_RateLimit(serializedBytes: bytes),
      let data = try? message.jsonUTF8Bytes() as [UInt8]
    else { return nil }
    return data
  }
}
