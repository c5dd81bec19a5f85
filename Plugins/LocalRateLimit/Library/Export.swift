// What the library exports: this, and nothing else.
import LocalRateLimit
public import MartletSDK

@c(martlet_plugin_v1)
public func martletPlugin(_ minor: UInt32) -> PluginEntry { localRateLimitPlugin() }
