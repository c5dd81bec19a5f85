// The tables of the test's host.
import CMartletABI

enum TestTables {
  nonisolated(unsafe) static let host: UnsafePointer<martlet_host> = {
    var host = martlet_host()
    host.size = UInt32(MemoryLayout<martlet_host>.size)
    host.abi_minor = UInt32(MARTLET_ABI_MINOR)
    host.version = UnsafePointer(keep(Array("test".utf8CString)))
    host.plugin = 1
    host.query = { id in
      switch String(cString: id!) {
      case "martlet.host.core/1": UnsafeRawPointer(corePointer)
      case "martlet.host.config/1": UnsafeRawPointer(configPointer)
      case "martlet.host.metrics/1": UnsafeRawPointer(metricsPointer)
      case "martlet.host.text/1": UnsafeRawPointer(textPointer)
      case "martlet.host.shared_data/1": UnsafeRawPointer(sharedDataPointer)
      case "martlet.host.stream_info/1": UnsafeRawPointer(streamInfoPointer)
      case "martlet.host.http/1": UnsafeRawPointer(httpPointer)
      case "martlet.host.network/1": UnsafeRawPointer(networkPointer)
      case "martlet.host.rate_limit/1": UnsafeRawPointer(rateLimitPointer)
      default: nil
      }
    }
    return one(host)
  }()

  nonisolated(unsafe) static let corePointer = one(core())
  nonisolated(unsafe) static let configPointer = one(config())
  nonisolated(unsafe) static let metricsPointer = one(metrics())
  nonisolated(unsafe) static let textPointer = one(text())
  nonisolated(unsafe) static let sharedDataPointer = one(sharedData())
  nonisolated(unsafe) static let streamInfoPointer = one(streamInfo())
  nonisolated(unsafe) static let httpPointer = one(http())
  nonisolated(unsafe) static let networkPointer = one(network())
  nonisolated(unsafe) static let rateLimitPointer = one(rateLimit())

  /// For the life of the process.
  private static func one<Value>(_ value: Value) -> UnsafePointer<Value> {
    let pointer = UnsafeMutablePointer<Value>.allocate(capacity: 1)
    pointer.initialize(to: value)
    return UnsafePointer(pointer)
  }

  private static func keep<Value>(_ values: [Value]) -> UnsafeMutablePointer<Value> {
    let copy = UnsafeMutablePointer<Value>.allocate(capacity: values.count)
    copy.initialize(from: values, count: values.count)
    return copy
  }

  static func size<Table>(_ table: Table) -> UInt32 { UInt32(MemoryLayout<Table>.size) }

  static func core() -> martlet_host_core {
    var core = martlet_host_core()
    core.size = size(core)
    core.log_enabled = { Int($0) >= TestHost.current.logLevel }
    core.log = { _, level, message in
      TestHost.current.log.append((Int(level), message.text))
      return MARTLET_OK
    }
    core.now = { TestHost.current.now }
    core.wall_clock = { TestHost.current.now }
    core.random = { TestHost.current.randomBits }
    core.set_timer = { handle, timer, milliseconds in
      guard timer < 8 else { return MARTLET_E_ARGUMENT }
      guard TestHost.current.named[handle] != nil else { return MARTLET_E_GONE }
      TestHost.current.timers[handle, default: [:]][timer] = milliseconds == 0 ? nil : milliseconds
      return MARTLET_OK
    }
    core.wake = { handle, token in
      guard TestHost.current.named[handle] != nil else { return MARTLET_E_GONE }
      TestHost.current.wakes.append((handle, token))
      return MARTLET_OK
    }
    core.allocate = { _, size in
      TestHost.current.allocations += 1
      return UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
    }
    core.release = { _, memory in
      if let memory {
        TestHost.current.allocations -= 1
        memory.deallocate()
      }
    }
    return core
  }

