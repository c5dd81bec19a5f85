// What a route changes of a request: its path and its host; and redirects that are followed here.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func pathRewrite(
    _ message: Envoy_Config_Route_V3_RouteAction, of match: RouteMatch?, at place: Place
  ) -> PathRewrite? {
    let given = [
      !message.prefixRewrite.isEmpty, message.hasRegexRewrite, message.hasPathRewritePolicy,
      !message.pathRewrite.isEmpty,
    ]
    if given.count(where: { $0 }) > 1 {
      error(
        "one of `prefix_rewrite`, `regex_rewrite`, `path_rewrite` and `path_rewrite_policy` at most may "
          + "be given", at: place)
    }
    if !message.pathRewrite.isEmpty {
      var format = textFormat(message.pathRewrite, at: place.field("path_rewrite"))
      // What has no value is left out; of a host it is a dash. So it is in Envoy.
      format?.omitEmptyValues = true
      return format.map { .format($0) }
    }
    var variables: [String]?
    if case .template(let template)? = match?.path { variables = template.variables }
    if message.hasPathRewritePolicy {
      return templateRewrite(
        message.pathRewritePolicy, variables, isKnown: match != nil,
        at: place.field("path_rewrite_policy").field("typed_config"))
    }
    if message.hasRegexRewrite {
      return regexSubstitution(message.regexRewrite, at: place.field("regex_rewrite"))
        .map { .regex($0) }
    }
    if message.prefixRewrite.isEmpty { return nil }
    if variables != nil {
      error("a match by template is rewritten by `path_rewrite_policy`", at: place.field("prefix_rewrite"))
    }
    return .prefix(message.prefixRewrite)
  }

  private func templateRewrite(
    _ policy: Envoy_Config_Core_V3_TypedExtensionConfig, _ variables: [String]?, isKnown: Bool,
    at place: Place
  ) -> PathRewrite? {
    guard
      let text = PathRewriteExtension.convert(
        policy.typedConfig, among: PathRewriteExtension.all, with: self, at: place)
    else { return nil }
    guard let variables else {
      // Where the match itself is wrong, it may be meant to have one.
      if isKnown { error("it needs a match by `path_match_policy` with a template", at: place) }
      return nil
    }
    do throws(PathTemplate.Problem) {
      return .template(try PathTemplateRewrite(text, variables: variables))
    } catch {
      self.error(error.message, at: place.field("path_template_rewrite"))
      return nil
    }
  }

  func hostRewrite(
    _ message: Envoy_Config_Route_V3_RouteAction, at place: Place
  ) -> HostRewrite? {
    switch message.hostRewriteSpecifier {
    case .hostRewriteLiteral(let host)? where !host.isEmpty: return .literal(host)
    case .autoHostRewrite(let flag)? where flag.value: return .endpoint
    case .hostRewriteHeader(let name)? where !name.isEmpty: return .header(name.lowercased())
    case .hostRewritePathRegex(let regex)?:
      return regexSubstitution(regex, at: place.field("host_rewrite_path_regex"))
        .map { .pathRegex($0) }
    case .hostRewrite(let text)? where !text.isEmpty:
      return textFormat(text, at: place.field("host_rewrite")).map { .format($0) }
    default: return nil
    }
  }

  func internalRedirect(
    _ message: Envoy_Config_Route_V3_InternalRedirectPolicy, at place: Place
  ) -> InternalRedirect {
    var redirect = InternalRedirect()
    if message.hasMaxInternalRedirects { redirect.most = message.maxInternalRedirects.value }
    if !message.redirectResponseCodes.isEmpty {
      let known: Set<Int> = [301, 302, 303, 307, 308]
      redirect.statuses = known.intersection(message.redirectResponseCodes.map { Int($0) })
      for (index, code) in message.redirectResponseCodes.enumerated()
      where !known.contains(Int(code)) {
        warning(
          "\(code) is no redirect that can be followed; ignored",
          at: place.field("redirect_response_codes").element(index))
      }
    }
    redirect.allowsCrossScheme = message.allowCrossSchemeRedirect
    redirect.predicates = message.predicates.enumerated().compactMap { index, predicate in
      RedirectPredicateExtension.convert(
        predicate.typedConfig, among: RedirectPredicateExtension.all, with: self,
        at: place.field("predicates").element(index).field("typed_config"))
    }
    redirect.headersToCopy = message.responseHeadersToCopy.enumerated().map { index, name in
      if name.hasPrefix(":") || name.lowercased() == "host" {
        error(
          "`\(name)` may not be copied",
          at: place.field("response_headers_to_copy").element(index))
      }
      return name.lowercased()
    }
    return redirect
  }
}
