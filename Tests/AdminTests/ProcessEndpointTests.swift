// `/logging`, `/drain_listeners`, `/healthcheck`, `/reset_counters`, `/memory`, `/certs` and
// `/config_dump`; the texts were compared with Envoy 1.40's.
import Admin
import Testing

@Suite struct ProcessEndpointTests {
  let fixture = Fixture()

  private var calls: [String] { fixture.calls.withLock { $0 } }

  @Test(arguments: [
    "/logging", "/drain_listeners", "/healthcheck/fail", "/healthcheck/ok", "/reset_counters", "/reopen_logs",
  ])
  func postOnly(_ path: String) {
    #expect(fixture.respond("GET", path).status == 405)
    #expect(fixture.respond("POST", path).status == 200)
  }

  @Test func drains() {
    for query in ["", "?graceful", "?graceful&skip_exit", "?skip_exit", "?inboundonly&graceful"] {
      #expect(fixture.respond("POST", "/drain_listeners" + query).body == "OK\n")
    }
    #expect(
      calls == [
        "drain stop", "drain drainThenStop", "drain drain", "drain drain", "drain drainThenStop inbound",
      ])
    #expect(fixture.respond("POST", "/drain_listeners?nosuch").status == 400)
  }

  @Test func healthAndCounters() {
    for path in ["/healthcheck/fail", "/healthcheck/ok", "/reset_counters", "/reopen_logs"] {
      #expect(fixture.respond("POST", path).body == "OK\n")
    }
    #expect(calls == ["fail", "ok", "reset", "reopen"])
  }

  @Test func logLevels() {
    func post(_ query: String) -> AdminResponse { fixture.respond("POST", "/logging" + query) }
    #expect(post("").body == "active loggers:\n  http: info\n  main: info\n\n")
    #expect(post("?http=debug").body == "active loggers:\n  http: debug\n  main: info\n\n")
    #expect(post("?paths=http:info,main:debug").body == "active loggers:\n  http: info\n  main: debug\n\n")
    #expect(post("?level=debug").body == "active loggers:\n  http: debug\n  main: debug\n\n")
    #expect(post("?level=").status == 200)
    for (query, problem) in [
      ("?nosuch=info", "unknown logger name"), ("?level=loud", "unknown logger level"),
      ("?level=info&http=debug", "invalid number of parameters"),
      ("?paths=http", "expected <name>:<level>, found 'http'"),
    ] {
      let response = post(query)
      #expect(response.status == 400)
      #expect(response.body.hasPrefix("error: \(problem)\n\nusage: /logging?<name>=<level>"))
    }
  }

  @Test func constants() {
    #expect(fixture.get("/hot_restart_version") == "disabled")
    #expect(fixture.get("/certs") == "{\n \"certificates\": []\n}\n")
    #expect(
      fixture.get("/memory") == """
        {
         "allocated": "1",
         "heap_size": "3",
         "pageheap_free": "2",
         "total_physical_bytes": "4"
        }

        """)
  }

  @Test func configDump() {
    let whole = fixture.get("/config_dump")
    #expect(whole.contains(#""@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump""#))
    #expect(whole.contains(#""last_updated": "1994-11-06T08:49:37.005Z""#))
    #expect(whole.contains(#""static_clusters": ["#) && !whole.contains("static_listeners"))
    #expect(fixture.get("/config_dump?resource=static_listeners") == "{}\n")
    #expect(fixture.get("/config_dump?resource=dynamic_listeners") == "{}\n")
    #expect(fixture.respond("GET", "/config_dump?resource=nosuch").status == 404)
    #expect(fixture.respond("GET", "/config_dump?resource=bootstrap").status == 400)
    #expect(fixture.respond("GET", "/config_dump?name_regex=(").status == 400)
  }

  @Test func configDumpSelections() {
    let named = fixture.get("/config_dump?resource=static_clusters&name_regex=o.e")
    #expect(named.contains(#""name": "one""#) && !named.contains("other"))
    let masked = fixture.get("/config_dump?resource=static_clusters&mask=cluster.n")
    #expect(
      masked == """
        {
         "configs": [
          {
           "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster",
           "cluster": {
            "n": 1
           }
          }
         ]
        }

        """)
    let inList = fixture.get("/config_dump?mask=bootstrap.list.a,bootstrap.admin")
    #expect(inList.contains("\"a\": 1") && inList.contains("\"x\": 1") && !inList.contains("\"b\""))
    #expect(fixture.get("/config_dump?mask=nosuch") == "{}\n")
  }
}
