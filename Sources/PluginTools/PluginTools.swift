// The tools for authors of plugins, behind `martlet plugin`:
//
//     Files/      what libraries, texts and files are to the tools
//     Host/       a plugin host with one plugin; `inspect`
//     Traffic/    messages in seeded pieces, a client, an upstream, the real data plane between them
//     Check/      `check`: requirements, one process a test, the verdicts
//     Bench/      `bench`
//     New/        `new`: the files of a new plugin
//
// What stands between a plugin and the host while it is checked or measured is C++, in CPluginTools: it
// answers signals, keeps exceptions and calls function tables. Nothing of the data plane knows of it.
//
// Threading: a tool runs on the main thread of a process of its own; plugins run on the threads that the
// plugin host and the data plane give them.
import Glibc

public enum PluginTools {
  /// Says what is wrong with the options. Returns `code`.
  public static func refuse(_ message: String, code: Int32) -> Int32 {
    Output.error(message)
    return code
  }
}
