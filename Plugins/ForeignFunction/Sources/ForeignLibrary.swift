// Finds functions in shared libraries. What is loaded stays: a library may have threads of its own, and
// pointers into it may be anywhere.
import Glibc

/// Why there is no such library or symbol.
struct ForeignLibraryError: Error {
  enum Field: String { case library, symbol, signature }
  let field: Field
  let message: String
}

enum ForeignLibrary {
  /// On the control thread. An empty `library` is what the process has already.
  static func symbol(
    _ name: String, of library: String, field: ForeignLibraryError.Field = .symbol
  ) throws(ForeignLibraryError) -> UnsafeMutableRawPointer {
    _ = dlerror()
    let handle = library.isEmpty ? dlopen(nil, RTLD_NOW) : dlopen(library, RTLD_NOW | RTLD_LOCAL)
    guard let handle else { throw ForeignLibraryError(field: .library, message: problem()) }
    _ = dlerror()
    guard let symbol = dlsym(handle, name) else {
      let place =
        library.isEmpty ? "the process has no symbol `\(name)`" : "`\(library)` has no symbol `\(name)`"
      throw ForeignLibraryError(field: field, message: place)
    }
    return symbol
  }

  private static func problem() -> String {
    dlerror().map { String(cString: $0) } ?? "cannot be loaded"
  }
}
