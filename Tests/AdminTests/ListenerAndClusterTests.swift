// `/listeners` and `/clusters`, both formats.
import Admin
import Testing

@Suite struct ListenerAndClusterTests {
  let fixture = Fixture()

  @Test func listenersText() {
    #expect(fixture.get("/listeners") == "web::127.0.0.1:80\nweb::[::1]:81\nu::/a\n")
  }

  @Test func listenersJSON() {
    #expect(
      fixture.get("/listeners?format=json") == """
        {
         "listener_statuses": [
          {
           "name": "web",
           "local_address": {
            "socket_address": {
             "address": "127.0.0.1",
             "port_value": 80
            }
           },
           "additional_local_addresses": [
            {
             "socket_address": {
              "address": "::1",
              "port_value": 81
             }
            }
           ]
          },
          {
           "name": "u",
           "local_address": {
            "pipe": {
             "path": "/a"
            }
           }
          }
         ]
        }

        """)
  }

  @Test func clustersText() {
    let lines = fixture.get("/clusters").split(separator: "\n")
    #expect(lines.first == "svc.a::observability_name::svc.a")
    #expect(lines.contains("svc.a::127.0.0.1:80::cx_active::2"))
    #expect(lines.contains("svc.a::127.0.0.1:80::hostname::hh"))
    #expect(lines.contains("svc.a::127.0.0.1:80::weight::3"))
    #expect(lines.last == "svc.a::127.0.0.1:80::local_origin_success_rate::-1")
  }

  @Test func clustersFilter() {
    #expect(fixture.get("/clusters?filter=zz").isEmpty)
    #expect(!fixture.get("/clusters?filter=%5Esvc%5C.").isEmpty)
    #expect(fixture.respond("GET", "/clusters?filter=(").status == 400)
  }

  @Test func clustersJSON() {
    let body = fixture.get("/clusters?format=json")
    // Counters first and without their default type, zero values left out, as Envoy prints them.
    #expect(
      body.contains(
        """
             "stats": [
              {
               "name": "cx_total"
              },
              {
               "type": "GAUGE",
               "value": "2",
               "name": "cx_active"
              }
             ],
        """))
    #expect(fixture.respond("GET", "/clusters?format=xml").status == 400)
  }
}
