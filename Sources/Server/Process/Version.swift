// What this program calls itself.

/// Version of the program.
public enum Version {
  public static let number = "0.1.0"

  /// `0.1.0/RELEASE`, as `--version` and `/server_info` show it.
  public static var text: String {
    #if DEBUG
      "\(number)/DEBUG"
    #else
      "\(number)/RELEASE"
    #endif
  }
}
