// The admin over real sockets: every kind of address, limits, and the end.
import Glibc
import Model
import Synchronization
import Testing

@testable import Admin

/// The clients block, and so must not stand on the threads that answer them: every test is on a
/// thread of its own.
@Suite struct AdminServerTests {
  private static let loopback = SocketAddress.ip(IPAddress(v4: 0x7f00_0001), port: 0)

  private func serve(
    _ fixture: Fixture, on address: SocketAddress = loopback,
    accessLog: (@Sendable (String) -> Void)? = nil
  ) throws -> AdminServer {
    let server = AdminServer(
      socket: try AdminSocket(bindingTo: address), source: fixture.source, accessLog: accessLog)
    server.start { Issue.record("admin failed: \($0)") }
    return server
  }

  @Test func answersOverTCP() async throws {
    try await onThread {
      let lines = Mutex<[String]>([])
      let server = try serve(Fixture()) { line in lines.withLock { $0.append(line) } }
      defer { server.stop() }
      guard case .ip(_, let port) = server.address else { return }
      #expect(port != 0)
      let answer = try Client.exchange(server.address, "GET /ready HTTP/1.1\r\nhost: a\r\n\r\n")
      #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
      #expect(answer.hasSuffix("\r\n\r\nLIVE\n"))
      #expect(answer.lowercased().contains("content-type: text/plain; charset=utf-8\r\n"))
      #expect(server.counters.requestsTotal == 1)
      #expect(server.counters.responses == [0, 1, 0, 0, 0])
      #expect(lines.withLock { $0 }.first?.contains("\"GET /ready HTTP/1.1\" 200 ") == true)
    }
  }

  @Test func headHasNoBody() async throws {
    try await onThread {
      let server = try serve(Fixture())
      defer { server.stop() }
      let answer = try Client.exchange(server.address, "HEAD /ready HTTP/1.1\r\nhost: a\r\n\r\n")
      #expect(answer.lowercased().contains("content-length: 5\r\n"))
      #expect(answer.hasSuffix("\r\n\r\n"))
    }
  }

  @Test func quits() async throws {
    try await onThread {
      let fixture = Fixture()
      let server = try serve(fixture)
      defer { server.stop() }
      let request = "POST /quitquitquit HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"
      #expect(try Client.exchange(server.address, request).hasSuffix("OK\n"))
      for _ in 0..<1000 where fixture.quits.withLock({ $0 }) == 0 { usleep(1000) }
      #expect(fixture.quits.withLock { $0 } == 1)
    }
  }

  @Test func refusesLargeHeads() async throws {
    try await onThread {
      let server = try serve(Fixture())
      defer { server.stop() }
      let field = "x: " + String(repeating: "a", count: AdminServer.maximumHeaderBytes) + "\r\n"
      let answer = try Client.exchange(
        server.address, "GET /ready HTTP/1.1\r\nhost: a\r\n\(field)\r\n")
      #expect(!answer.contains("200 OK"))
    }
  }

  @Test func refusesLargeBodies() async throws {
    try await onThread {
      let server = try serve(Fixture())
      defer { server.stop() }
      let body = String(repeating: "a", count: AdminServer.maximumBodyBytes + 1)
      let answer = try Client.exchange(
        server.address,
        "POST /ready HTTP/1.1\r\nhost: a\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)")
      #expect(answer.hasPrefix("HTTP/1.1 413 "))
    }
  }

  /// Clients that connect and say nothing, or half of it, cost nobody else anything.
  @Test func slowClientsBlockNothing() async throws {
    try await onThread {
      let server = try serve(Fixture())
      defer { server.stop() }
      let slow = try (0..<20).map { _ in try Client(server.address) }
      for client in slow { client.send("GET /stats HTTP/1.1\r\nho") }
      let answer = try Client.exchange(server.address, "GET /ready HTTP/1.1\r\nhost: a\r\n\r\n")
      #expect(answer.hasSuffix("LIVE\n"))
      withExtendedLifetime(slow) {}
    }
  }

  @Test func connectionsAreLimited() async throws {
    try await onThread {
      let server = try serve(Fixture())
      defer { server.stop() }
      let idle = try (0..<AdminServer.maximumConnections).map { _ in try Client(server.address) }
      for _ in 0..<2000 where server.counters.connectionsActive < idle.count { usleep(1000) }
      #expect(try Client(server.address).receive().isEmpty)
      #expect(server.counters.connectionsOverflow == 1)
      withExtendedLifetime(idle) {}
    }
  }

  @Test func unixSockets() async throws {
    try await onThread {
      let path = "/tmp/martlet-admin-\(getpid()).sock"
      let abstract = "martlet-admin-\(getpid())"
      for address in [SocketAddress.unix(path: path, mode: 0o600), .unixAbstract(name: abstract)] {
        let server = try serve(Fixture(), on: address)
        let answer = try Client.exchange(address, "GET /ready HTTP/1.1\r\nhost: a\r\n\r\n")
        #expect(answer.hasSuffix("LIVE\n"))
        if case .unix = address {
          var status = stat()
          #expect(stat(path, &status) == 0)
          #expect(status.st_mode & 0o777 == 0o600)
          // A second one does not steal the path of a living one; a stale one is replaced.
          #expect(throws: AdminSocket.Problem.self) { try AdminSocket(bindingTo: address) }
          server.stop()
          let again = try AdminSocket(bindingTo: address)
          close(again.descriptor)
          unlink(path)
        } else {
          server.stop()
        }
      }
    }
  }

  @Test func ipv6() async throws {
    try await onThread {
      let server = try serve(Fixture(), on: .ip(IPAddress(v6High: 0, low: 1), port: 0))
      defer { server.stop() }
      #expect(server.address.description.hasPrefix("[::1]:"))
      let answer = try Client.exchange(server.address, "GET /ready HTTP/1.1\r\nhost: a\r\n\r\n")
      #expect(answer.hasSuffix("LIVE\n"))
    }
  }

  @Test func aPortInUseIsAnError() async throws {
    try await onThread {
      let first = try AdminSocket(bindingTo: Self.loopback)
      defer { close(first.descriptor) }
      do {
        _ = try AdminSocket(bindingTo: first.address)
        Issue.record("bound twice")
      } catch {
        #expect(
          "\(error)" == "cannot bind admin '\(first.address)': bind: Address already in use")
      }
    }
  }
}
