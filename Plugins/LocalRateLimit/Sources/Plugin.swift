// The plugin: what it is called and what it has.
package import MartletSDK

package func localRateLimitPlugin() -> PluginEntry {
  Plugin.entry(
    id: "io.martlet.local_rate_limit", version: "1.0.0", .http(LocalRateLimitFilter.self),
    .network(ConnectionLimitFilter.self))
}
