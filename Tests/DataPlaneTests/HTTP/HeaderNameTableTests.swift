// Interned names: the known ones under their numbers, more of them as configurations ask for more.
import Testing

@testable import DataPlane

@Suite struct HeaderNameTableTests {
  @Test func knownNames() {
    let names = HeaderNameTable()
    for (index, name) in HeaderID.wellKnown.enumerated() {
      #expect(names.find("\(name)").rawValue == UInt16(index + 1))
    }
    #expect(names.find("host") == .host)
    #expect(names.find("location") == .location)
    #expect(names.find("http2-settings") == .http2Settings)
    #expect(names.find("x-envoy-internal") == .xEnvoyInternal)
    #expect(names.find("x-envoy-decorator-operation") == .xEnvoyDecoratorOperation)
    #expect(names.find("hos") == .unknown)
    #expect(names.find("hostt") == .unknown)
    #expect(names.find("") == .unknown)
  }

  @Test func numbersNeverChangeAsTheTableGrows() {
    let names = HeaderNameTable()
    var given: [String: HeaderID] = [:]
    for index in 0..<20_000 {
      let name = "x-\(index)-" + String(repeating: "n", count: index % 40)
      given[name] = names.intern(bytes(name))
    }
    #expect(Set(given.values.map(\.rawValue)).count == 20_000)
    #expect(given.allSatisfy { names.find($0) == $1 && names.intern(bytes($0)) == $1 })
    #expect(names.find("host") == .host)
    #expect(names.intern(bytes("host")) == .host)
  }

  @Test func isFullAt65535() {
    let names = HeaderNameTable()
    var count = HeaderID.wellKnown.count
    while names.intern(bytes("n\(count)")) != nil { count += 1 }
    #expect(count == 65_535)
    #expect(names.find("n1000").rawValue == 1001)
    #expect(names.intern(bytes("n1000"))?.rawValue == 1001)
    #expect(names.find("one-more") == .unknown)
  }
}
