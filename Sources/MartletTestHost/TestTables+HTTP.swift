// The HTTP services of the test's host.
import CMartletABI

extension TestTables {
  static func http() -> martlet_host_http {
    var http = martlet_host_http()
    http.size = size(http)
    setReading(&http)
    setChanging(&http)
    setBodies(&http)
    setAnswers(&http)
    return http
  }

  private static func setReading(_ http: inout martlet_host_http) {
    http.header_count = { handle, map, out in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      out!.pointee = stream.plain(map).count
      return MARTLET_OK
    }
    http.header_at = { handle, map, index, out in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      let fields = stream.plain(map)
      guard index < fields.count else { return MARTLET_E_NOT_FOUND }
      out!.pointee = fields[index].header
      return MARTLET_OK
    }
    http.headers = { handle, map, out, capacity, count in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      let fields = stream.plain(map)
      for (index, field) in fields.prefix(capacity).enumerated() { out![index] = field.header }
      count!.pointee = fields.count
      return MARTLET_OK
    }
    http.header_get = { handle, map, name, nth, out in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      return stream.get(map, name.text, nth, out)
    }
    http.header_get_by_id = { handle, map, id, nth, out in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      return stream.get(map, TestHost.current.headers[Int(id)], nth, out)
    }
  }

  private static func setChanging(_ http: inout martlet_host_http) {
    http.header_set = { handle, map, name, value in
      findStream(handle)?.set(map, name.text, value.text) ?? MARTLET_E_GONE
    }
    http.header_set_by_id = { handle, map, id, value in
      findStream(handle)?.set(map, TestHost.current.headers[Int(id)], value.text) ?? MARTLET_E_GONE
    }
    http.header_add = { handle, map, name, value in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      if stream.isReadOnly { return MARTLET_E_STATE }
      stream.maps[Int(map)].append(TestField(name.text, value.text))
      return MARTLET_OK
    }
    http.header_append = { handle, map, name, value in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      if stream.isReadOnly { return MARTLET_E_STATE }
      if let first = stream.maps[Int(map)].firstIndex(where: { $0.name == name.text }) {
        stream.maps[Int(map)][first].value += ",\(value.text)"
      } else {
        stream.maps[Int(map)].append(TestField(name.text, value.text))
      }
      return MARTLET_OK
    }
    http.header_remove = { handle, map, name in
      findStream(handle)?.remove(map, name.text) ?? MARTLET_E_GONE
    }
    http.header_remove_by_id = { handle, map, id in
      findStream(handle)?.remove(map, TestHost.current.headers[Int(id)]) ?? MARTLET_E_GONE
    }
  }

  private static func setBodies(_ http: inout martlet_host_http) {
    http.body_size = { handle, direction, out in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      out!.pointee = stream.bodies[Int(direction)].count
      return MARTLET_OK
    }
    // Two pieces, so that no filter may count on one.
    http.body_piece = { handle, direction, index, out in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      let body = stream.bodies[Int(direction)]
      let half = (body.count + 1) / 2
      let pieces = [Array(body[..<half]), Array(body[half...])].filter { !$0.isEmpty }
      guard index < pieces.count else { return MARTLET_E_NOT_FOUND }
      out!.pointee = TestHost.current.texts.keep(pieces[index])
      return MARTLET_OK
    }
    http.body_drain = { handle, direction, count in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      guard stream.inHook == direction else { return MARTLET_E_STATE }
      guard count <= stream.bodies[Int(direction)].count else { return MARTLET_E_ARGUMENT }
      stream.bodies[Int(direction)].removeFirst(count)
      return MARTLET_OK
    }
    http.body_append = { handle, direction, bytes in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      guard stream.inHook == direction else { return MARTLET_E_STATE }
      stream.bodies[Int(direction)] += bytes.array
      return MARTLET_OK
    }
    http.body_replace = { handle, direction, bytes in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      guard stream.inHook == direction else { return MARTLET_E_STATE }
      stream.bodies[Int(direction)] = bytes.array
      return MARTLET_OK
    }
    http.body_pass = { handle, direction, count in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      guard stream.inHook != direction else { return MARTLET_E_STATE }
      guard count <= stream.bodies[Int(direction)].count else { return MARTLET_E_ARGUMENT }
      stream.passed[Int(direction)] += stream.bodies[Int(direction)].prefix(count)
      stream.bodies[Int(direction)].removeFirst(count)
      return MARTLET_OK
    }
    http.trailers_create = { handle, direction in
      findStream(handle)?.hasTrailers[Int(direction)] = true
      return MARTLET_OK
    }
    http.continue_message = { handle, direction in
      findStream(handle)?.resumed[Int(direction)] = true
      return MARTLET_OK
    }
    http.buffer_limit = { handle, out in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      out!.pointee = stream.limit
      return MARTLET_OK
    }
    http.set_buffer_limit = { handle, bytes in
      findStream(handle)?.limit = bytes
      return MARTLET_OK
    }
  }

