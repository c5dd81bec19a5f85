// What the library exports.
public import MartletSDK

@c(martlet_plugin_v1)
public func martletPlugin(_ minor: UInt32) -> PluginEntry {
  Plugin.entry(id: "io.martlet.fault", version: "1.0.0", .http(FaultFilter.self))
}
