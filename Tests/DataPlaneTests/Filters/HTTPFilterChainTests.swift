// Chains of HTTP filters as C function tables, with a client and an upstream on sockets: who is
// asked and when, stopping and going on, holding, changing heads and bodies, answering, and ending.
import CMartletABI
import Testing

@testable import DataPlane

private let get = "GET /a HTTP/1.1\r\nHost: h\r\nX-One: 1\r\n\r\n"
private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite struct HTTPFilterChainTests {
  @Test func everyoneInTurn() throws {
    let bench = try HTTPBench()
    let filters = [bench.probe("a"), bench.probe("b")]
    bench.run(
      filters,
      [
        bench.sends(get), bench.upstreamHas("\r\n\r\n"), bench.upstreamAnswers(ok),
        bench.clientHas("\r\n\r\nok"),
      ])
    #expect(
      bench.log.calls == [
        "a.create", "b.create", "a.request.", "b.request.", "b.response", "a.response", "b.answer",
        "a.answer",
        "b.answer.", "a.answer.", "a.complete", "b.complete", "a.destroy", "b.destroy",
      ])
    #expect(filters.map(\.results) == [[MARTLET_STREAM_COMPLETE], [MARTLET_STREAM_COMPLETE]])
  }

  @Test func keptConnectionsGetNewFiltersEachTime() throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a", hooks: .heads)
    var handles: Set<martlet_handle> = []
    filter.created = { handles.insert(filter.handle) }
    bench.run(
      [filter],
      [
        bench.sends("GET /direct HTTP/1.1\r\nHost: h\r\n\r\n"), bench.clientHas("direct"),
        step("stale") {
          #expect(filter.reset() == MARTLET_E_GONE)
          #expect(filter.get(MARTLET_REQUEST_HEADERS, ":path") == nil)
        },
        bench.sends("GET /direct2 HTTP/1.1\r\nHost: h\r\n\r\n"),
        until("both") {
          bench.client.read(); return bench.client.text.split(separator: "direct").count == 2
        },
      ])
    #expect(handles.count == 2)
    #expect(filter.results.count == 2)
  }

  // MARK: Heads

  @Test func headersAreReadAndChanged() throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a")
    filter.requestHeaders = { _ in
      let map = MARTLET_REQUEST_HEADERS
      #expect(filter.get(map, ":method") == "GET")
      #expect(filter.get(map, ":path") == "/a")
      #expect(filter.get(map, ":authority") == "h")
      #expect(filter.get(map, "host") == "h")
      #expect(filter.get(map, ":scheme") == "http")
      #expect(filter.get(map, "x-one") == "1")
      #expect(filter.get(map, "x-one", 1) == nil)
      #expect(filter.get(map, "x-two") == nil)
      #expect(filter.fields(map) == ["x-one: 1", "x-forwarded-proto: http"])
      #expect(filter.add(map, "x-one", "2") == MARTLET_OK)
      #expect(filter.get(map, "x-one", 1) == "2")
      #expect(filter.set(map, "x-one", "3") == MARTLET_OK)
      #expect(filter.fields(map) == ["x-one: 3", "x-forwarded-proto: http"])
      #expect(filter.add(map, "x-none", "") == MARTLET_OK)
      #expect(filter.remove(map, "x-none") == MARTLET_OK)
      #expect(filter.remove(map, "x-none") == MARTLET_E_NOT_FOUND)
      #expect(filter.set(map, ":path", "/b?c") == MARTLET_OK)
      #expect(filter.set(map, ":authority", "other:80") == MARTLET_OK)
      #expect(filter.set(map, ":method", "DELETE") == MARTLET_OK)
      #expect(filter.get(MARTLET_RESPONSE_HEADERS, ":status") == nil)
      return MARTLET_CONTINUE
    }
    filter.responseHeaders = { _ in
      #expect(filter.get(MARTLET_RESPONSE_HEADERS, ":status") == "200")
      #expect(filter.set(MARTLET_RESPONSE_HEADERS, ":status", "503") == MARTLET_OK)
      #expect(filter.set(MARTLET_REQUEST_HEADERS, "x-late", "") == MARTLET_E_STATE)
      #expect(filter.get(MARTLET_REQUEST_HEADERS, "x-one") == "3")
      return MARTLET_CONTINUE
    }
    filter.completed = {
      #expect(filter.get(MARTLET_REQUEST_HEADERS, "x-one") == "3")
      #expect(filter.get(MARTLET_RESPONSE_HEADERS, ":status") == "503")
      #expect(filter.set(MARTLET_RESPONSE_HEADERS, "x-late", "") == MARTLET_E_STATE)
      #expect(filter.reply(200) == MARTLET_E_STATE)
    }
    bench.run(
      [filter],
      [
        bench.sends(get), bench.upstreamHas("\r\n\r\n"), bench.upstreamAnswers(ok),
        bench.clientHas("\r\n\r\nok"),
      ])
    let sent = bench.upstream?.text ?? ""
    #expect(sent.hasPrefix("DELETE /b?c HTTP/1.1\r\nhost: other:80\r\n"))
    #expect(sent.contains("\r\nx-one: 3\r\n"))
    #expect(bench.client.text.hasPrefix("HTTP/1.1 503 "))
  }

  @Test(arguments: [
    ("X-Upper", "v"), ("", "v"), ("a b", "v"), ("x:y", "v"), ("x", "a\r\nb: c"), ("x", "a\0"),
    ("transfer-encoding", "chunked"), ("connection", "close"), ("upgrade", "x"), ("content-length", "1x"),
    (":path", "b"), (":path", "/ b"), (":path", ""), (":authority", "a b"), (":authority", ""),
    (":method", "GE T"), (":method", ""), (":scheme", "ftp"), (":status", "200"), (":other", "x"),
  ])
  func whatMayNotBeSet(_ name: String, _ value: String) throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a", hooks: .heads)
    filter.requestHeaders = { _ in
      #expect(filter.set(MARTLET_REQUEST_HEADERS, name, value) == MARTLET_E_ARGUMENT)
      if !name.hasPrefix(":") {
        #expect(filter.add(MARTLET_REQUEST_HEADERS, name, value) == MARTLET_E_ARGUMENT)
        #expect(
          filter.reply(200, "", [(name, value)]) == MARTLET_E_ARGUMENT || name == "connection"
            || name == "upgrade")
      }
      return MARTLET_CONTINUE
    }
    bench.run(
      [filter],
      [
        bench.sends("GET /direct HTTP/1.1\r\nHost: h\r\n\r\n"),
        until("closed") {
          bench.client.read(); return bench.client.text.hasPrefix("HTTP/1.1 200 ")
        },
      ])
  }

  @Test func theRouteIsChosenInFrontOfTheFilters() throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a", hooks: .heads)
    filter.requestHeaders = { _ in
      filter.set(MARTLET_REQUEST_HEADERS, ":path", "/direct")
      return MARTLET_CONTINUE
    }
    bench.run(
      [filter],
      [bench.sends(get), bench.upstreamHas("\r\n\r\n"), bench.upstreamAnswers(ok), bench.clientHas("ok")])
  }

  @Test func theRouteIsChosenAgain() throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a", hooks: .heads)
    filter.requestHeaders = { _ in
      filter.set(MARTLET_REQUEST_HEADERS, ":path", "/direct")
      #expect(filter.host.pointee.clear_route(filter.handle) == MARTLET_OK)
      return MARTLET_CONTINUE
    }
    bench.run([filter], [bench.sends(get), bench.clientHas("\r\n\r\ndirect")])
  }

  // MARK: Stopping

  @Test(arguments: [MARTLET_STOP, MARTLET_STOP_SLOW, MARTLET_STOP_ALL, MARTLET_STOP_ALL_SLOW])
  func aStoppedRequestWaits(_ status: martlet_filter_status) throws {
    let bench = try HTTPBench()
    let first = bench.probe("a", hooks: .heads)
    let second = bench.probe("b")
    first.requestHeaders = { _ in
      first.setTimer(20)
      return status
    }
    first.timer = { #expect(first.goOn(MARTLET_REQUEST) == MARTLET_OK) }
    bench.run(
      [first, second],
      [
        bench.sends("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"),
        pause(milliseconds: 10), step("not yet") { #expect(!bench.log.calls.contains("b.request")) },
        bench.upstreamHas("\r\n\r\nbody"), bench.upstreamAnswers(ok), bench.clientHas("ok"),
      ])
    #expect(
      Array(bench.log.calls.filter { $0.hasPrefix("b.") }.prefix(4)) == [
        "b.create", "b.request", "b.body.", "b.response",
      ])
    #expect(bench.upstream?.text.contains("content-length: 4\r\n") == true)
  }

  @Test func aBodyHookSeesWhatItHasHeld() throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a")
    var seen: [String] = []
    filter.requestHeaders = { _ in MARTLET_STOP }
    filter.requestBody = { end in
      seen.append(filter.body(MARTLET_REQUEST))
      return end ? MARTLET_CONTINUE : MARTLET_STOP
    }
    bench.run(
      [filter],
      [
        bench.sends("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc"), pause(milliseconds: 5),
        bench.sends("def"), bench.upstreamHas("\r\n\r\nabcdef"), bench.upstreamAnswers(ok),
        bench.clientHas("ok"),
      ])
    #expect(seen == ["abc", "abcdef", "abcdef"])
  }

  @Test func underStopAllNoHookIsCalledUntilItGoesOn() throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a")
    filter.requestHeaders = { _ in
      filter.setTimer(20)
      return MARTLET_STOP_ALL
    }
    filter.timer = {
      #expect(!bench.log.calls.contains("a.body"))
      filter.goOn(MARTLET_REQUEST)
    }
    var seen = ""
    filter.requestBody = { _ in
      seen = filter.body(MARTLET_REQUEST)
      return MARTLET_CONTINUE
    }
    bench.run(
      [filter],
      [
        bench.sends(
          "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n"),
        bench.upstreamHas("3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n"), bench.upstreamAnswers(ok),
        bench.clientHas("ok"),
      ])
    #expect(seen == "abc")
    #expect(bench.log.calls.contains("a.trailers"))
  }

  @Test func twoFiltersMayHoldAtOnce() throws {
    let bench = try HTTPBench()
    let first = bench.probe("a")
    let second = bench.probe("b")
    second.requestHeaders = { _ in
      second.setTimer(30)
      return MARTLET_STOP_ALL
    }
    second.timer = { second.goOn(MARTLET_REQUEST) }
    first.requestBody = { end in end ? MARTLET_CONTINUE : MARTLET_STOP }
    bench.run(
      [first, second],
      [
        bench.sends("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc"), pause(milliseconds: 5),
        bench.sends("def"), bench.upstreamHas("\r\n\r\nabcdef"), bench.upstreamAnswers(ok),
        bench.clientHas("ok"),
      ])
  }

  @Test func aStoppedResponseWaits() throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a", hooks: .heads)
    filter.responseHeaders = { _ in
      filter.setTimer(20)
      return MARTLET_STOP
    }
    filter.timer = { filter.goOn(MARTLET_RESPONSE) }
    bench.run(
      [filter],
      [
        bench.sends(get), bench.upstreamHas("\r\n\r\n"), bench.upstreamAnswers(ok), pause(milliseconds: 10),
        step("not yet") {
          bench.client.read(); #expect(bench.client.text == "")
        }, bench.clientHas("\r\n\r\nok"),
      ])
  }

  @Test func trailersEndTheBodyOfAFilterWithoutAHookForThem() throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a", hooks: .noTrailers)
    filter.requestBody = { end in end ? MARTLET_CONTINUE : MARTLET_STOP }
    bench.run(
      [filter],
      [
        bench.sends(
          "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n"),
        bench.upstreamHas("3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n"), bench.upstreamAnswers(ok),
        bench.clientHas("ok"),
      ])
  }

  @Test func trailersAreChanged() throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a")
    filter.requestTrailers = {
      #expect(filter.fields(MARTLET_REQUEST_TRAILERS) == ["x-t: 1"])
      #expect(filter.set(MARTLET_REQUEST_TRAILERS, "x-t", "2") == MARTLET_OK)
      return MARTLET_CONTINUE
    }
    filter.responseTrailers = {
      #expect(filter.add(MARTLET_RESPONSE_TRAILERS, "x-u", "3") == MARTLET_OK)
      return MARTLET_CONTINUE
    }
    bench.run(
      [filter],
      [
        bench.sends("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx-t: 1\r\n\r\n"),
        bench.upstreamHas("0\r\nx-t: 2\r\n\r\n"),
        bench.upstreamAnswers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx-v: 4\r\n\r\n"),
        bench.clientHas("0\r\nx-v: 4\r\nx-u: 3\r\n\r\n"),
      ])
  }

  // MARK: Bodies

  @Test func aHeldBodyMayBeReplacedAndItsLengthFollows() throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a")
    filter.requestHeaders = { _ in MARTLET_STOP }
    filter.requestBody = { end in
      guard end else { return MARTLET_STOP }
      #expect(filter.drain(MARTLET_REQUEST, 5) == MARTLET_E_ARGUMENT)
      #expect(filter.drain(MARTLET_REQUEST, 4) == MARTLET_OK)
      #expect(filter.append(MARTLET_REQUEST, "another body") == MARTLET_OK)
      return MARTLET_CONTINUE
    }
    filter.responseHeaders = { _ in MARTLET_STOP }
    filter.responseBody = { end in
      if end { filter.drain(MARTLET_RESPONSE, 2) }
      return end ? MARTLET_CONTINUE : MARTLET_STOP
    }
    bench.run(
      [filter],
      [
        bench.sends("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"),
        bench.upstreamHas("\r\n\r\nanother body"), bench.upstreamAnswers(ok), bench.clientHas("\r\n\r\n"),
      ])
    #expect(bench.upstream?.text.contains("content-length: 12\r\n") == true)
    #expect(bench.client.text.contains("content-length: 0\r\n"))
  }

  @Test func aMessageWithoutABodyMayBeGivenOne() throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a", hooks: .heads)
    filter.requestHeaders = { _ in
      #expect(filter.append(MARTLET_REQUEST, "made") == MARTLET_OK)
      return MARTLET_CONTINUE
    }
    filter.responseHeaders = { _ in
      #expect(filter.append(MARTLET_REQUEST, "late") == MARTLET_E_STATE)
      return MARTLET_CONTINUE
    }
    bench.run(
      [filter],
      [bench.sends(get), bench.upstreamHas("\r\n\r\nmade"), bench.upstreamAnswers(ok), bench.clientHas("ok")])
    #expect(bench.upstream?.text.contains("content-length: 4\r\n") == true)
  }

  @Test func aChangedBodyBehindItsHeadIsFramedWithoutALength() throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a")
    filter.responseHeaders = { _ in
      #expect(filter.remove(MARTLET_RESPONSE_HEADERS, "content-length") == MARTLET_OK)
      return MARTLET_CONTINUE
    }
    filter.responseBody = { end in
      if end { filter.append(MARTLET_RESPONSE, "!") }
      return MARTLET_CONTINUE
    }
    bench.run(
      [filter],
      [
        bench.sends(get), bench.upstreamHas("\r\n\r\n"), bench.upstreamAnswers(ok),
        bench.clientHas("2\r\nok\r\n1\r\n!\r\n0\r\n\r\n"),
      ])
  }

  @Test func aBodyThatOutgrowsItsAnnouncedLengthIsBrokenOff() throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a")
    filter.responseBody = { end in
      if end { filter.append(MARTLET_RESPONSE, "HTTP/1.1 200 OK\r\n\r\n") }
      return MARTLET_CONTINUE
    }
    bench.run(
      [filter],
      [
        bench.sends(get), bench.upstreamHas("\r\n\r\n"), bench.upstreamAnswers(ok),
        until("closed") { bench.isClosed },
      ])
    bench.client.read()
    #expect(!bench.client.text.contains("okHTTP"))
    #expect(filter.results == [MARTLET_STREAM_RESET])
  }

  // MARK: Limits

  @Test func tooMuchHeldOfARequestIs413() throws {
    let bench = try HTTPBench(bufferLimit: 1000)
    let filter = bench.probe("a")
    filter.requestBody = { _ in MARTLET_STOP }
    bench.run(
      [filter],
      [
        bench.sends(
          "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\n\r\n" + String(repeating: "x", count: 1500)),
        bench.clientHas("Payload Too Large"),
      ])
    #expect(bench.log.calls.contains("a.response"))
  }

  @Test func tooMuchHeldOfAResponseIs500() throws {
    let bench = try HTTPBench(bufferLimit: 1000)
    let filter = bench.probe("a")
    filter.responseHeaders = { _ in MARTLET_STOP }
    filter.responseBody = { _ in MARTLET_STOP }
    bench.run(
      [filter],
      [
        bench.sends(get), bench.upstreamHas("\r\n\r\n"),
        bench.upstreamAnswers(
          "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + String(repeating: "x", count: 2000)),
        bench.clientHas("Internal Server Error"),
      ])
    #expect(bench.client.text.hasPrefix("HTTP/1.1 500 "))
  }

  @Test func aSlowFilterSlowsTheClientDown() throws {
    let bench = try HTTPBench(bufferLimit: 1000)
    let filter = bench.probe("a")
    filter.requestHeaders = { _ in
      filter.setTimer(30)
      return MARTLET_STOP_ALL_SLOW
    }
    filter.timer = {
      var size = 0
      _ = filter.host.pointee.body_size(filter.handle, MARTLET_REQUEST, &size)
      #expect(size > 1000 && size < 100_000)
      filter.goOn(MARTLET_REQUEST)
    }
    let body = String(repeating: "x", count: 200_000)
    var left = Array("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n\(body)".utf8)
    bench.run(
      [filter],
      [
        until("all sent") {
          left.removeFirst(bench.client.write(left))
          _ = bench.upstreamHas("x").isDone()
          return left.isEmpty
        },
        until("all there") {
          _ = bench.upstreamHas("x").isDone()
          return (bench.upstream?.received.count ?? 0) > 200_000
        },
        bench.upstreamAnswers(ok), bench.clientHas("ok"),
      ])
  }

  // MARK: Answers

  @Test func aFilterAnswers() throws {
    let bench = try HTTPBench()
    let first = bench.probe("a")
    let second = bench.probe("b")
    let third = bench.probe("c")
    second.requestHeaders = { _ in
      #expect(
        second.reply(429, "slow down", [("retry-after", "1"), ("content-type", "text/x")]) == MARTLET_OK)
      #expect(second.reply(200) == MARTLET_E_STATE)
      return MARTLET_CONTINUE
    }
    first.responseHeaders = { _ in
      first.set(MARTLET_RESPONSE_HEADERS, "x-seen", first.get(MARTLET_RESPONSE_HEADERS, ":status") ?? "")
      return MARTLET_CONTINUE
    }
    bench.run([first, second, third], [bench.sends(get), bench.clientHas("\r\n\r\nslow down")])
    let head = bench.client.text
    #expect(head.hasPrefix("HTTP/1.1 429 Too Many Requests\r\n"))
    for field in ["retry-after: 1", "content-type: text/x", "content-length: 9", "x-seen: 429"] {
      #expect(head.contains("\r\n\(field)\r\n"))
    }
    #expect(!bench.log.calls.contains("c.request."))
    #expect(bench.log.calls.contains("c.response"))
    #expect(first.results == [MARTLET_STREAM_COMPLETE])
  }

  @Test func aFilterAnswersFromEachHook() throws {
    for hook in ["request", "body", "trailers", "timer", "response", "answer", "ending"] {
      let bench = try HTTPBench()
      let filter = bench.probe("a")
      let answer: () -> martlet_filter_status = {
        filter.reply(418, "from \(hook)")
        return MARTLET_CONTINUE
      }
      switch hook {
      case "request": filter.requestHeaders = { _ in answer() }
      case "body": filter.requestBody = { _ in answer() }
      case "trailers": filter.requestTrailers = answer
      case "timer":
        filter.requestHeaders = { _ in
          filter.setTimer(1)
          return MARTLET_STOP_ALL
        }
        filter.timer = { _ = answer() }
      case "response": filter.responseHeaders = { _ in answer() }
      case "answer":
        filter.responseHeaders = { _ in MARTLET_STOP }
        filter.responseBody = { _ in answer() }
      default:
        filter.responseHeaders = { _ in MARTLET_STOP }
        filter.responseBody = { _ in MARTLET_STOP }
        filter.responseTrailers = answer
      }
      let early = ["request", "timer"].contains(hook)
      bench.run(
        [filter],
        [
          bench.sends(
            "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-t: 1\r\n\r\n")
        ]
          + (early || hook == "body" || hook == "trailers"
            ? []
            : [
              bench.upstreamHas("x-t: 1\r\n\r\n"),
              bench.upstreamAnswers(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-v: 4\r\n\r\n"),
            ]) + [bench.clientHas("from \(hook)")])
      #expect(bench.client.text.hasPrefix("HTTP/1.1 418 "), "\(hook)")
      #expect(filter.results == [MARTLET_STREAM_COMPLETE], "\(hook)")
    }
  }

  @Test func anAnswerBehindAHeadThatIsOutBreaksTheStreamOff() throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a")
    filter.responseBody = { _ in
      filter.reply(500)
      return MARTLET_STOP
    }
    bench.run(
      [filter],
      [
        bench.sends(get), bench.upstreamHas("\r\n\r\n"), bench.upstreamAnswers(ok),
        until("closed") { bench.isClosed },
      ])
    #expect(filter.results == [MARTLET_STREAM_RESET])
  }

  @Test func aFilterThatRefusesAStreamIs500() throws {
    let bench = try HTTPBench()
    let first = bench.probe("a")
    let second = bench.probe("b")
    second.refuses = true
    second.created = {
      #expect(second.reply(200) == MARTLET_E_STATE)
      #expect(second.reset() == MARTLET_E_STATE)
    }
    bench.run(
      [first, second],
      [
        bench.sends(get),
        until("500") {
          bench.client.read(); return bench.client.text.hasPrefix("HTTP/1.1 500 ")
        },
      ])
    #expect(!bench.log.calls.contains("a.request."))
    #expect(first.results == [MARTLET_STREAM_COMPLETE])
    #expect(second.results == [])
  }

  @Test func theRoutersAnswersPassTheFilters() throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a")
    filter.responseHeaders = { _ in
      filter.set(MARTLET_RESPONSE_HEADERS, "x-filtered", "yes")
      return MARTLET_CONTINUE
    }
    // The upstream accepts and never answers: the route's timeout.
    bench.run([filter], [bench.sends(get), bench.clientHas("upstream request timeout")])
    #expect(bench.client.text.hasPrefix("HTTP/1.1 504 "))
    #expect(bench.client.text.contains("\r\nx-filtered: yes\r\n"))
  }

  // MARK: Ends

  @Test func aFilterBreaksTheStreamOff() throws {
    for hook in ["request", "response", "timer"] {
      let bench = try HTTPBench()
      let filter = bench.probe("a")
      let stop: () -> martlet_filter_status = {
        #expect(filter.reset() == MARTLET_OK)
        return MARTLET_STOP
      }
      if hook == "response" { filter.responseHeaders = { _ in stop() } }
      if hook == "request" { filter.requestHeaders = { _ in stop() } }
      if hook == "timer" {
        filter.requestHeaders = { _ in
          filter.setTimer(1)
          return MARTLET_STOP
        }
        filter.timer = { _ = stop() }
      }
      bench.run(
        [filter],
        [bench.sends("GET /direct HTTP/1.1\r\nHost: h\r\n\r\n"), until("closed") { bench.isClosed }])
      #expect(filter.results == [MARTLET_STREAM_RESET], "\(hook)")
      bench.client.read()
      #expect(bench.client.text == "", "\(hook)")
    }
  }

  @Test func theClientGoes() throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a")
    filter.requestHeaders = { _ in
      filter.setTimer(1000)
      return MARTLET_STOP_ALL
    }
    bench.run(
      [filter],
      [
        bench.sends(get), pause(milliseconds: 5), step("go") { bench.client.close() },
        until("closed") { bench.isClosed },
      ])
    #expect(filter.results == [MARTLET_STREAM_CLIENT_GONE])
    #expect(Array(bench.log.calls.suffix(2)) == ["a.complete", "a.destroy"])
  }

  @Test func badRequestsNeverReachTheFilters() throws {
    let bench = try HTTPBench()
    let filter = bench.probe("a")
    bench.run(
      [filter], [bench.sends("GET / HTTP/1.1\r\nbad header\r\n\r\n"), bench.clientHas("Bad Request")])
    #expect(bench.log.calls == [])
  }
}
