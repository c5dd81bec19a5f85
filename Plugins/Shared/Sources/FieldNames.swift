// Names of fields that are not like others.

package enum FieldNames {
  /// Fields of one hop.
  package static let framing: Set<String> = [
    "connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade",
  ]

  /// Fields that Envoy keeps in one line: what comes again is joined to what is there.
  package static let inOneLine: Set<String> = [
    "accept", "accept-encoding", "age", "authorization", "cache-control", "content-encoding",
    "content-type", "date", "etag", "expect", "expires", "grpc-message", "grpc-status",
    "grpc-timeout", "location", "origin", "referer", "server", "user-agent", "vary", "via",
    "x-client-trace-id", "x-envoy-attempt-count", "x-envoy-decorator-operation",
    "x-envoy-external-address", "x-envoy-original-path", "x-envoy-upstream-service-time",
    "x-forwarded-client-cert", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port",
    "x-forwarded-proto", "x-request-id",
  ]
}
