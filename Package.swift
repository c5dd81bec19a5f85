// swift-tools-version: 6.2
// The package: one target a job, from the ground up (see Docs/architecture.md).
// Plugins and samples are built by their own build files and never stand here.
import PackageDescription

/// Swift 6 language mode everywhere. Warnings are no errors, so that a newer compiler's new one never
/// breaks a user's build.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

/// The data plane's release build does without the dynamic exclusivity checks, which cost 3 % of a
/// small request (swift_beginAccess and its set); debug builds and the sanitizers' keep them. Nor do its leaf
/// functions keep frame pointers, which cost what filters ask for a nanosecond of five; all others do.
let dataPlane: [SwiftSetting] =
  strict + [
    .unsafeFlags(
      ["-enforce-exclusivity=unchecked", "-Xcc", "-momit-leaf-frame-pointer"], .when(configuration: .release))
  ]

let package = Package(
  name: "martlet",
  products: [
    .executable(name: "martlet", targets: ["martlet"]),
    // For authors of filters; depends on nothing but the C header.
    .library(name: "MartletSDK", targets: ["MartletSDK"]),
    // And for the unit tests of their filters: a host that plays streams to them.
    .library(name: "MartletTestHost", targets: ["MartletTestHost"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(
      url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1",
      // Without full Foundation: ICU costs start time and memory and the admin needs neither.
      traits: []),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
  ],
  targets: [
    .target(name: "CMartletABI"),
    .target(name: "CMartletSystem"),
    // Which plugin a thread is in: for crash reports, the watchdog and the cost of filters.
    .target(name: "CMartletBlame"),
    .target(name: "CServerSystem"),
    .systemLibrary(
      name: "CAres", pkgConfig: "libcares", providers: [.apt(["libc-ares-dev"])]),
    // SHA-256 (libssl-dev).
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    // RE2 behind a C face (libre2-dev), and the header of xxHash (libxxhash-dev).
    .target(name: "CMartletRegex", linkerSettings: [.linkedLibrary("re2")]),
    .target(name: "CMartletHash"),
    .target(name: "CMartletScan"),
    .target(
      name: "MartletSDK", dependencies: ["CMartletABI"],
      swiftSettings: strict + [.enableExperimentalFeature("Lifetimes")]),
    .target(name: "MartletTestHost", dependencies: ["CMartletABI"], swiftSettings: strict),
    .target(name: "Model", swiftSettings: strict),
    .target(
      name: "DataPlane",
      dependencies: [
        "Model", "CMartletABI", "CMartletSystem", "CMartletBlame", "CMartletRegex", "CMartletHash",
        "CMartletScan", "CAres",
      ],
      swiftSettings: dataPlane),
    .target(
      name: "EnvoyConfiguration",
      dependencies: [
        "Model", "CMartletRegex", "Yams", .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ],
      swiftSettings: strict),
    .target(
      name: "Admin",
      dependencies: [
        "Model", "CMartletRegex",
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .target(
      name: "PluginHost",
      dependencies: ["Model", "CMartletABI", "CMartletSystem", "CMartletBlame", "CMartletRegex", "CCrypto"],
      swiftSettings: strict),
    // The author tools (`martlet plugin`), and what they put between a plugin and the host.
    .target(name: "CPluginTools", dependencies: ["CMartletABI"], exclude: ["Templates"]),
    .target(
      name: "PluginTools",
      dependencies: [
        "Model", "DataPlane", "PluginHost", "EnvoyConfiguration", "CMartletABI", "CMartletSystem",
        "CPluginTools",
      ],
      swiftSettings: strict),
    .target(
      name: "Server",
      dependencies: [
        "Model", "DataPlane", "PluginHost", "EnvoyConfiguration", "Admin", "CServerSystem", "CMartletBlame",
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "martlet",
      dependencies: [
        "Server", "PluginTools", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "MartletSDKTests", dependencies: ["MartletSDK", "MartletTestHost", "CMartletABI"],
      path: "Tests/MartletSDKTests", swiftSettings: strict),
    .testTarget(
      name: "ModelTests", dependencies: ["Model"], path: "Tests/ModelTests",
      swiftSettings: strict),
    .testTarget(
      name: "DataPlaneTests",
      dependencies: ["DataPlane", "Model", "CMartletABI", "CMartletSystem"],
      path: "Tests/DataPlaneTests", swiftSettings: strict),
    .testTarget(
      name: "EnvoyConfigurationTests", dependencies: ["EnvoyConfiguration", "Model"],
      path: "Tests/EnvoyConfigurationTests", resources: [.copy("Inputs")], swiftSettings: strict),
    .testTarget(
      name: "AdminTests", dependencies: ["Admin", "Model"], path: "Tests/AdminTests",
      swiftSettings: strict),
    .testTarget(
      name: "PluginHostTests", dependencies: ["PluginHost"], path: "Tests/PluginHostTests",
      swiftSettings: strict),
    .testTarget(
      name: "PluginToolsTests", dependencies: ["PluginTools", "PluginHost"], path: "Tests/PluginToolsTests",
      swiftSettings: strict),
    .testTarget(
      name: "ServerTests", dependencies: ["Server", "Admin", "DataPlane", "Model", "CMartletBlame"],
      path: "Tests/ServerTests", swiftSettings: strict),
  ]
)

// The fuzz targets are tests that replay their corpora; Scripts/fuzz.sh builds the same sources as
// a program around libFuzzer instead, for which it sets MARTLET_FUZZ.
let fuzzes = Context.environment["MARTLET_FUZZ"] != nil
package.targets.append(
  fuzzes
    ? .executableTarget(
      name: "fuzz", dependencies: ["DataPlane", "EnvoyConfiguration", "Model"], path: "Tests/Fuzz",
      exclude: ["Corpus", "Replay"], sources: ["Targets", "Driver"], swiftSettings: strict)
    : .testTarget(
      name: "FuzzTests", dependencies: ["DataPlane", "EnvoyConfiguration", "Model"], path: "Tests/Fuzz",
      exclude: ["Corpus", "Driver"], sources: ["Targets", "Replay"], swiftSettings: strict))
