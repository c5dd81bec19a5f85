// What a client is told when its upstream failed before it answered: Envoy's statuses and texts,
// which monitoring and people have learnt to read.

enum UpstreamFailureText {
  static func reply(_ failure: UpstreamFailure) -> (status: Int, text: String) {
    let start = "upstream connect error or disconnect/reset before headers. reset reason: "
    switch failure {
    case .overflow: return (503, start + "overflow")
    case .connect: return (503, start + "remote connection failure")
    case .connectTimeout:
      return (503, start + "connection timeout")
    case .terminated, .reset:
      return (503, start + "connection termination")
    case .protocolError:
      return (502, start + "protocol error")
    }
  }
}
