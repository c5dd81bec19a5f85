// What a bootstrap says about plugins that take long or crash: what it means, and that it is known before the
// plugins are loaded.

import Foundation
import Model
import Synchronization
import Testing

@testable import EnvoyConfiguration

@Suite struct PluginPolicyTests {
  /// Keeps what it was told when the plugins were to be loaded.
  private final class Catalog: FilterCatalog {
    let told = Mutex<[PluginPolicies?]>([])
    var filters: [FilterDescription] { TestCatalog.shared.filters }
    var refusals: [String] { [] }
    var folders: [String] { [] }
    func load(_ plugins: [PluginReference], policies: PluginPolicies?) -> [(index: Int, message: String)] {
      told.withLock { $0.append(policies) }
      return []
    }
    func loadInstalled() -> Bool { false }
    func make(_ request: FilterRequest, operators: (any FormatOperatorSource)?) -> FilterOutcome {
      TestCatalog.shared.make(request, operators: operators)
    }
    func operators(_ configurations: [FilterBinding], node: Node) -> any FormatOperatorSource {
      TestCatalog.shared.operators(configurations, node: node)
    }
  }

  private func load(
    _ extension: String
  ) throws(ConfigurationError) -> (loaded: LoadedConfiguration, told: [PluginPolicies?]) {
    let catalog = Catalog()
    var options = ConfigurationLoader.Options()
    options.catalog = catalog
    let yaml = """
      bootstrap_extensions:
      - name: martlet.plugins
        typed_config: {"@type": type.googleapis.com/martlet.bootstrap.v1.Plugins, \(`extension`)}
      """
    let loaded = try ConfigurationLoader(options: options).load(yaml: yaml, name: "t")
    return (loaded, catalog.told.withLock { $0 })
  }

  @Test func anOverlaysHoldOverTheFiles() throws {
    func text(_ budget: String) -> String {
      """
      bootstrap_extensions:
      - name: martlet.plugins
        typed_config:
          "@type": type.googleapis.com/martlet.bootstrap.v1.Plugins
          default_policy: {call_budget: \(budget)}
      """
    }
    let path = try temporaryFile(text("0.002s"), ending: "yaml")
    defer { try? FileManager.default.removeItem(atPath: path) }
    let catalog = Catalog()
    var options = ConfigurationLoader.Options()
    options.catalog = catalog
    let loaded = try ConfigurationLoader(options: options).load(path: path, overlay: text("0.1s"))
    let told = catalog.told.withLock { $0 }
    #expect(told.map { $0?.standard.callBudget } == [.milliseconds(2), .milliseconds(100)])
    #expect(loaded.configuration.plugins.standard.callBudget == .milliseconds(100))
  }

  @Test func withoutAnyTheDefaultsHold() throws {
    let (loaded, told) = try load("plugins: []")
    #expect(loaded.configuration.plugins == PluginPolicies() && told == [PluginPolicies()])
    let policy = loaded.configuration.plugins["anybody"]
    #expect(policy.callBudget == .milliseconds(10) && policy.stuckAfter == .seconds(1))
    #expect(policy.crash.retries == 3 && policy.crash.window == .seconds(600))
    #expect(policy.crash.then == .failClosed)
  }

  @Test func everyFieldIsRead() throws {
    let (loaded, told) = try load(
      """
      default_policy: {call_budget: 0.002s, stuck_after: 3s,
                       on_crash: {retries: 0, window: 60s, then: FAIL_OPEN}}
      """)
    let policy = loaded.configuration.plugins.standard
    #expect(policy.callBudget == .milliseconds(2) && policy.stuckAfter == .seconds(3))
    #expect(
      policy.crash.retries == 0 && policy.crash.window == .seconds(60) && policy.crash.then == .failOpen)
    #expect(told == [loaded.configuration.plugins])
  }

  @Test func whatAPluginsOwnDoesNotSayIsTheDefaults() throws {
    let (loaded, _) = try load(
      """
      default_policy: {call_budget: 0.002s, on_crash: {retries: 7}}, policies: {test: {stuck_after: 5s}}
      """)
    let own = loaded.configuration.plugins["test"]
    #expect(own.stuckAfter == .seconds(5) && own.callBudget == .milliseconds(2) && own.crash.retries == 7)
    #expect(loaded.configuration.plugins["other"].stuckAfter == .seconds(1))
    #expect(loaded.warnings.isEmpty)
  }

  @Test func aPolicyForNobodyIsAWarning() throws {
    let (loaded, _) = try load("policies: {com.example.nobody: {}}")
    #expect(loaded.warnings.count == 1)
    #expect(
      loaded.warnings.first?.description.contains("no plugin of the id \"com.example.nobody\" is loaded")
        == true)
  }

  @Test func aWrongPolicyIsRefusedOnceAtItsPlace() {
    do throws(ConfigurationError) {
      _ = try load("default_policy: {call_budget: 0s}")
      Issue.record("it was taken")
    } catch {
      #expect(error.diagnostics.count == 1)
      let place = "bootstrap_extensions[0].typed_config.default_policy.call_budget"
      #expect(error.diagnostics.first?.description.contains(place) == true)
    }
  }
}
