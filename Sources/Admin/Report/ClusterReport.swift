// A cluster as `/clusters` shows it.
public import Model

/// A cluster and its endpoints.
public struct ClusterReport: Sendable, Hashable {
  public struct Endpoint: Sendable, Hashable {
    /// One of an endpoint's own counters, `cx_active`, `rq_total`, ...
    public struct Counter: Sendable, Hashable {
      public let name: String
      public let value: UInt64
      public init(name: String, value: UInt64) {
        self.name = name
        self.value = value
      }
      /// A value that goes down again. The field's names say which.
      var isGauge: Bool { name.hasSuffix("_active") }
    }
    public let address: SocketAddress
    /// Empty: none given.
    public let hostname: String
    public let weight: UInt32
    public let locality: Locality
    public let priority: Int
    public let health: Model.Endpoint.Health
    /// In the order they are shown.
    public let counters: [Counter]
    /// What the configuration says of it, at the address above.
    public let model: Model.Endpoint

    public init(
      address: SocketAddress, hostname: String, weight: UInt32, counters: [Counter],
      locality: Locality = Locality(), priority: Int = 0,
      health: Model.Endpoint.Health = .healthy, model: Model.Endpoint? = nil
    ) {
      self.model = model ?? Model.Endpoint(address: address)
      self.address = address
      self.hostname = hostname
      self.weight = weight
      self.locality = locality
      self.priority = priority
      self.health = health
      self.counters = counters
    }
  }
  public let name: String
  public let endpoints: [Endpoint]
  public let circuitBreakers: CircuitBreakers
  /// Percent.
  public let overprovisioningFactor: UInt32

  public init(
    name: String, endpoints: [Endpoint], circuitBreakers: CircuitBreakers = CircuitBreakers(),
    overprovisioningFactor: UInt32 = 140
  ) {
    self.overprovisioningFactor = overprovisioningFactor
    self.name = name
    self.endpoints = endpoints
    self.circuitBreakers = circuitBreakers
  }
}
