// Path templates, for matching and for rewriting.

internal import Model

typealias PathMatchExtension = ConfigurationExtension<PathTemplate>
/// Gives the text; its variables are checked against those of the match.
typealias PathRewriteExtension = ConfigurationExtension<String>

extension ConfigurationExtension where Output == PathTemplate {
  /// The category `envoy.path.match`.
  static var all: [Self] { [.uriTemplate] }

  static var uriTemplate: Self {
    Self(Envoy_Extensions_Path_Match_UriTemplate_V3_UriTemplateMatchConfig.self) {
      message, conversion, place in
      do throws(PathTemplate.Problem) {
        return try PathTemplate(message.pathTemplate)
      } catch {
        conversion.error(error.message, at: place.field("path_template"))
        return nil
      }
    }
  }
}

extension ConfigurationExtension where Output == String {
  /// The category `envoy.path.rewrite`.
  static var all: [Self] { [.uriTemplateRewrite] }

  static var uriTemplateRewrite: Self {
    Self(Envoy_Extensions_Path_Rewrite_UriTemplate_V3_UriTemplateRewriteConfig.self) {
      message, _, _ in message.pathTemplateRewrite
    }
  }
}
