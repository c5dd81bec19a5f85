// The functions that the host calls for an HTTP filter: one set for all filter types.
import CMartletABI

extension PluginFilter {
  /// The table of a filter type, for ever.
  @usableFromInline
  init(_ dispatch: HTTPDispatch, _ scopes: FilterScopes) {
    // For the life of the process.
    let pointer = UnsafeRawPointer(Unmanaged.passRetained(dispatch).toOpaque())
    var table = martlet_http_filter()
    table.size = UInt32(MemoryLayout<martlet_http_filter>.size)
    table.info = scopes.makeInfo(flags: 0, takesRoutes: true)
    FilterFactory.add(scopes, pointer, .http)
    table.setScopes()
    table.setStreams()
    table.setHooks(dispatch)
    kind = .http(permanent(table))
  }
}

extension martlet_http_filter {
  fileprivate mutating func setScopes() {
    config_create = { handle, given, out in
      FilterFactory.createConfig(handle, given, out, .http)
    }
    config_destroy = { FilterFactory.destroyConfig($0) }
    route_config_create = { handle, given, out in
      FilterFactory.createRouteConfig(handle, given, out)
    }
    route_config_destroy = { config in
      if let config { Unmanaged<AnyObject>.fromOpaque(config).release() }
    }
    on_config_timer = { FilterFactory.onConfigTimer($0, $1) }
    on_config_wake = { FilterFactory.onConfigWake($0, $1) }
    worker_create = { FilterFactory.createWorker($0, $1) }
    worker_destroy = { FilterFactory.destroyWorker($0) }
    on_worker_timer = { FilterFactory.onWorkerTimer($0, $1) }
    on_worker_wake = { FilterFactory.onWorkerWake($0, $1) }
  }

  fileprivate mutating func setStreams() {
    create = { _, worker, _, stream in
      guard let worker else { return nil }
      let record = worker.assumingMemoryBound(to: WorkerRecord.self)
      return Unmanaged<HTTPDispatch>.fromOpaque(record.pointee.dispatch)._withUnsafeGuaranteedRef {
        $0.create(record, stream)
      }
    }
    destroy = { filter in
      guard let filter else { return }
      HTTPDispatch.with(filter) { $0.destroy($1) }
    }
  }

  /// A hook that the filter does not have stays NULL.
  fileprivate mutating func setHooks(_ dispatch: HTTPDispatch) {
    if dispatch.hooks.requestHeaders {
      on_request_headers = { slot, end in HTTPDispatch.with(slot!) { $0.requestHeaders($1, end) }.rawValue }
    }
    if dispatch.hooks.requestBody {
      on_request_body = { slot, end in HTTPDispatch.with(slot!) { $0.requestBody($1, end) }.rawValue }
    }
    if dispatch.hooks.requestTrailers {
      on_request_trailers = { slot in HTTPDispatch.with(slot!) { $0.requestTrailers($1) }.rawValue }
    }
    if dispatch.hooks.responseHeaders {
      on_response_headers = { slot, end in HTTPDispatch.with(slot!) { $0.responseHeaders($1, end) }.rawValue }
    }
    if dispatch.hooks.responseBody {
      on_response_body = { slot, end in HTTPDispatch.with(slot!) { $0.responseBody($1, end) }.rawValue }
    }
    if dispatch.hooks.responseTrailers {
      on_response_trailers = { slot in HTTPDispatch.with(slot!) { $0.responseTrailers($1) }.rawValue }
    }
    if dispatch.hooks.backPressure {
      on_back_pressure = { slot, stop in HTTPDispatch.with(slot!) { $0.backPressure($1, stop) } }
    }
    if dispatch.hooks.timer {
      on_timer = { slot, timer in HTTPDispatch.with(slot!) { $0.timer($1, Int(timer)) } }
    }
    if dispatch.hooks.wake {
      on_wake = { slot, token in HTTPDispatch.with(slot!) { $0.wake($1, token) } }
    }
    if dispatch.hooks.complete {
      on_complete = { filter, result in
        let result = StreamResult(rawValue: result) ?? .reset
        HTTPDispatch.with(filter!) { $0.complete($1, result) }
      }
    }
  }
}

extension HTTPDispatch {
  /// Calls `body` with the hooks of the filter in a slot, which its first word names, and the slot.
  @inline(__always)
  fileprivate static func with<Result>(
    _ slot: UnsafeMutableRawPointer, _ body: (HTTPDispatch, UnsafeMutableRawPointer) -> Result
  ) -> Result {
    Unmanaged<HTTPDispatch>.fromOpaque(slot.load(as: UnsafeRawPointer.self))
      ._withUnsafeGuaranteedRef { body($0, slot) }
  }
}
