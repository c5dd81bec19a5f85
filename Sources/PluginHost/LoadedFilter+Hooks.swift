// Which functions a filter has, by the names that they have in martlet.h.
import CMartletABI

extension LoadedFilter {
  /// In the order of the table.
  var hooks: [String] {
    switch kind {
    case .http: Self.names(of: table.assumingMemoryBound(to: martlet_http_filter.self).pointee)
    case .network: Self.names(of: table.assumingMemoryBound(to: martlet_network_filter.self).pointee)
    case .formatter: Self.names(of: table.assumingMemoryBound(to: martlet_format_operator.self).pointee)
    }
  }

  private static func present(_ functions: [(String, Bool)]) -> [String] {
    functions.filter(\.1).map(\.0)
  }

  private static func names(of table: martlet_http_filter) -> [String] {
    present([
      ("config_create", table.config_create != nil), ("config_destroy", table.config_destroy != nil),
      ("route_config_create", table.route_config_create != nil),
      ("route_config_destroy", table.route_config_destroy != nil),
      ("on_config_timer", table.on_config_timer != nil), ("on_config_wake", table.on_config_wake != nil),
      ("worker_create", table.worker_create != nil), ("worker_destroy", table.worker_destroy != nil),
      ("on_worker_timer", table.on_worker_timer != nil), ("on_worker_wake", table.on_worker_wake != nil),
      ("create", table.create != nil), ("on_request_headers", table.on_request_headers != nil),
      ("on_request_body", table.on_request_body != nil),
      ("on_request_trailers", table.on_request_trailers != nil),
      ("on_response_headers", table.on_response_headers != nil),
      ("on_response_body", table.on_response_body != nil),
      ("on_response_trailers", table.on_response_trailers != nil),
      ("on_back_pressure", table.on_back_pressure != nil), ("on_timer", table.on_timer != nil),
      ("on_wake", table.on_wake != nil), ("on_complete", table.on_complete != nil),
      ("destroy", table.destroy != nil),
    ])
  }

  private static func names(of table: martlet_format_operator) -> [String] {
    present([
      ("config_create", table.config_create != nil), ("config_destroy", table.config_destroy != nil),
      ("on_config_timer", table.on_config_timer != nil), ("on_config_wake", table.on_config_wake != nil),
      ("worker_create", table.worker_create != nil), ("worker_destroy", table.worker_destroy != nil),
      ("on_worker_timer", table.on_worker_timer != nil), ("on_worker_wake", table.on_worker_wake != nil),
      ("create", table.create != nil), ("destroy", table.destroy != nil), ("write", table.write != nil),
    ])
  }

  private static func names(of table: martlet_network_filter) -> [String] {
    present([
      ("config_create", table.config_create != nil), ("config_destroy", table.config_destroy != nil),
      ("on_config_timer", table.on_config_timer != nil), ("on_config_wake", table.on_config_wake != nil),
      ("worker_create", table.worker_create != nil), ("worker_destroy", table.worker_destroy != nil),
      ("on_worker_timer", table.on_worker_timer != nil), ("on_worker_wake", table.on_worker_wake != nil),
      ("create", table.create != nil), ("on_new_connection", table.on_new_connection != nil),
      ("on_data", table.on_data != nil), ("on_write", table.on_write != nil),
      ("on_timer", table.on_timer != nil), ("on_wake", table.on_wake != nil),
      ("on_close", table.on_close != nil), ("destroy", table.destroy != nil),
    ])
  }
}
