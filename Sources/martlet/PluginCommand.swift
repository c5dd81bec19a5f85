// `martlet plugin ...`: the tools for authors of plugins. What they do is in PluginTools.
import ArgumentParser
import PluginTools

struct PluginCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "martlet plugin", abstract: "Tools for authors of filter plugins.",
    discussion: "Docs/plugin-tools.md is the page about them.",
    subcommands: [NewCommand.self, InspectCommand.self, CheckCommand.self, BenchCommand.self])

  struct NewCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "new", abstract: "Make a folder with a filter that builds, is checked and runs.")

    @Option(help: "c, cpp, rust or swift.")
    var language: String
    @Flag(help: "A network filter instead of an HTTP filter (c).")
    var network = false
    @Option(help: "Swift: the folder or the URL of Martlet's source, which has MartletSDK.")
    var package: String?
    @Argument(help: "Its name: letters, digits and `-`, a letter first. The folder is called so.")
    var name: String

    mutating func run() throws {
      throw ExitCode(NewPlugin.run(name: name, language: language, isNetwork: network, package: package))
    }
  }

  struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "inspect", abstract: "Show what a plugin is: filters, hooks, symbols, libraries.")

    @Argument(help: "The library.")
    var file: String
    @Flag(help: "As JSON.")
    var json = false

    mutating func run() throws { throw ExitCode(PluginInspection.run(file, json: json)) }
  }

  struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "check", abstract: "Check a plugin against the requirements of the ABI.",
      discussion: "Exit code 0: all are kept; 1: one is broken; 2: it could not be checked.")

    @Argument(help: "The library.")
    var file: String
    @Option(parsing: .unconditional, help: "The filter's typed_config: YAML or JSON, or a file with it.")
    var config: String?
    @Option(help: "Which of its filters. Default: the first.")
    var filter: String?
    @Option(help: "The seed of an earlier run, to have the same again.")
    var reproduce: UInt64?
    @Option(help: "One test: load, tables, config, traffic, interruptions, pieces, time or memory.")
    var test: String?
    @Flag(help: "As JSON.")
    var json = false

    // Of the processes that it starts itself.
    @Option(help: .hidden) var child: String?
    @Option(parsing: .unconditional, help: .hidden) var configText: String?
    @Option(help: .hidden) var report: Int32 = -1
    @Option(parsing: .unconditional, help: .hidden) var denied: String?

    mutating func run() throws {
      let options: CheckOptions
      do throws(CheckOptions.OptionProblem) {
        options = try CheckOptions(
          path: file, configuration: config, filter: filter, seed: reproduce, test: test, json: json)
      } catch {
        throw ExitCode(PluginTools.refuse(error.message, code: 2))
      }
      guard let child else { throw ExitCode(PluginCheck.run(options)) }
      var own = options
      own.configuration = configText ?? ""
      throw ExitCode(PluginCheck.runChild(own, test: child, report: report, denied: denied ?? ""))
    }
  }

  struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "bench", abstract: "Measure what the hooks of a plugin cost, and its calls of the host.")

    @Argument(help: "The library.")
    var file: String
    @Option(parsing: .unconditional, help: "The filter's typed_config: YAML or JSON, or a file with it.")
    var config: String?
    @Option(help: "Which of its filters. Default: the first.")
    var filter: String?
    @Option(help: "Rounds, of which the medians are shown. Default: 7.")
    var rounds: Int = 7
    @Option(help: "Streams a round. Default: 2000.")
    var streams: Int = 2000
    @Flag(help: "As JSON.")
    var json = false

    mutating func run() throws {
      let options: CheckOptions
      do throws(CheckOptions.OptionProblem) {
        options = try CheckOptions(
          path: file, configuration: config, filter: filter, seed: 1, test: nil, json: json)
      } catch {
        throw ExitCode(PluginTools.refuse(error.message, code: 1))
      }
      throw ExitCode(PluginBench.run(options, rounds: rounds, streams: streams))
    }
  }
}
