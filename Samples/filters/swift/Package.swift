// swift-tools-version: 6.2
// A filter in Swift, built outside of Martlet's package: it depends on the product MartletSDK alone.
// Elsewhere than in Martlet's tree the dependency is its URL and a version.
import PackageDescription

// SELF_CONTAINED=1: the library brings its own Swift runtime and needs none on the machine.
// The version script leaves the entry as the only symbol, in both forms.
let selfContained = Context.environment["SELF_CONTAINED"] != nil
let linking =
  (selfContained ? ["-static-stdlib"] : [])
  + [
    "-use-ld=lld", "-Xlinker", "--version-script=\(Context.packageDirectory)/exports.map",
    "-Xlinker", "-Bsymbolic", "-Xlinker", "-z", "-Xlinker", "nostart-stop-gc",
  ]

let package = Package(
  name: "greeting",
  products: [.library(name: "greeting", type: .dynamic, targets: ["Greeting"])],
  dependencies: [.package(name: "martlet", path: Context.environment["MARTLET_PACKAGE"] ?? "../../..")],
  targets: [
    .target(
      name: "Greeting", dependencies: [.product(name: "MartletSDK", package: "martlet")],
      linkerSettings: [.unsafeFlags(linking)])
  ]
)
