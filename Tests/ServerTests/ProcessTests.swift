// What surrounds a process: base ids, limits, small files, processors.
import Glibc
import Model
import Testing

@testable import Server

@Suite struct ProcessTests {
  @Test func aBaseIDIsHeldOnce() throws {
    let id = UInt32.random(in: 1_000_000 ... .max)
    let held = try #require(try BaseIDLock.take(.fixed(id)))
    #expect(held.id == id)
    do {
      _ = try BaseIDLock.take(.fixed(id))
      Issue.record("held twice")
    } catch {
      #expect(error.description.hasPrefix("unable to take base id \(id): another martlet holds it"))
    }
    #expect(try BaseIDLock.take(.none) == nil)
    let first = try #require(try BaseIDLock.take(.dynamic))
    let second = try #require(try BaseIDLock.take(.dynamic))
    #expect(first.id != second.id)
  }

  @Test func cpuLimits() {
    #expect(ProcessorCount.processors(ofLimit: "max 100000\n") == nil)
    #expect(ProcessorCount.processors(ofLimit: "250000 100000\n") == 2)
    #expect(ProcessorCount.processors(ofLimit: "50000 100000") == 1)
    #expect(ProcessorCount.processors(ofLimit: "") == nil)
    #expect(ProcessorCount.processors(ofLimit: "1 0") == nil)
    #expect(ProcessorCount.usable() >= 1)
  }

  @Test func smallFiles() throws {
    let path = "/tmp/martlet-small-\(getpid())"
    defer { unlink(path) }
    try SmallFile.write("127.0.0.1:1", to: path, purpose: "the admin address")
    try SmallFile.write("127.0.0.1:22", to: path, purpose: "the admin address")
    #expect(SmallFile.read(path) == "127.0.0.1:22")
    #expect(SmallFile.read("/nonexistent/a") == nil)
    do {
      try SmallFile.write("a", to: "/nonexistent/a", purpose: "the admin address")
      Issue.record("written")
    } catch {
      #expect(
        error.description
          == "cannot write the admin address to '/nonexistent/a': No such file or directory")
    }
  }

  @Test func surroundings() {
    #expect(DescriptorLimit.raise() > 0)
    #expect(ProcessMemory.resident() > 1 << 20)
    #expect(ProcessMemory.allocator().inUse > 0)
    #expect(LocalAddress.find(.v4).family == .v4)
    #expect(LocalAddress.find(.v6).family == .v6)
  }
}
