// Handles of what lives on the control side: plugins and config scopes. Their first byte is 255, which no
// worker has. They may be asked about on any thread.
//
//     63      56 55            32 31  30 29        0
//     255          generation      kind     slot
import Model

enum ControlHandle {
  static let tag: UInt64 = 0xff << 56

  static func isControl(_ handle: UInt64) -> Bool { handle >> 56 == 0xff }
}

final class ControlHandles: Sendable {
  enum Object: Sendable {
    case plugin(LoadedPlugin)
    case config(ConfigScope)

    var kind: Kind {
      switch self {
      case .plugin: .plugin
      case .config: .config
      }
    }
  }
  private struct Slot {
    var object: Object?
    var generation: UInt64
  }
  private struct State {
    var slots: [Slot] = []
    var free: [Int] = []
  }
  private let state = Locked(State())

  enum Kind: UInt64 { case plugin, config }

  private static func handle(_ slot: Int, _ generation: UInt64, _ kind: Kind) -> UInt64 {
    ControlHandle.tag | generation << 32 | kind.rawValue << 30 | UInt64(slot)
  }

  /// A handle for an object that is still being made.
  func reserve(_ kind: Kind = .plugin) -> UInt64 {
    state.withLock { state in
      if let slot = state.free.popLast() { return Self.handle(slot, state.slots[slot].generation, kind) }
      state.slots.append(Slot(object: nil, generation: 1))
      return Self.handle(state.slots.count - 1, 1, kind)
    }
  }

  func fill(_ handle: UInt64, _ object: Object) {
    state.withLock { $0.slots[Int(handle & 0x3fff_ffff)].object = object }
  }

  subscript(_ handle: UInt64) -> Object? {
    let slot = Int(handle & 0x3fff_ffff)
    return state.withLock { state in
      guard slot < state.slots.count, let object = state.slots[slot].object,
        Self.handle(slot, state.slots[slot].generation, object.kind) == handle
      else { return nil }
      return object
    }
  }

  /// Also of a handle that was reserved and never filled.
  func remove(_ handle: UInt64) {
    let slot = Int(handle & 0x3fff_ffff)
    state.withLock { state in
      guard slot < state.slots.count, state.slots[slot].generation == handle >> 32 & 0xff_ffff else { return }
      state.slots[slot].object = nil
      state.slots[slot].generation = (state.slots[slot].generation + 1) & 0xff_ffff
      if state.slots[slot].generation == 0 { state.slots[slot].generation = 1 }
      state.free.append(slot)
    }
  }

  func plugin(_ handle: UInt64) -> LoadedPlugin? {
    switch self[handle] {
    case .plugin(let plugin): plugin
    case .config(let scope): scope.plugin
    case nil: nil
    }
  }

  func config(_ handle: UInt64) -> ConfigScope? {
    if case .config(let scope) = self[handle] { return scope }
    return nil
  }
}
