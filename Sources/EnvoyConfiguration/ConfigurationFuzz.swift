// The fuzz target of the loader: any bytes, as YAML and as JSON, through every step. Nothing is
// expected of the answer but that it comes.

package enum ConfigurationFuzz {
  /// Loads bytes as a file. Always returns; a crash or a hang is the finding.
  package static func one(_ bytes: UnsafeRawBufferPointer) {
    // The first byte chooses, so that one corpus serves every way in.
    let choice = bytes.first ?? 0
    var options = ConfigurationLoader.Options()
    options.allowUnknownStaticFields = choice & 1 != 0
    let load = Load(options: options)
    load.readsFiles = false
    let file = load.begin(file: "fuzz")
    if choice == UInt8(ascii: "{") {
      load.add(json: bytes, file: file)
    } else {
      load.add(yaml: bytes, file: file)
      // The same bytes again are an overlay that collides with every name.
      if choice == UInt8(ascii: "#") { load.add(yaml: bytes, file: load.begin(file: "overlay")) }
    }
    guard let loaded = try? load.finish() else { return }
    _ = loaded.warnings.map(\.description)
  }
}
