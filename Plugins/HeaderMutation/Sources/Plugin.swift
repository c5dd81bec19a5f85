// The plugin: what it is called and what it has.
package import MartletSDK

package func headerMutationPlugin() -> PluginEntry {
  Plugin.entry(id: "io.martlet.header_mutation", version: "1.0.0", .http(HeaderMutationFilter.self))
}
