// The functions that the host calls for an HTTP filter: one set for all filter types.
import CMartletABI

extension PluginFilter {
  /// The table of a filter type, for ever.
  @usableFromInline
  init(_ dispatch: HTTPDispatch, _ scopes: FilterScopes) {
    let dispatch = permanent(dispatch)
    var table = martlet_http_filter()
    table.size = UInt32(MemoryLayout<martlet_http_filter>.size)
    table.info = scopes.makeInfo(flags: 0, takesRoutes: true)
    FilterFactory.add(scopes, UnsafeRawPointer(dispatch), isHTTP: true)
    table.setScopes()
    table.setStreams()
    table.setHooks(dispatch.pointee)
    kind = .http(permanent(table))
  }
}

extension martlet_http_filter {
  fileprivate mutating func setScopes() {
    config_create = { handle, given, out in
      FilterFactory.createConfig(handle, given, out, isHTTP: true)
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
      let dispatch = record.pointee.dispatch.assumingMemoryBound(to: HTTPDispatch.self)
      return dispatch.pointee.create(record, stream)
    }
    destroy = { filter in
      guard let filter else { return }
      HTTPDispatch.of(filter).pointee.destroy(filter)
    }
  }

  /// A hook that the filter does not have stays NULL.
  fileprivate mutating func setHooks(_ dispatch: HTTPDispatch) {
    if dispatch.hooks.requestHeaders {
      on_request_headers = { HTTPDispatch.of($0!).pointee.requestHeaders($0!, $1).rawValue }
    }
    if dispatch.hooks.requestBody {
      on_request_body = { HTTPDispatch.of($0!).pointee.requestBody($0!, $1).rawValue }
    }
    if dispatch.hooks.requestTrailers {
      on_request_trailers = { HTTPDispatch.of($0!).pointee.requestTrailers($0!).rawValue }
    }
    if dispatch.hooks.responseHeaders {
      on_response_headers = { HTTPDispatch.of($0!).pointee.responseHeaders($0!, $1).rawValue }
    }
    if dispatch.hooks.responseBody {
      on_response_body = { HTTPDispatch.of($0!).pointee.responseBody($0!, $1).rawValue }
    }
    if dispatch.hooks.responseTrailers {
      on_response_trailers = { HTTPDispatch.of($0!).pointee.responseTrailers($0!).rawValue }
    }
    if dispatch.hooks.backPressure {
      on_back_pressure = { HTTPDispatch.of($0!).pointee.backPressure($0!, $1) }
    }
    if dispatch.hooks.timer {
      on_timer = { HTTPDispatch.of($0!).pointee.timer($0!, Int($1)) }
    }
    if dispatch.hooks.wake {
      on_wake = { HTTPDispatch.of($0!).pointee.wake($0!, $1) }
    }
    if dispatch.hooks.complete {
      on_complete = { filter, result in
        HTTPDispatch.of(filter!).pointee.complete(filter!, StreamResult(rawValue: result) ?? .reset)
      }
    }
  }
}

extension HTTPDispatch {
  /// The table of the filter in a slot: its first word.
  @inline(__always)
  fileprivate static func of(_ slot: UnsafeMutableRawPointer) -> UnsafePointer<HTTPDispatch> {
    slot.load(as: UnsafeRawPointer.self).assumingMemoryBound(to: HTTPDispatch.self)
  }
}
