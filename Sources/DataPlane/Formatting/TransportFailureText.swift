// What the transport says when an upstream connection cannot be made, in Envoy's words.
import CMartletSystem

enum TransportFailureText {
  static func make(_ code: Int32) -> OwnedText {
    let reason = String(cString: strerror(code))
    return OwnedText("delayed_connect_error:_" + String(reason.map { $0 == " " ? "_" : $0 }))
  }
}
