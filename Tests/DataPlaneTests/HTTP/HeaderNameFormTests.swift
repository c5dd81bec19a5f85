// Names in proper case, and a head that is recorded in pieces.
import Testing

@testable import DataPlane

@Suite struct HeaderNameFormTests {
  @Test(arguments: [
    ("content-length", "Content-Length"), ("x_y.z", "X_Y.Z"), ("2a-b3c", "2a-B3c"), ("", ""), ("-", "-"),
    ("etag", "Etag"), ("a--b", "A--B"),
  ])
  func properCase(_ name: String, _ expected: String) {
    var bytes = Array(name.utf8)
    bytes.withUnsafeMutableBufferPointer { buffer in
      if let base = buffer.baseAddress { HeaderNameForm.capitalize(base, buffer.count) }
    }
    #expect(String(decoding: bytes, as: UTF8.self) == expected)
  }

  @Test(arguments: [
    ("HTTP/1.1 200 Fine Then\r\n", "Fine Then"), ("HTTP/1.1 200 \r\n", ""), ("HTTP/1.1 200\r\n", ""),
  ])
  func reasons(_ line: String, _ expected: String) {
    #expect(Array(line.utf8).withView { HeaderNameForm.reason(of: $0).string } == expected)
  }

  @Test func recordedInPieces() {
    let recorder = HeadRecorder(othersProper: false, keepsReason: true)
    var bytes = Array("HTTP/1.1 200 Yes\r\nX-aB: 1\r\n\r\n".utf8) + [UInt8](repeating: 0x41, count: 3000)
    let head = MessageHead()
    bytes.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      for count in stride(from: 1, through: buffer.count, by: 7) {
        recorder.record(base, count, limit: 2000)
        // As the parser does it.
        for index in 18..<22 where count > 22 { base[index] |= 0x20 }
      }
    }
    recorder.finish(head, length: 30)
    #expect(head.originalText.string.hasPrefix("HTTP/1.1 200 Yes\r\nX-aB: 1\r\n"))
    #expect(head.reason.string == "Yes")
    head.reset()
    #expect(head.originalText.count == 0 && head.reason.count == 0)
  }
}
