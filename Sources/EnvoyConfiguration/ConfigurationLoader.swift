// The way from files to a configuration:
//
//   bytes -> YAMLReader or JSONReader -> tree -> Upgrader (files of the v2 age)
//         -> SchemaWalker (names, types, rules; writes the wire format) -> PresenceCheck
//         -> SwiftProtobuf (typed messages) -> Conversion (meaning) -> ProxyConfiguration
//
// Each step adds its findings to one list, and all of it comes at once, in the order of the file:
// the later steps run although the earlier ones found errors, over what is left of the file. What
// was found wrong is remembered by its `Location`, so that no step speaks of it again. Only a file
// that cannot be read at all ends the load early.

public import Model
internal import SwiftProtobuf

/// What a load gave.
public struct LoadedConfiguration: Sendable {
  public let configuration: ProxyConfiguration
  /// Things to tell the person who wrote the file: upgrades, values that have no effect.
  public let warnings: [Diagnostic]
  /// What was loaded, as messages.
  public let dump: ConfigurationDump
}

/// Loads Envoy v3 bootstrap files, and those of the v2 age.
public struct ConfigurationLoader: Sendable {
  public struct Options: Sendable {
    /// Unknown and unsupported fields are warnings and not errors
    /// (Envoy's `--allow-unknown-static-fields`).
    public var allowUnknownStaticFields = false
    /// Over the file's.
    public var node = NodeOverride()
    /// The filters of plugins (nil: there are none).
    public var catalog: (any FilterCatalog)?

    public init() {}
  }

  /// Parts of the node that flags give; nil: the file's.
  public struct NodeOverride: Sendable, Hashable {
    public var id: String?
    public var cluster: String?
    public var zone: String?
    public init() {}
  }

  /// The name of the overlay in findings.
  public static let overlayName = "--config-yaml"

  public let options: Options

  public init(options: Options = Options()) { self.options = options }

  /// Loads a file and merges `overlay` (YAML text, Envoy's `--config-yaml`) over it; one of the
  /// two is enough.
  public func load(path: String?, overlay: String?) throws(ConfigurationError)
    -> LoadedConfiguration
  {
    let load = Load(options: options)
    if let path { load.add(path: path) }
    if let overlay { load.add(yaml: overlay, name: Self.overlayName) }
    if path == nil, overlay == nil {
      load.diagnostics.files = ["martlet"]
      load.diagnostics.error(
        "no configuration: give a file with -c or YAML with --config-yaml", file: 0, line: nil)
    }
    return try load.finish()
  }

  /// Loads YAML text; `name` stands in findings.
  public func load(yaml: String, name: String) throws(ConfigurationError) -> LoadedConfiguration {
    let load = Load(options: options)
    load.add(yaml: yaml, name: name)
    return try load.finish()
  }
}

/// One load: the state that its steps share.
final class Load {
  let diagnostics = Diagnostics()
  private let store = SchemaStore()
  private let options: ConfigurationLoader.Options
  private var plugins: PluginSchemas?
  private let root = Location(at: SourcePosition(file: 0, line: 1))
  private var wire: [UInt8] = []
  /// A file gave no tree; what it would have said is not known, so nothing is said of the rest.
  private var lacksFile = false
  /// Data sources may name files; a fuzz run must not open what the input names.
  var readsFiles = true

  init(options: ConfigurationLoader.Options) { self.options = options }

  /// Makes a file known by name; its number stands in positions.
  func begin(file name: String) -> Int {
    diagnostics.files.append(name)
    return diagnostics.files.count - 1
  }

  func add(path: String) {
    let file = begin(file: path)
    switch SourceFile.read(path) {
    case .failure(let problem): refuse(problem.message, file: file, line: nil)
    case .success(let source):
      source.bytes.withUnsafeBytes { bytes in
        switch source.format {
        case .yaml: add(yaml: bytes, file: file)
        case .json: add(json: bytes, file: file)
        }
      }
    }
  }

