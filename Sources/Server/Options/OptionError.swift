// What is wrong with a flag, in the words the user gets.

/// A flag's value that is refused. Printed as `error: <text>`; the process ends with 1.
public struct OptionError: Error, Sendable, Hashable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}