  static func config() -> martlet_host_config {
    var config = martlet_host_config()
    config.size = size(config)
    config.error = { handle, path, message in
      findConfiguration(handle)?.errors.append(TestFinding(path: path.text, message: message.text))
      return MARTLET_OK
    }
    config.warning = { handle, path, message in
      findConfiguration(handle)?.warnings.append(TestFinding(path: path.text, message: message.text))
      return MARTLET_OK
    }
    config.header = { _, name, out in
      guard name.size > 0, !name.array.contains(0x20) else { return MARTLET_E_ARGUMENT }
      out!.pointee = numberOf(name.text.lowercased(), \.headers)
      return MARTLET_OK
    }
    config.format = { handle, path, text, out in
      if text.text.contains("%BAD%") {
        findConfiguration(handle)?.errors.append(TestFinding(path: path.text, message: "no operator BAD"))
        return MARTLET_E_ARGUMENT
      }
      out!.pointee = numberOf(text.text, \.formats)
      return MARTLET_OK
    }
    config.regex = { handle, path, pattern, out in
      guard (try? Regex(pattern.text)) != nil else {
        findConfiguration(handle)?.errors.append(TestFinding(path: path.text, message: "no expression"))
        return MARTLET_E_ARGUMENT
      }
      out!.pointee = numberOf(pattern.text, \.patterns)
      return MARTLET_OK
    }
    config.runtime = { _, key, out in
      out!.pointee = numberOf(key.text, \.runtimeKeys)
      return MARTLET_OK
    }
    config.metric = { _, kind, name, relative, labels, count, out in
      let host = TestHost.current!
      let name = (relative ? host.statPrefix : "") + name.text
      let labels = (0..<count).map { labels![$0].text }
      if host.metrics.contains(where: { $0.name == name && $0.kind != kind }) {
        return MARTLET_E_CONFLICT
      }
      if let known = host.metrics.firstIndex(where: { $0.name == name && $0.labels == labels }) {
        out!.pointee = UInt32(known)
        return MARTLET_OK
      }
      host.metrics.append(TestHost.Metric(kind: kind, name: name, labels: labels))
      out!.pointee = UInt32(host.metrics.count - 1)
      return MARTLET_OK
    }
    config.stat_prefix = { _, out in
      out!.pointee = TestHost.current.texts.keep(Array(TestHost.current.statPrefix.utf8))
      return MARTLET_OK
    }
    config.node = { _, id, cluster, zone in
      id!.pointee = TestHost.current.texts.keep(Array("node".utf8))
      cluster!.pointee = TestHost.current.texts.keep(Array("cluster".utf8))
      zone!.pointee = TestHost.current.texts.keep(Array("zone".utf8))
      return MARTLET_OK
    }
    return config
  }

  static func metrics() -> martlet_host_metrics {
    var metrics = martlet_host_metrics()
    metrics.size = size(metrics)
    metrics.add = { _, metric, amount in
      TestHost.current.metrics[Int(metric)].value += amount
      return MARTLET_OK
    }
    metrics.subtract = { _, metric, amount in
      TestHost.current.metrics[Int(metric)].value -= amount
      return MARTLET_OK
    }
    metrics.record = { _, metric, value in
      TestHost.current.metrics[Int(metric)].records.append(value)
      return MARTLET_OK
    }
    metrics.series = { _, family, values, count, out in
      let host = TestHost.current!
      let definition = host.metrics[Int(family)]
      guard definition.labels.count == count else { return MARTLET_E_ARGUMENT }
      let labels = (0..<count).map { values![$0].text }
      if let known = host.metrics.firstIndex(where: {
        $0.name == definition.name && $0.labels == labels
      }) {
        out!.pointee = UInt32(known)
        return MARTLET_OK
      }
      host.metrics.append(
        TestHost.Metric(kind: definition.kind, name: definition.name, labels: labels))
      out!.pointee = UInt32(host.metrics.count - 1)
      return MARTLET_OK
    }
    return metrics
  }

  static func sharedData() -> martlet_host_shared_data {
    var table = martlet_host_shared_data()
    table.size = size(table)
    table.get = { _, key, buffer, capacity, valueSize, version in
      guard let value = TestHost.current.sharedData[key.text] else { return MARTLET_E_NOT_FOUND }
      for (index, byte) in value.bytes.prefix(capacity).enumerated() { buffer![index] = byte }
      valueSize!.pointee = value.bytes.count
      version!.pointee = value.version
      return MARTLET_OK
    }
    table.set = { _, key, value, expected in
      let host = TestHost.current!
      let known = host.sharedData[key.text]
      if expected == .max ? known != nil : expected != 0 && known?.version != expected {
        return MARTLET_E_CONFLICT
      }
      host.sharedData[key.text] = (value.array, (known?.version ?? 0) + 1)
      return MARTLET_OK
    }
    table.remove = { _, key in
      TestHost.current.sharedData.removeValue(forKey: key.text) == nil
        ? MARTLET_E_NOT_FOUND : MARTLET_OK
    }
    return table
  }
}

func findStream(_ handle: martlet_handle) -> TestStream? {
  if case .stream(let stream)? = TestHost.current.named[handle] { stream } else { nil }
}

func findConnection(_ handle: martlet_handle) -> TestConnection? {
  if case .connection(let connection)? = TestHost.current.named[handle] { connection } else { nil }
}

func findConfiguration(_ handle: martlet_handle) -> TestConfiguration? {
  if case .config(let config)? = TestHost.current.named[handle] { config } else { nil }
}

/// The number of a thing in a list, where it is added once.
func numberOf(_ text: String, _ list: ReferenceWritableKeyPath<TestHost, [String]>) -> UInt32 {
  let host = TestHost.current!
  if let known = host[keyPath: list].firstIndex(of: text) { return UInt32(known) }
  host[keyPath: list].append(text)
  return UInt32(host[keyPath: list].count - 1)
}
