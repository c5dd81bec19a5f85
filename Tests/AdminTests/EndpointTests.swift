// Which paths answer how; the texts were compared with Envoy 1.40's.
import Admin
import Testing

@Suite struct EndpointTests {
  let fixture = Fixture()

  @Test func ready() {
    #expect(fixture.respond("GET", "/ready") == AdminResponse(body: "LIVE\n"))
    #expect(fixture.respond("HEAD", "/ready?any=thing").status == 200)
    fixture.state.withLock { $0 = .draining }
    #expect(fixture.respond("GET", "/ready") == AdminResponse(status: 503, body: "DRAINING\n"))
    fixture.state.withLock { $0 = .preInitializing }
    #expect(fixture.get("/ready") == "PRE_INITIALIZING\n")
  }

  @Test func unknownPath() {
    let response = fixture.respond("GET", "/nope")
    #expect(response.status == 404)
    #expect(response.body.hasPrefix("invalid path. admin commands are:\n  /: Admin home page\n"))
    #expect(fixture.respond("GET", "").status == 404)
    #expect(fixture.respond("GET", "/stats/").status == 404)
  }

  @Test func help() {
    let help = fixture.get("/help")
    #expect(help.hasPrefix("admin commands are:\n"))
    #expect(help.contains("\n  /quitquitquit (POST): exit the server\n"))
    #expect(help.contains("\n      format: File format to use; One of (text, json)\n"))
    #expect(fixture.respond("GET", "/").contentType == .html)
    #expect(fixture.get("/").contains("<form action='/quitquitquit' method='post'>"))
  }

  @Test func quitIsPostOnly() {
    let refused = fixture.respond("GET", "/quitquitquit")
    #expect(refused.status == 405)
    #expect(refused.body == "Method GET not allowed, POST required.")
    #expect(refused.afterwards == .nothing)
    let accepted = fixture.respond("POST", "/quitquitquit")
    #expect(accepted.body == "OK\n")
    #expect(accepted.afterwards == .quit)
  }

  @Test func quitFromAnotherSiteIsRefused() {
    #expect(fixture.respond("POST", "/quitquitquit", origin: "http://evil").status == 403)
    #expect(fixture.respond("POST", "/quitquitquit", origin: "null").status == 403)
    #expect(fixture.respond("POST", "/quitquitquit", origin: "http://a:1").status == 200)
  }

  @Test(arguments: ["/stats?foo=1", "/listeners?filter=a", "/help?a", "/stats?format=html"])
  func unknownParameters(_ target: String) {
    #expect(fixture.respond("GET", target).status == 400)
  }

  @Test func serverInfo() {
    let response = fixture.respond("GET", "/server_info")
    #expect(response.contentType == .json)
    #expect(
      response.body == """
        {
         "version": "1",
         "state": "LIVE",
         "uptime_current_epoch": "1s",
         "uptime_all_epochs": "1s",
         "hot_restart_version": "disabled",
         "command_line_options": {
          "concurrency": 2
         },
         "node": {
          "id": "n\\"1",
          "cluster": "",
          "locality": {
           "region": "",
           "zone": "",
           "sub_zone": ""
          },
          "user_agent_name": "martlet",
          "user_agent_version": "1"
         }
        }

        """)
  }
}
