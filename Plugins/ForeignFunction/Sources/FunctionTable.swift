// The functions of one message, by name.
import MartletSDK

struct FunctionTable: Sendable {
  private let functions: [String: ForeignFunction]

  /// Reports all that is wrong with any of them, and leaves those out.
  init(
    _ messages: [Martlet_ForeignFunction_V1_Function], _ scope: inout ConfigurationScope
  ) {
    var functions: [String: ForeignFunction] = [:]
    for (index, message) in messages.enumerated() {
      let path = "functions[\(index)]"
      if functions[message.name] != nil {
        scope.refuse("there is a function \"\(message.name)\" already", at: "\(path).name")
      }
      do {
        functions[message.name] = try ForeignFunction(message, at: path)
      } catch let error as ConfigurationError {
        scope.refuse(error.message, at: error.path)
      } catch {
        scope.refuse("\(error)", at: path)
      }
    }
    self.functions = functions
  }

  func find(_ name: String, at path: String) throws -> ForeignFunction {
    if let found = functions[name] { return found }
    let names = functions.keys.sorted().map { "\"\($0)\"" }.joined(separator: ", ")
    throw ConfigurationError(
      "there is no function \"\(name)\"" + (names.isEmpty ? "" : "; there are \(names)"), at: path)
  }
}
