// The tables stand in Tests/Integration/test_path_normalization.py, where Envoy is asked as well;
// here are the borders: capacities, single bytes, and the answer "nothing to do".
import Testing

@testable import DataPlane

@Suite struct PathNormalizationTests {
  private func made(_ path: String, _ body: (ByteView, UnsafeMutablePointer<UInt8>) -> Int?) -> String? {
    let bytes = Array(path.utf8)
    let space = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count * 3 + 1)
    defer { space.deallocate() }
    return bytes.withView { view in
      body(view, space).map { ByteView(UnsafePointer(space), $0).string }
    }
  }

  @Test(arguments: [
    ("/", "/"), ("/.", "/"), ("/..", "/"), ("/a/../..", "/"), ("/%2e%2E/a", "/a"), ("/a/.%2e;x/b", "/b"),
    ("/|", "/%7C"), ("/\\", "//"), ("/%2", "/%2"), ("/%41", "/A"), ("/%2F", "/%2F"),
  ])
  func normalForms(_ path: String, _ expected: String) {
    #expect(made(path) { PathNormalization.normalize($0, to: $1) } == expected)
  }

  @Test func aNulHasNoForm() {
    #expect(made("/a%00") { PathNormalization.normalize($0, to: $1) } == nil)
  }

  @Test(arguments: [
    ("/a/b.c/d-e_f~g", true), ("/a//b", true), ("/.a", false), ("/%41", false), ("/\\", false),
    ("/a|", false),
  ])
  func whatIsNormal(_ path: String, _ expected: Bool) {
    #expect(Array(path.utf8).withView { PathNormalization.isNormal($0) } == expected)
  }

  @Test func nothingToDoIsSaidSo() {
    #expect(made("/a/b") { PathNormalization.mergeSlashes($0, to: $1) } == nil)
    #expect(made("/a%2e%2") { PathNormalization.unescapeSlashes($0, to: $1) } == nil)
    #expect(made("///") { PathNormalization.mergeSlashes($0, to: $1) } == "//")
    #expect(made("/%2f%5C%") { PathNormalization.unescapeSlashes($0, to: $1) } == "//\\%")
  }
}
