// The plugin: what it is called and what it has.
package import MartletSDK

package func faultPlugin() -> PluginEntry {
  Plugin.entry(id: "io.martlet.fault", version: "1.0.0", .http(FaultFilter.self))
}
