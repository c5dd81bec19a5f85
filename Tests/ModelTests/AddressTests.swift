// The text form of addresses, both ways, against the RFCs' own examples.
import Model
import Testing

@Suite struct AddressTests {
  @Test(arguments: [
    "0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "::1", "2001:db8::1",
    "2001:db8:0:1:1:1:1:1", "2001:db8::1:0:0:1", "::ffff:10.0.0.1", "fe80::1", "1::",
  ])
  func roundTrip(_ text: String) { #expect(IPAddress(text)?.description == text) }

  @Test(arguments: [
    "", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.0.0.1", "1.2.3.4 ", "localhost", ":",
    ":::", "1:2", "1::2::3", "12345::", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8:", "::1.2.3", "::g",
  ])
  func refused(_ text: String) { #expect(IPAddress(text) == nil) }

  @Test func prefixes() throws {
    let ten = AddressPrefix(address: try #require(IPAddress("10.1.2.3")), length: 8)
    #expect(ten.description == "10.0.0.0/8")
    #expect(ten.contains(try #require(IPAddress("10.255.0.1"))))
    #expect(!ten.contains(try #require(IPAddress("11.0.0.1"))))
    #expect(!ten.contains(try #require(IPAddress("::10.0.0.1"))))
    let v6 = AddressPrefix(address: try #require(IPAddress("2001:db8:1:2:3:4:5:6")), length: 96)
    #expect(v6.description == "2001:db8:1:2:3:4::/96")
    #expect(AddressPrefix(address: .anyV6, length: 0).contains(try #require(IPAddress("::1"))))
  }

  @Test func socketAddresses() throws {
    #expect(SocketAddress.ip(try #require(IPAddress("::1")), port: 80).description == "[::1]:80")
    #expect(SocketAddress.unixAbstract(name: "a").description == "@a")
  }
}
