// Path templates and what they become.
import Testing

@testable import Model

@Suite struct PathTemplateTests {
  private static let segment = "[a-zA-Z0-9\\-._~%!$&'()*+,;:@=]+"
  private static let text = "[a-zA-Z0-9\\-._~%!$&'()*+,;:@=/]*"

  @Test(
    arguments: [
      ("/", "/", []), ("/a.b", "/a\\.b", []), ("/a/", "/a/", []), ("/*", "/\(segment)", []),
      ("/**", "/\(text)", []),
      ("/{x}", "/(\(segment))", ["x"]), ("/{x=**}/y", "/(\(text))/y", ["x"]),
      ("/{x=a/*}.b", "/(a/\(segment))\\.b", ["x"]),
      ("/p{a}s/{b}", "/p(\(segment))s/(\(segment))", ["a", "b"]), ("/*.m3u8", "/\(segment)\\.m3u8", []),
      ("/a*", "/a\\*", []),
    ] as [(String, String, [String])])
  func wellFormed(_ source: String, _ pattern: String, _ variables: [String]) throws {
    let template = try PathTemplate(source)
    #expect(template.pattern == pattern)
    #expect(template.variables == variables)
  }

  @Test(arguments: [
    "", "a", "//", "/a//b", "/**/*", "/**/{x}", "/{x=}", "/{=*}", "/{}", "/{1x}", "/{_x}",
    "/{abcdefghijklmnopq}",
    "/{a}/{b}/{c}/{d}/{e}/{f}", "/{a}/{a}", "/*a/", "/a b", "/a?b", "/é", "/{é}", "/{a=*b}", "/{a=/b}",
    "/{a=b/}", "/{a=b//c}",
    "/{a=*}{b=*}", "/{a=**}/*", "/a}b", "/{a", "/*{a}", "/{a-b}", "/a{f}{g}", "/{f}b{g}", "/a{f=*/*}",
    "/{a=**/*}",
  ]) func illFormed(_ source: String) {
    #expect(throws: PathTemplate.Problem.self) { try PathTemplate(source) }
  }

  @Test func rewrites() throws {
    let rewrite = try PathTemplateRewrite("/x{b}/{a}", variables: ["a", "b"])
    #expect(rewrite.pieces == [.literal("/x"), .group(2), .literal("/"), .group(1)])
    for source in ["{a}", "", "/{c}", "/{a=*}", "/a b", "/a?b", "//", "/a//{a}", "/{}", "/{a", "/a}", "/a#b"]
    {
      #expect(throws: PathTemplate.Problem.self, "\(source)") {
        try PathTemplateRewrite(source, variables: ["a"])
      }
    }
  }
}
