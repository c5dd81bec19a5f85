// A Swift face of martlet.h, for authors of filters.
//
//     struct Greeting: HTTPFilter, OnResponseHeaders {      the filter, and the hooks it wants
//       static let name = "com.example.greeting"
//       final class Settings: FilterSettings { ... }        the configuration, compiled once
//       init(_ stream: inout HTTPStream, _ settings: Settings) {}
//       mutating func onResponseHeaders(
//         _ stream: inout HTTPStream, _ settings: Settings, end: Bool
//       ) -> HeadersStatus { ... }
//     }
//
//     @c(martlet_plugin_v1)                                 the one symbol that the library exports
//     public func martletPlugin(_ minor: UInt32) -> PluginEntry {
//       Plugin.entry(id: "com.example.greeting", version: "1.0.0", .http(Greeting.self))
//     }
//
// Scopes. `FilterSettings` are made on the control thread and read by all workers at once;
// a `FilterWorker` is made on each worker and used there alone; the filter itself belongs to one
// stream or connection and lies in a slot that its worker uses again.
//
// Lifetimes. `HTTPStream`, `NetworkConnection`, `HeaderMap`, `MessageBody` and `BytesView` are
// non-escapable: the compiler keeps them inside the hook, and what is seen of a body inside the
// time in which it does not change. So there is no unsafe code in a filter and nothing is copied to
// look at it.
//
// Cost. A hook is one call through a table of functions specialised for the filter's type; a call
// of the host is one load and one indirect call. Nothing is retained, released or allocated for a
// stream after the first that had its slot.
//
// The folders: Plugin/ is what the host calls, HTTP/ and Network/ the two kinds of filters, Formatting/
// operators of format strings,
// Configuration/ what happens once, Host/ what every scope can ask, Bytes/ what they pass.
