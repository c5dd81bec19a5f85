// swift-tools-version: 6.2
// The filters that come with Martlet: each a library of its own, built on MartletSDK and nothing of
// the core, one folder each. Scripts/plugins.sh builds them as they are installed.
import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableExperimentalFeature("Lifetimes"),
]

/// The entry is the only symbol that a library exports, and it binds to its own symbols first, so that
/// types of the same name in the host or in another plugin are never taken for its own. It uses the
/// Swift runtime that the proxy uses; with SELF_CONTAINED=1 it brings one of its own.
let selfContained = Context.environment["SELF_CONTAINED"] != nil
let plugin: [LinkerSetting] = [
  .unsafeFlags(
    [
      "-Xlinker", "--version-script=\(Context.packageDirectory)/exports.map",
      "-Xlinker", "-Bsymbolic", "-Xlinker", "-z", "-Xlinker", "defs",
      // gold leaves names of its own among the exported ones; the sections of Swift's metadata, which
      // nothing refers to, have to be kept.
      "-use-ld=lld", "-Xlinker", "-z", "-Xlinker", "nostart-stop-gc",
    ]
      + (selfContained
        ? [
          "-static-stdlib", "-l_FoundationCollections", "-l_FoundationCShims",
          "-lswiftSynchronization",
        ] : []))
]

let sdk: Target.Dependency = .product(name: "MartletSDK", package: "martlet")
let testHost: Target.Dependency = .product(name: "MartletTestHost", package: "martlet")
let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")

let package = Package(
  name: "martlet-plugins",
  products: [
    .library(name: "martlet-header-mutation", type: .dynamic, targets: ["HeaderMutationLibrary"]),
    .library(name: "martlet-fault", type: .dynamic, targets: ["FaultLibrary"]),
    .library(name: "martlet-foreign-function", type: .dynamic, targets: ["ForeignFunctionLibrary"]),
    .library(name: "martlet-local-rate-limit", type: .dynamic, targets: ["LocalRateLimitLibrary"]),
  ],
  dependencies: [
    .package(name: "martlet", path: ".."),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
  ],
  targets: [
    // What several plugins have in common: Envoy's matchers and shares.
    .target(
      name: "EnvoyMatchers", dependencies: [sdk, protobuf], path: "Shared/Sources",
      swiftSettings: strict),
    .target(
      name: "HeaderMutation", dependencies: ["EnvoyMatchers", sdk, protobuf],
      path: "HeaderMutation/Sources", swiftSettings: strict),
    .target(
      name: "HeaderMutationLibrary", dependencies: ["HeaderMutation", sdk],
      path: "HeaderMutation/Library", swiftSettings: strict, linkerSettings: plugin),
    .target(
      name: "Fault", dependencies: ["EnvoyMatchers", sdk, protobuf], path: "Fault/Sources",
      swiftSettings: strict),
    .target(
      name: "FaultLibrary", dependencies: ["Fault", sdk], path: "Fault/Library",
      swiftSettings: strict, linkerSettings: plugin),
    .systemLibrary(
      name: "CForeignFunction", path: "ForeignFunction/System", pkgConfig: "libffi",
      providers: [.apt(["libffi-dev"])]),
    .target(
      name: "ForeignFunction", dependencies: ["CForeignFunction", "EnvoyMatchers", sdk, protobuf],
      path: "ForeignFunction/Sources", swiftSettings: strict),
    .target(
      name: "ForeignFunctionLibrary", dependencies: ["ForeignFunction", sdk], path: "ForeignFunction/Library",
      swiftSettings: strict, linkerSettings: plugin),
    .testTarget(
      name: "ForeignFunctionTests", dependencies: ["ForeignFunction", "EnvoyMatchers", testHost, protobuf],
      path: "ForeignFunction/Tests", swiftSettings: strict),
    .target(
      name: "LocalRateLimit", dependencies: ["EnvoyMatchers", sdk, protobuf],
      path: "LocalRateLimit/Sources", swiftSettings: strict),
    .target(
      name: "LocalRateLimitLibrary", dependencies: ["LocalRateLimit", sdk],
      path: "LocalRateLimit/Library", swiftSettings: strict, linkerSettings: plugin),
    .testTarget(
      name: "HeaderMutationTests", dependencies: ["HeaderMutation", "EnvoyMatchers", testHost, protobuf],
      path: "HeaderMutation/Tests", swiftSettings: strict),
    .testTarget(
      name: "FaultTests", dependencies: ["Fault", "EnvoyMatchers", testHost, protobuf], path: "Fault/Tests",
      swiftSettings: strict),
    .testTarget(
      name: "LocalRateLimitTests", dependencies: ["LocalRateLimit", "EnvoyMatchers", testHost, protobuf],
      path: "LocalRateLimit/Tests", swiftSettings: strict),
  ]
)
