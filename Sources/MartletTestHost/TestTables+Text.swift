// Formats, expressions, runtime values and facts of the test's host.
import CMartletABI

extension TestTables {
  static func text() -> martlet_host_text {
    var text = martlet_host_text()
    text.size = size(text)
    text.format = { handle, format, out in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      out!.pointee = TestHost.current.texts.keep(
        Array(TestTables.expand(TestHost.current.formats[Int(format)], stream).utf8))
      return MARTLET_OK
    }
    text.matches = { _, regex, text, out in
      out!.pointee =
        (try? Regex(TestHost.current.patterns[Int(regex)]).wholeMatch(in: text.text)) != nil
      return MARTLET_OK
    }
    text.replace = { _, regex, text, substitution, out in
      guard let regex = try? Regex(TestHost.current.patterns[Int(regex)]) else {
        return MARTLET_E_ARGUMENT
      }
      let replaced = text.text.replacing(regex) { match in
        var result = substitution.text
        for group in 0..<match.output.count {
          result = result.replacing("\\\(group)", with: match.output[group].substring ?? "")
        }
        return result
      }
      out!.pointee = TestHost.current.texts.keep(Array(replaced.utf8))
      return MARTLET_OK
    }
    text.runtime_number = { _, key, otherwise, out in
      out!.pointee = TestHost.current.runtime[TestHost.current.runtimeKeys[Int(key)]] ?? otherwise
      return MARTLET_OK
    }
    text.runtime_boolean = { _, key, otherwise, out in
      let value = TestHost.current.runtime[TestHost.current.runtimeKeys[Int(key)]]
      out!.pointee = value.map { $0 != 0 } ?? otherwise
      return MARTLET_OK
    }
    text.runtime_share = { _, key, numerator, denominator, random, out in
      let value = TestHost.current.runtime[TestHost.current.runtimeKeys[Int(key)]]
      out!.pointee =
        value.map { random % 100 < $0 } ?? (random % UInt64(denominator) < UInt64(numerator))
      return MARTLET_OK
    }
    return text
  }

  static func expand(_ format: String, _ stream: TestStream) -> String {
    format.replacing(/%(REQ|RESP)\(([^)]*)\)%/) { match in
      let map = match.1 == "REQ" ? MARTLET_REQUEST_HEADERS : MARTLET_RESPONSE_HEADERS
      return stream.values(String(match.2), map).first ?? ""
    }.replacing("%%", with: "%")
  }

  static func streamInfo() -> martlet_host_stream_info {
    var info = martlet_host_stream_info()
    info.size = size(info)
    info.text = { handle, attribute, out in
      guard let stream = findStream(handle) else { return MARTLET_E_GONE }
      guard let text = stream.attributes[attribute] else { return MARTLET_E_NOT_FOUND }
      out!.pointee = TestHost.current.texts.keep(Array(text.utf8))
      return MARTLET_OK
    }
    info.number = { handle, attribute, out in
      guard let number = findStream(handle)?.numbers[attribute] else { return MARTLET_E_NOT_FOUND }
      out!.pointee = number
      return MARTLET_OK
    }
    info.set_metadata_text = { handle, space, key, value in
      if findStream(handle)?.isReadOnly == true { return MARTLET_E_ARGUMENT }
      findStream(handle)?.metadata["\(space.text):\(key.text)"] = value.text
      return MARTLET_OK
    }
    info.set_metadata_number = { handle, space, key, value in
      if findStream(handle)?.isReadOnly == true { return MARTLET_E_ARGUMENT }
      let text = value == value.rounded() ? String(Int(value)) : String(value)
      findStream(handle)?.metadata["\(space.text):\(key.text)"] = text
      return MARTLET_OK
    }
    info.set_metadata_boolean = { handle, space, key, value in
      if findStream(handle)?.isReadOnly == true { return MARTLET_E_ARGUMENT }
      findStream(handle)?.metadata["\(space.text):\(key.text)"] = String(value)
      return MARTLET_OK
    }
    info.metadata = { handle, space, key, out in
      guard let text = findStream(handle)?.metadata["\(space.text):\(key.text)"] else {
        return MARTLET_E_NOT_FOUND
      }
      out!.pointee = TestHost.current.texts.keep(Array(text.utf8))
      return MARTLET_OK
    }
    info.add_response_flag = { handle, flag in
      if findStream(handle)?.isReadOnly == true { return MARTLET_E_ARGUMENT }
      findStream(handle)?.responseFlags.append(flag.text)
      return MARTLET_OK
    }
    info.set_filter_state = { handle, key, value in
      if findStream(handle)?.isReadOnly == true { return MARTLET_E_ARGUMENT }
      findStream(handle)?.filterState[key.text] = value.text
      return MARTLET_OK
    }
    info.filter_state = { handle, key, out in
      guard let text = findStream(handle)?.filterState[key.text] else { return MARTLET_E_NOT_FOUND }
      out!.pointee = TestHost.current.texts.keep(Array(text.utf8))
      return MARTLET_OK
    }
    addAttachments(to: &info)
    return info
  }

  static func network() -> martlet_host_network {
    var network = martlet_host_network()
    network.size = size(network)
    network.read_buffer = { handle, out in
      guard let connection = findConnection(handle) else { return MARTLET_E_GONE }
      out!.pointee = TestHost.current.texts.keep(connection.unread)
      return MARTLET_OK
    }
    network.read_drain = { handle, count in
      guard let connection = findConnection(handle) else { return MARTLET_E_GONE }
      guard count <= connection.unread.count else { return MARTLET_E_ARGUMENT }
      connection.unread.removeFirst(count)
      return MARTLET_OK
    }
    network.read_replace = { handle, bytes in
      findConnection(handle)?.unread = bytes.array
      return MARTLET_OK
    }
    network.write_buffer = { handle, out, total in
      guard let connection = findConnection(handle) else { return MARTLET_E_GONE }
      out!.pointee = TestHost.current.texts.keep(connection.outgoing)
      total!.pointee = connection.outgoing.count
      return MARTLET_OK
    }
    network.write_drain = { handle, count in
      findConnection(handle)?.outgoing.removeFirst(count)
      return MARTLET_OK
    }
    network.write = { handle, bytes, end in
      guard let connection = findConnection(handle) else { return MARTLET_E_GONE }
      connection.written += bytes.array
      connection.wroteEnd = end
      return MARTLET_OK
    }
    network.close = { handle, mode in
      findConnection(handle)?.closed = mode
      return MARTLET_OK
    }
    network.continue_reading = { handle in
      findConnection(handle)?.resumed = true
      return MARTLET_OK
    }
    network.disable_reading = { handle, disable in
      findConnection(handle)?.isReading = !disable
      return MARTLET_OK
    }
    return network
  }
}
