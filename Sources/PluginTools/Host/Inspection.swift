// `martlet plugin inspect`: what the host says of a file, and what stands in the file itself, without a
// configuration or traffic. The plugin is opened, as a proxy would open it.
import CMartletABI
import Model
import PluginHost

/// What there is to say of one plugin.
struct Inspection {
  let report: PluginReport
  let file: ELFFile?
  /// Filters that the host does not take, and why.
  let refusals: [String]

  init(_ path: String) throws(ToolProblem) {
    let host = ToolHost(isInstrumented: false)
    report = try host.load(path)
    refusals = host.set.refusals
    file = Output.read(path).flatMap { ELFFile($0) }
    host.plugins.stop()
  }

  private static func name(_ kind: FilterKind) -> String { kind == .http ? "HTTP" : "network" }

  var text: String {
    var lines: [String] = []
    func add(_ name: String, _ value: String, _ indent: String = "") {
      let padding = String(repeating: " ", count: max(1, 14 - indent.count - name.count))
      lines.append(indent + name + padding + value)
    }
    add("id", report.version.id)
    add("version", report.version.version)
    add("ABI", "1.\(report.abiMinor) (this host: 1.\(MARTLET_ABI_MINOR))")
    add("file", report.path)
    add("sha256", report.version.hash)
    if let file {
      add("machine", file.machine)
      add("exports", file.exportedSymbols.joined(separator: ", "))
      add("needs", file.neededLibraries.isEmpty ? "nothing" : file.neededLibraries.joined(separator: ", "))
    }
    for filter in report.filters {
      add(
        "filter", "\(filter.name) (\(Self.name(filter.kind))\(filter.isTerminal ? ", ends its chain" : ""))")
      add("types", filter.typeNames.isEmpty ? "none" : filter.typeNames.joined(separator: ", "), "  ")
      if !filter.routeTypeNames.isEmpty {
        add("for routes", filter.routeTypeNames.joined(separator: ", "), "  ")
      }
      add(
        "reads",
        filter.descriptorBytes == 0
          ? "JSON" : "protobuf, checked by the host (\(filter.descriptorBytes) bytes of descriptors)", "  ")
      add("hooks", filter.hooks.joined(separator: ", "), "  ")
    }
    for refusal in refusals { add("refused", refusal) }
    return lines.joined(separator: "\n") + "\n"
  }

  var json: JSONValue {
    .members([
      "id": .string(report.version.id), "version": .string(report.version.version),
      "abi": .string("1.\(report.abiMinor)"), "host_abi": .string("1.\(MARTLET_ABI_MINOR)"),
      "path": .string(report.path), "sha256": .string(report.version.hash),
      "machine": file.map { .string($0.machine) } ?? .null,
      "exported_symbols": file.map { .strings($0.exportedSymbols) } ?? .null,
      "needed_libraries": file.map { .strings($0.neededLibraries) } ?? .null,
      "filters": .array(
        report.filters.map {
          .members([
            "name": .string($0.name), "kind": .string($0.kind == .http ? "http" : "network"),
            "terminal": .boolean($0.isTerminal), "type_names": .strings($0.typeNames),
            "route_type_names": .strings($0.routeTypeNames),
            "encoding": .string($0.descriptorBytes == 0 ? "json" : "protobuf"),
            "descriptor_bytes": .number($0.descriptorBytes), "hooks": .strings($0.hooks),
          ])
        }),
      "refused": .strings(refusals),
    ])
  }
}

public enum PluginInspection {
  /// Prints what there is to say of the file. Returns the exit code.
  public static func run(_ path: String, json: Bool) -> Int32 {
    do {
      let inspection = try Inspection(path)
      Output.write(json ? inspection.json.text() + "\n" : inspection.text)
      return ExitCode.success
    } catch {
      Output.error(error.message)
      return ExitCode.failed
    }
  }
}
