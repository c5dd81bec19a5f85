// Addresses in headers, and the list of them.
import Model
import Testing

@testable import DataPlane

@Suite struct AddressTextTests {
  private func parse(_ text: String) -> IPAddress? { Array(text.utf8).withView { AddressText.parse($0) } }

  private func written(_ address: IPAddress, mapped: Bool = false) -> String {
    let space = UnsafeMutablePointer<UInt8>.allocate(capacity: AddressText.maxLength)
    defer { space.deallocate() }
    return ByteView(UnsafePointer(space), AddressText.write(address, mapped: mapped, to: space)).string
  }

  @Test(arguments: [
    "0.0.0.0", "255.255.255.255", "1.20.3.100", "::", "::1", "2001:db8::1:0:0:1", "::ffff:1.2.3.4",
  ])
  func readAndWritten(_ text: String) throws {
    #expect(written(try #require(parse(text))) == text)
    #expect(parse(text) == IPAddress(text))
  }

  @Test(arguments: [
    "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "[::1]", "::1%1", ":::", "1.2.3.4:80",
    "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa",
  ])
  func noAddresses(_ text: String) { #expect(parse(text) == nil) }

  @Test func mapped() throws {
    #expect(written(try #require(parse("1.2.3.4")), mapped: true) == "::ffff:1.2.3.4")
    #expect(written(try #require(parse("::2")), mapped: true) == "::2")
  }

  @Test func listsAreReadFromTheEnd() {
    func last(_ list: String, _ skip: UInt32) -> ForwardedFor.Result {
      Array(list.utf8).withView { ForwardedFor.last(of: $0, skipping: skip) }
    }
    #expect(last("1.1.1.1", 0) == .init(address: IPAddress("1.1.1.1"), isSingle: true))
    #expect(last("1.1.1.1", 1) == .init())
    #expect(last("2.2.2.2, 1.1.1.1", 0) == .init(address: IPAddress("1.1.1.1")))
    #expect(last("2.2.2.2, 1.1.1.1", 1) == .init(address: IPAddress("2.2.2.2")))
    #expect(last("2.2.2.2,x", 0) == .init())
    #expect(last("", 0) == .init())
    #expect(last("1.1.1.1,", .max) == .init())
  }
}
