// Headers as format operators of plugins read them.
import CMartletABI

extension FilterScope {
  /// Calls `body` with a map, where this is the scope of a format, or says why it cannot.
  @inline(never)
  func withFormatHeaders(
    _ map: martlet_header_map, _ body: (FilterHeaders) -> martlet_status
  ) -> martlet_status {
    guard kind == .format else { return MARTLET_E_GONE }
    let headers = unsafeDowncast(self, to: FormatScope.self).headers(map)
    return headers.status == MARTLET_OK ? body(headers) : headers.status
  }
}

extension FormatScope {
  fileprivate func headers(_ map: martlet_header_map) -> FilterHeaders {
    let format = format?.pointee
    switch map {
    case MARTLET_REQUEST_HEADERS: return view(format?.request, isRequest: true, isTrailers: false)
    case MARTLET_RESPONSE_HEADERS:
      let response = format?.response
      return view((response?.status ?? 0) > 0 ? response : nil, isRequest: false, isTrailers: false)
    case MARTLET_RESPONSE_TRAILERS:
      let trailers = format?.trailers
      return view(
        (trailers?.headers.count ?? 0) > 0 ? trailers : nil, isRequest: false, isTrailers: true)
    // No format sees them.
    case MARTLET_REQUEST_TRAILERS: return view(nil, isRequest: true, isTrailers: true)
    default: return view(nil, isRequest: true, isTrailers: false, otherwise: MARTLET_E_ARGUMENT)
    }
  }

  private func view(
    _ head: MessageHead?, isRequest: Bool, isTrailers: Bool, otherwise: martlet_status = MARTLET_E_STATE
  ) -> FilterHeaders {
    FilterHeaders(
      Unmanaged.passUnretained(head ?? noHead), Unmanaged.passUnretained(context.names), isRequest: isRequest,
      isTrailers: isTrailers, isSealed: true, status: head == nil ? otherwise : MARTLET_OK)
  }
}
