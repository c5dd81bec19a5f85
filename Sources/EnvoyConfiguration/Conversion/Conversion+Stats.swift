// Settings of statistics: tags, matcher, buckets.

internal import CMartletRegex
internal import Model

extension Conversion {
  func statsConfiguration(_ message: Envoy_Config_Metrics_V3_StatsConfig, at place: Place)
    -> StatsConfiguration
  {
    var result = StatsConfiguration()
    if message.hasUseAllDefaultTags { result.usesDefaultTags = message.useAllDefaultTags.value }
    var names: Set<String> = []
    for (index, tag) in message.statsTags.enumerated() {
      let tagPlace = place.field("stats_tags").element(index)
      if !names.insert(tag.tagName).inserted {
        error("the tag \"\(tag.tagName)\" is given twice", at: tagPlace.field("tag_name"))
      }
      if let converted = self.tag(tag, at: tagPlace) { result.tags.append(converted) }
    }
    if message.hasStatsMatcher {
      result.matcher = statsMatcher(message.statsMatcher, at: place.field("stats_matcher"))
    }
    for (index, settings) in message.histogramBucketSettings.enumerated() {
      let settingsPlace = place.field("histogram_bucket_settings").element(index)
      let buckets = settingsPlace.field("buckets")
      for (number, bound) in settings.buckets.enumerated() where bound <= 0 {
        error("expected a number above 0", at: buckets.element(number))
      }
      if settings.buckets.isEmpty, !buckets.isDoubtful { error("is required", at: buckets) }
      guard let match = stringMatcher(settings.match, at: settingsPlace.field("match")) else {
        continue
      }
      result.buckets.append(.init(match: match, bounds: settings.buckets.sorted()))
    }
    return result
  }

  private func tag(_ message: Envoy_Config_Metrics_V3_TagSpecifier, at place: Place)
    -> StatsConfiguration.Tag?
  {
    switch message.tagValue {
    case .fixedValue(let value)?:
      if message.tagName.isEmpty { error("must not be empty", at: place.field("tag_name")) }
      return .init(name: message.tagName, source: .fixed(value))
    case .regex(let pattern)? where !pattern.isEmpty:
      if message.tagName.isEmpty { error("must not be empty", at: place.field("tag_name")) }
      return tagExpression(pattern, at: place.field("regex")).map {
        .init(name: message.tagName, source: .expression($0))
      }
    case .regex, nil:
      // As Envoy writes them: `envoy.cluster_name` is the tag `envoy_cluster_name`.
      let name = message.tagName.replacing(".", with: "_")
      guard StatsConfiguration.standardTags.contains(name) else {
        error(
          "`regex` or `fixed_value` is required, for \"\(message.tagName)\" is not the name of a "
            + "default tag",
          at: place)
        return nil
      }
      return .init(name: name, source: .standard)
    }
  }

  private func tagExpression(_ pattern: String, at place: Place) -> String? {
    var text = pattern
    var reason = [CChar](repeating: 0, count: 256)
    let made = text.withUTF8 {
      martlet_regex_make($0.baseAddress, $0.count, &reason, reason.count)
    }
    guard let made else {
      let bytes = reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      error(
        "not a regular expression of RE2: \(String(decoding: bytes, as: UTF8.self))", at: place)
      return nil
    }
    defer { martlet_regex_free(made) }
    guard martlet_regex_group_count(made) > 0 else {
      error("expected a group: it is the part of the name that becomes the tag", at: place)
      return nil
    }
    return pattern
  }

  private func statsMatcher(_ message: Envoy_Config_Metrics_V3_StatsMatcher, at place: Place)
    -> StatsConfiguration.Matcher?
  {
    func patterns(_ list: Envoy_Type_Matcher_V3_ListStringMatcher, _ name: String) -> [StringMatcher] {
      let patternsPlace = place.field(name).field("patterns")
      return list.patterns.enumerated().compactMap {
        stringMatcher($1, at: patternsPlace.element($0))
      }
    }
    switch message.statsMatcher {
    case .rejectAll(let all)?: return all ? StatsConfiguration.Matcher.none : .all
    case .exclusionList(let list)?: return .excluding(patterns(list, "exclusion_list"))
    case .inclusionList(let list)?: return .including(patterns(list, "inclusion_list"))
    case nil: return nil  // required by the proto file
    }
  }
}
