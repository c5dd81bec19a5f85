// `local_reply_config`: what the proxy's own answers look like.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func localReplies(
    _ message: Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_LocalReplyConfig, at place: Place
  ) -> LocalReplies {
    var replies = LocalReplies()
    if message.hasBodyFormat {
      replies.bodyFormat = format(message.bodyFormat, at: place.field("body_format"))
    }
    replies.mappers = message.mappers.enumerated().compactMap { index, mapper in
      let mapperPlace = place.field("mappers").element(index)
      guard let filter = accessLogFilter(mapper.filter, at: mapperPlace.field("filter")) else {
        return nil
      }
      var result = LocalReplies.Mapper(filter: filter)
      if mapper.hasStatusCode { result.status = Int(mapper.statusCode.value) }
      if mapper.hasBody {
        result.body = bytes(mapper.body, limit: DataSourceLimit.file, at: mapperPlace.field("body"))
      }
      if mapper.hasBodyFormatOverride {
        result.bodyFormat = format(
          mapper.bodyFormatOverride, at: mapperPlace.field("body_format_override"))
      }
      result.headersToAdd = headerAdditions(
        mapper.headersToAdd, at: mapperPlace.field("headers_to_add"))
      return result
    }
    return replies
  }
}