  private static func setAnswers(_ http: inout martlet_host_http) {
    http.reply = { handle, reply in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      stream.reply = TestReply(reply!.pointee)
      return MARTLET_OK
    }
    http.reply_start = { handle, reply in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      stream.reply = TestReply(reply!.pointee)
      return MARTLET_OK
    }
    http.reply_body = { handle, bytes, _ in
      guard let stream = findStream(handle), stream.reply != nil else { return MARTLET_E_STATE }
      stream.reply!.body += bytes.text
      return MARTLET_OK
    }
    http.reset = { handle in
      findStream(handle)?.wasReset = true
      return MARTLET_OK
    }
    http.route_config = { handle, level, out in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      guard Int(level) < stream.routes.count else { return MARTLET_E_NOT_FOUND }
      out!.pointee = stream.routes[Int(level)].object
      return MARTLET_OK
    }
    http.clear_route = { handle in
      findStream(handle)?.clearedRoute = true
      return MARTLET_OK
    }
    http.set_cluster = { handle, name in
      findStream(handle)?.cluster = name.text
      return MARTLET_OK
    }
  }
}

extension TestField {
  fileprivate var header: martlet_header {
    martlet_header(
      name: TestHost.current.texts.keep(Array(name.utf8)),
      value: TestHost.current.texts.keep(Array(value.utf8)))
  }
}

extension TestReply {
  fileprivate init(_ reply: martlet_reply) {
    self.init(
      status: Int(reply.status),
      headers: (0..<reply.header_count).map {
        TestField(reply.headers[$0].name.text, reply.headers[$0].value.text)
      },
      body: reply.body.text, details: reply.details.text, grpcStatus: Int(reply.grpc_status))
  }
}

extension TestStream {
  /// The fields whose names do not begin with a colon.
  fileprivate func plain(_ map: martlet_header_map) -> [TestField] {
    maps[Int(map)].filter { !$0.name.hasPrefix(":") }
  }

  fileprivate func get(
    _ map: martlet_header_map, _ name: String, _ nth: Int,
    _ out: UnsafeMutablePointer<martlet_bytes>?
  ) -> martlet_status {
    let found = values(name, map)
    guard nth < found.count else { return MARTLET_E_NOT_FOUND }
    out!.pointee = TestHost.current.texts.keep(Array(found[nth].utf8))
    return MARTLET_OK
  }

  fileprivate func set(
    _ map: martlet_header_map, _ name: String, _ value: String
  ) -> martlet_status {
    if isReadOnly { return MARTLET_E_STATE }
    if name == "connection" || name == "transfer-encoding" { return MARTLET_E_ARGUMENT }
    let first = maps[Int(map)].firstIndex { $0.name == name } ?? maps[Int(map)].count
    maps[Int(map)].removeAll { $0.name == name }
    maps[Int(map)].insert(TestField(name, value), at: min(first, maps[Int(map)].count))
    return MARTLET_OK
  }

  fileprivate func remove(_ map: martlet_header_map, _ name: String) -> martlet_status {
    if isReadOnly { return MARTLET_E_STATE }
    let before = maps[Int(map)].count
    maps[Int(map)].removeAll { $0.name == name }
    return maps[Int(map)].count == before ? MARTLET_E_NOT_FOUND : MARTLET_OK
  }
}
