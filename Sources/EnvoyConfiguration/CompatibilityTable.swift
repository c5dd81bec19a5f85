// Prints Docs/envoy-compatibility.md from the options of the proto files: the same options by
// which the walk accepts and refuses. A test compares the page with what is printed here.

package enum CompatibilityTable {
  /// The page, in Markdown.
  package static func markdown() -> String {
    let printer = Printer(store: SchemaStore())
    return printer.page()
  }
}

private struct Printer {
  let store: SchemaStore

  func page() -> String {
    let messages = store.messageNames.sorted().map { store.required($0) }
    var lines = [
      "# Envoy compatibility", "",
      "<!-- Printed from Protos/ by CompatibilityTable.swift; `make test` compares. To rewrite it:",
      "     MARTLET_REWRITE_DOCS=1 swift test --filter CompatibilityPageTests -->", "",
      "Every message and field of Envoy's v3 API that Martlet knows, and how far it goes. A field that",
      "does not stand here is not known; it is an error that names it, or with",
      "`--allow-unknown-static-fields` a warning.", "",
      "| state | meaning |", "|---|---|",
      "| supported | does what it does in Envoy |",
      "| limited | does so within the limits that the note says; anything else is an error |",
      "| no effect | accepted, and nothing changes; the note says why |",
      "| refused | an error with this text; a value that equals the default is accepted |", "",
      summary(messages), "", "## Extensions", "",
    ]
    lines += extensions(messages)
    lines += ["", "## Messages"]
    for message in messages { lines += section(message) }
    lines += legacy()
    return lines.joined(separator: "\n") + "\n"
  }

  private func summary(_ messages: [MessageSchema]) -> String {
    var counts: [String: Int] = [:]
    for message in messages {
      for field in message.fields { counts[state(of: field), default: 0] += 1 }
      counts["refused", default: 0] += message.refused.count
    }
    let parts = ["supported", "limited", "no effect", "refused"].map { "\(counts[$0] ?? 0) \($0)" }
    return "\(messages.count) messages, with \(parts.joined(separator: ", ")) fields."
  }

  private func extensions(_ messages: [MessageSchema]) -> [String] {
    var lines = ["| category | name | message of `typed_config` |", "|---|---|---|"]
    let known = messages.filter { !$0.category.isEmpty }.sorted {
      ($0.category, $0.name) < ($1.category, $1.name)
    }
    for message in known {
      lines.append("| \(message.category) | \(message.extensionName) | \(message.name) |")
    }
    return lines
  }

  private func section(_ message: MessageSchema) -> [String] {
    var lines = ["", "### \(message.name)", ""]
    if message.fields.isEmpty, message.refused.isEmpty { return lines + ["No fields."] }
    lines += ["| field | type | state | note |", "|---|---|---|---|"]
    for field in message.fields {
      lines.append(
        "| \(field.name) | \(type(of: field)) | \(state(of: field)) | \(notes(on: field, in: message)) |"
      )
    }
    for field in message.refused {
      var note = "`\(field.name)` is not supported: \(field.because)"
      if let accepted = field.accepts.last, !accepted.isEmpty {
        note += " (accepted: \(field.accepts.map { "`\($0)`" }.joined(separator: ", ")))"
      }
      lines.append("| \(field.name) | | refused | \(note) |")
    }
    return lines
  }

  private func state(of field: FieldSchema) -> String {
    if !field.rules.noEffect.isEmpty { return "no effect" }
    if !field.rules.limits.isEmpty || !field.rules.only.isEmpty || !refusedValues(of: field).isEmpty {
      return "limited"
    }
    return "supported"
  }

  private func refusedValues(of field: FieldSchema) -> [EnumerationSchema.Value] {
    guard case .enumeration(let name) = field.kind else { return [] }
    return store.enumeration(name).values.filter { $0.refused != nil }
  }

  private func notes(on field: FieldSchema, in message: MessageSchema) -> String {
    let rules = field.rules
    var notes: [String] = []
    if !rules.noEffect.isEmpty { notes.append(rules.noEffect) }
    if !rules.limits.isEmpty { notes.append(rules.limits) }
    if !rules.only.isEmpty {
      notes.append("only \(rules.only.map { "`\($0)`" }.joined(separator: ", ")): \(rules.why)")
    } else {
      for value in refusedValues(of: field) {
        notes.append("not `\(value.name)`: \(value.refused ?? "")")
      }
    }
    if !rules.extensions.isEmpty { notes.append("extensions of `\(rules.extensions)`") }
    notes += constraints(rules)
    if rules.hasItems { notes += constraints(rules.items).map { "each: \($0)" } }
    if let index = field.oneof, message.oneofs[index].fields.count > 1 {
      notes.append("one of `\(message.oneofs[index].name)`")
    }
    if let index = field.oneof, message.oneofs[index].isRequired,
      message.oneofs[index].fields.count == 1
    {
      notes.append("required")
    }
    if field.isDeprecated { notes.append("deprecated in Envoy") }
    return notes.joined(separator: "; ")
  }

  private func constraints(_ rules: Martlet_FieldRules) -> [String] {
    var notes: [String] = []
    if rules.required { notes.append("required") }
    if rules.hasMinLength { notes.append("\(rules.minLength) characters or more") }
    if rules.hasMaxLength { notes.append("\(rules.maxLength) characters or fewer") }
    if rules.hasMinItems { notes.append("\(rules.minItems) elements or more") }
    if rules.hasMaxItems { notes.append("\(rules.maxItems) elements or fewer") }
    if rules.unique { notes.append("no element twice") }
    if rules.hasAtLeast { notes.append("\(rules.atLeast) or more") }
    if rules.hasAtMost { notes.append("\(rules.atMost) or less") }
    if rules.header != .any { notes.append("no NUL, CR or LF") }
    return notes
  }

  private func type(of field: FieldSchema) -> String {
    let name: String
    switch field.kind {
    case .enumeration(let full), .message(let full):
      if let schema = store.message(full), schema.isMapEntry,
        let value = schema.field(named: "value")
      {
        return "map of \(type(of: value))"
      }
      name = String(full.split(separator: ".").last ?? "")
    default: name = "\(field.kind)"
    }
    return field.isRepeated ? "list of \(name)" : name
  }

  /// Names of the v2 age.
  private func legacy() -> [String] {
    var lines = [
      "", "## Files of the v2 age", "", "These are upgraded on load, with a warning for each.", "",
      "| v2 name of an extension | today |", "|---|---|",
    ]
    for (old, new) in LegacyNames.extensions.sorted(by: { $0.key < $1.key }) {
      lines.append("| \(old) | \(new) |")
    }
    lines += ["", "| v2 type in `@type` | today |", "|---|---|"]
    for (old, new) in LegacyNames.types.sorted(by: { $0.key < $1.key }) {
      lines.append("| \(old) | \(new) |")
    }
    lines += [
      "", "These v2 fields have no counterpart and are refused.", "",
      "| message | field | reason |", "|---|---|---|",
    ]
    for (message, fields) in LegacyNames.removedFields.sorted(by: { $0.key < $1.key }) {
      for (field, reason) in fields.sorted(by: { $0.key < $1.key }) {
        lines.append("| \(message) | \(field) | \(reason) |")
      }
    }
    return lines
  }
}
