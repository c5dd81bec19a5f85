// The plugin: what it is called and what it has.
package import MartletSDK

package func foreignFunctionPlugin() -> PluginEntry {
  Plugin.entry(
    id: "io.martlet.foreign_function", version: "1.0.0", .http(ForeignFunctionFilter.self),
    .formatOperators(ForeignFunctionOperator.self))
}
