// The program. Everything after `martlet` is flags of the proxy itself, as Envoy's users expect;
// other commands (`martlet plugin ...`) are told apart here by their first word, which no flag can
// be, and have parsers of their own.
//
// Exit codes: 0 when it served and was told to end, or printed what was asked for; 1 when it did
// not start, whatever the reason: flags, configuration, sockets. Those of `martlet plugin` are the
// tools' own.
import ArgumentParser
import Glibc
import Server

/// Prints and ends. `write` rather than `print`: standard output may be closed or full.
func finish(_ code: Int32, _ text: String, to descriptor: Int32) -> Never {
  let line = text + "\n"
  _ = line.withCString { write(descriptor, $0, strlen($0)) }
  exit(code)
}

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.first == "plugin" {
  PluginCommand.main(Array(arguments.dropFirst()))
  exit(0)
}
if let refusal = UnsupportedFlags.refusal(of: arguments) {
  finish(1, "error: \(refusal)", to: STDERR_FILENO)
}
do {
  let command = try ServeCommand.parse(arguments)
  if command.version {
    finish(0, "\nmartlet  version: \(Version.text)\n", to: STDOUT_FILENO)
  }
  exit(ProxyServer.run(try command.flags.options()))
} catch let error as OptionError {
  finish(1, "error: \(error.description)", to: STDERR_FILENO)
} catch {
  let asked = ServeCommand.exitCode(for: error) == .success
  finish(
    asked ? 0 : 1, ServeCommand.fullMessage(for: error), to: asked ? STDOUT_FILENO : STDERR_FILENO)
}
