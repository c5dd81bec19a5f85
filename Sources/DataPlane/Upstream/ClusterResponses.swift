// What a cluster counts of each answer: its code and its time, for all requests, for those of internal
// and of external clients, and for those that a canary answered; and the codes of answers after which
// the request was sent again, which count for nothing else.

struct ClusterResponses {
  private let all: ResponseCodes
  private let internalClients: ResponseCodes
  private let externalClients: ResponseCodes
  private let canaries: ResponseCodes
  private let retried: ResponseCodes
  private let histograms: Histograms<ClusterHistogram>

  init(cluster: String, context: WorkerContext) {
    let scope = StatValue.Scope.cluster(cluster)
    func codes(_ group: ResponseCodeGroup) -> ResponseCodes {
      context.stats.responseCodes(group, scope: scope, worker: context.index)
    }
    all = codes(.all)
    internalClients = codes(.internal)
    externalClients = codes(.external)
    canaries = codes(.canary)
    retried = codes(.retry)
    histograms = context.stats.histograms(
      ClusterHistogram.self, scope: scope, worker: context.index)
  }

  /// An answer, the upstream's or the router's own in its place.
  @inline(__always)
  func count(_ status: Int, isInternal: Bool, isCanary: Bool) {
    all.add(status)
    if isInternal { internalClients.add(status) } else { externalClients.add(status) }
    if isCanary { canaries.add(status) }
  }

  /// An answer that is not for the client: the request is sent again.
  func countRetried(_ status: Int) { retried.add(status) }

  /// The time from the end of the request to the end of the upstream's answer.
  @inline(__always)
  func time(from start: UInt64, to end: UInt64, isInternal: Bool, isCanary: Bool) {
    histograms.record(.requestTime, from: start, to: end)
    histograms.record(isInternal ? .internalRequestTime : .externalRequestTime, from: start, to: end)
    if isCanary { histograms.record(.canaryRequestTime, from: start, to: end) }
  }
}
