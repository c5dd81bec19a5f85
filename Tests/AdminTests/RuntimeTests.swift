// `/runtime` and `/runtime_modify`.
import Admin
import Testing

@Suite struct RuntimeTests {
  @Test func shows() {
    #expect(
      Fixture().get("/runtime") == """
        {
         "layers": [
          "base",
          "admin"
         ],
         "entries": {
          "a.b": {
           "layer_values": [
            "1",
            "2"
           ],
           "final_value": "2"
          }
         }
        }

        """)
  }

  @Test func modifies() {
    let fixture = Fixture()
    let answer = fixture.respond("POST", "/runtime_modify?a.b=3&c%20d=&e")
    #expect(answer.status == 200 && answer.body == "OK\n")
    #expect(fixture.changes.withLock { $0 } == ["a.b=3", "c d=", "e="])
  }

  @Test func refuses() {
    let fixture = Fixture()
    #expect(fixture.respond("GET", "/runtime_modify?a=1").status == 405)
    #expect(fixture.respond("POST", "/runtime_modify").status == 400)
    #expect(fixture.respond("POST", "/runtime_modify?a=1", origin: "http://evil").status == 403)
    #expect(fixture.changes.withLock { $0 } == [])
    #expect(fixture.respond("GET", "/runtime?a=1").status == 400)
    fixture.hasAdminLayer.withLock { $0 = false }
    #expect(fixture.respond("POST", "/runtime_modify?a=1").status == 503)
  }
}
