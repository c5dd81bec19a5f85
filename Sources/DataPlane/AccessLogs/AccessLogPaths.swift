// Which files a configuration logs to.
import Model

extension ProxyConfiguration {
  /// Every file and standard stream that an access log names.
  var accessLogPaths: Set<String> {
    var paths = Set<String>()
    for listener in listeners {
      for log in listener.accessLogs { paths.insert(log.sink.path) }
      for chain in listener.filterChains + [listener.defaultFilterChain].compactMap({ $0 }) {
        for filter in chain.filters {
          switch filter {
          case .httpConnectionManager(let manager):
            for log in manager.accessLogs { paths.insert(log.sink.path) }
          case .tcpProxy(let proxy):
            for log in proxy.accessLogs { paths.insert(log.sink.path) }
          case .echo, .directResponse, .connectionLimit, .plugin: break
          }
        }
      }
    }
    return paths
  }
}
