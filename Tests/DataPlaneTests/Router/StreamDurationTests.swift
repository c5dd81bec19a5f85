// How long a request may last: what a gRPC client grants, bounded by its route.
import Model
import Testing

@testable import DataPlane

@Suite struct StreamDurationTests {
  private func timeout(_ text: String) -> UInt64? {
    Array(text.utf8).withView { StreamDuration.grpcTimeout($0) }
  }

  @Test(
    arguments: [
      ("1H", 3_600_000_000_000), ("2M", 120_000_000_000), ("3S", 3_000_000_000), ("4m", 4_000_000),
      ("5u", 5_000), ("6n", 6),
      ("0m", 0), ("99999999S", 99_999_999_000_000_000), ("99999999H", 1 << 62),
    ] as [(String, UInt64)])
  func grpcTimeouts(_ text: String, _ expected: UInt64) { #expect(timeout(text) == expected) }

  @Test(arguments: ["", "S", "1", "1s", "-1S", "1.5S", "123456789S", " 1S"])
  func noTimeouts(_ text: String) { #expect(timeout(text) == nil) }

  private func duration(
    _ grpc: String?, limit: Duration? = nil, max: Duration? = nil, offset: Duration? = nil
  ) -> UInt64? {
    var model = RouteAction.StreamDuration()
    model.limit = limit
    model.grpcMaximum = max
    model.grpcOffset = offset
    let head = MessageHead()
    if let grpc {
      Array(grpc.utf8).withView { head.headers.add(.grpcTimeout, "grpc-timeout", value: $0) }
    }
    return StreamDuration(model).of(head, fallback: 7)
  }

  @Test func limits() {
    #expect(duration(nil) == 7)
    #expect(duration(nil, limit: .zero) == nil)
    #expect(duration(nil, limit: .nanoseconds(5)) == 5)
    #expect(duration("9n") == 7)
    #expect(duration("9n", max: .zero) == 9)
    #expect(duration("9n", max: .nanoseconds(3)) == 3)
    #expect(duration("9n", max: .zero, offset: .nanoseconds(4)) == 5)
    #expect(duration("9n", max: .zero, offset: .nanoseconds(9)) == 0)
    #expect(duration("x", limit: .nanoseconds(5), max: .zero) == 5)
  }

  @Test func upgrades() {
    let rules = UpgradeRules(["websocket": true, "other": false])
    func allows(_ type: String) -> Bool? { Array(type.utf8).withView { rules.allows($0) } }
    #expect(allows("WebSocket") == true)
    #expect(allows("other") == false)
    #expect(allows("websocke") == nil && allows("") == nil)
  }
}
