// `fuzz TARGET [libFuzzer's arguments]`: libFuzzer's loop around one of the targets. Built by
// Scripts/fuzz.sh, which links libFuzzer without its own main.

import Glibc

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
  _ count: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ callback: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

nonisolated(unsafe) private var target = FuzzTarget.request

@main enum Fuzz {
  static func main() {
    guard CommandLine.argc > 1, let chosen = FuzzTarget(rawValue: CommandLine.arguments[1]) else {
      fatalError("usage: fuzz \(FuzzTarget.allCases.map(\.rawValue).joined(separator: "|")) [arguments]")
    }
    target = chosen
    // libFuzzer takes the arguments from the second on.
    var count = CommandLine.argc - 1
    var arguments = CommandLine.unsafeArgv + 1
    exit(
      runDriver(&count, &arguments) { bytes, count in
        target.run(UnsafeRawBufferPointer(start: bytes, count: count))
        return 0
      })
  }
}