  func add(yaml: String, name: String) {
    let file = begin(file: name)
    var text = yaml
    text.withUTF8 { add(yaml: UnsafeRawBufferPointer($0), file: file) }
  }

  func add(yaml bytes: UnsafeRawBufferPointer, file: Int) {
    guard bytes.count <= ReadingLimits.fileSize else {
      refuse("larger than \(ReadingLimits.fileSize >> 20) MiB", file: file, line: nil)
      return
    }
    add(file: file) { () throws(YAMLReader.Failure) in try YAMLReader.read(bytes, file: file) }
  }

  func add(json bytes: UnsafeRawBufferPointer, file: Int) {
    add(file: file) { () throws(YAMLReader.Failure) in try JSONReader.read(bytes, file: file) }
  }

  private func add(file: Int, _ read: () throws(YAMLReader.Failure) -> ConfigurationNode) {
    let node: ConfigurationNode
    do { node = try read() } catch {
      refuse(error.message, file: file, line: error.line)
      return
    }
    guard node.entries != nil else {
      refuse(
        "expected a mapping with the fields of Bootstrap, found \(node.summary)", file: file,
        line: node.position.line)
      return
    }
    add(node)
  }

  private func refuse(_ message: String, file: Int, line: Int?) {
    lacksFile = true
    diagnostics.error(message, file: file, line: line)
  }

  /// Walks a tree that has been read.
  func add(_ node: ConfigurationNode) {
    let schema = store.required("envoy.config.bootstrap.v3.Bootstrap")
    let place = Place(root: root)
    let upgraded = Upgrader(
      store: store, diagnostics: diagnostics, allowsUnknownFields: options.allowUnknownStaticFields
    ).upgrade(node, schema, at: place)
    loadPlugins(upgraded)
    let walker = SchemaWalker(
      store: store, diagnostics: diagnostics, allowsUnknownFields: options.allowUnknownStaticFields,
      plugins: plugins)
    wire += walker.message(upgraded, schema, at: place).bytes
  }

  /// What the file names itself comes before what else there is.
  private func loadPlugins(_ upgraded: ConfigurationNode) {
    let references = SchemaWalker.pluginReferences(upgraded)
    guard let catalog = options.catalog else {
      for found in references where readsFiles {
        diagnostics.error(
          "\(found.path): plugin '\(found.reference.path)' cannot be loaded here", file: found.position.file,
          line: found.position.line)
      }
      return
    }
    let policies = SchemaWalker.pluginPolicies(upgraded, store, files: diagnostics.files)
    for (index, message) in catalog.load(references.map(\.reference), policies: policies) {
      let found = references[index]
      diagnostics.error("\(found.path): \(message)", file: found.position.file, line: found.position.line)
    }
    plugins = PluginSchemas(catalog)
  }

  func finish() throws(ConfigurationError) -> LoadedConfiguration {
    let place = Place(root: root)
    guard !lacksFile, root.schema != nil else {
      throw ConfigurationError(diagnostics: diagnostics.sorted)
    }
    PresenceCheck(store: store, diagnostics: diagnostics).check(place)
    let bootstrap: Envoy_Config_Bootstrap_V3_Bootstrap
    do {
      bootstrap = try Envoy_Config_Bootstrap_V3_Bootstrap(serializedBytes: wire)
    } catch {
      // The walk wrote these bytes, so this is our own mistake and not the file's.
      diagnostics.error(
        "internal error: the configuration cannot be decoded: \(error)", file: 0, line: nil)
      throw ConfigurationError(diagnostics: diagnostics.sorted)
    }
    let conversion = Conversion(diagnostics: diagnostics, readsFiles: readsFiles, plugins: plugins)
    conversion.nodeOverride = options.node
    let configuration = conversion.configuration(bootstrap, at: place)
    guard !diagnostics.hasErrors else { throw ConfigurationError(diagnostics: diagnostics.sorted) }
    return LoadedConfiguration(
      configuration: configuration, warnings: diagnostics.warnings,
      dump: ConfigurationDump(wire, catalog: options.catalog))
  }
}
