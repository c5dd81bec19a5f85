// `local_reply_config`: what becomes of the proxy's own answers before they are sent. The first
// mapper whose filter takes the answer changes its status, body and fields; then a format makes the
// body anew.
import Model

final class LocalReplyRewriter {
  private struct Mapper {
    let filter: AccessLogFilterRuntime
    let status: Int?
    let body: OwnedText?
    let format: FormatProgram?
    let headers: HeaderRules?
  }
  private let mappers: [Mapper]
  private let format: FormatProgram?
  let needs: FormatNeeds

  init(_ model: LocalReplies, context: WorkerContext) {
    let names = context.names
    mappers = model.mappers.map { mapper in
      var added = HeaderMutations()
      added.add = mapper.headersToAdd
      return Mapper(
        filter: AccessLogFilterRuntime(mapper.filter, context: context), status: mapper.status,
        body: mapper.body.map { OwnedText($0) },
        format: mapper.bodyFormat.map { FormatProgram($0, names: names) },
        headers: HeaderRules.compile(added, names: names))
    }
    format = model.bodyFormat.map { FormatProgram($0, names: names) }
    var needs = format?.needs ?? []
    for mapper in mappers {
      needs.formUnion(mapper.format?.needs ?? [])
      needs.formUnion(mapper.headers?.needs ?? [])
    }
    self.needs = needs
  }

  /// What is sent instead of `body`, and its content type (nil: as it was). The bytes live until
  /// the worker's text buffer is written again. `head` has its status and the route's fields.
  func rewrite(
    _ body: ByteView, of head: MessageHead, _ context: inout FormatContext
  ) -> (body: ByteView, contentType: ByteView?) {
    var body = body
    var format = self.format
    var contentType: ByteView?
    for mapper in mappers where mapper.filter.matches(context) {
      if let replaced = mapper.body { body = replaced.view }
      mapper.headers?.apply(to: head, &context)
      if let status = mapper.status {
        head.status = status
        context.info.pointee.responseCode = status
      }
      if let own = mapper.format { format = own }
      break
    }
    if let format {
      context.localReplyBody = body
      let text = context.worker.text
      let start = text.count
      format.write(&context, to: text)
      body = text.view(from: start)
      // What is there is borrowed by the caller, who copies it at once.
      text.truncate(to: start)
      contentType = format.contentType.view
    }
    return (body, contentType)
  }
}
