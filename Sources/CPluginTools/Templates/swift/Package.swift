// swift-tools-version: 6.2
// A filter for Martlet: it depends on the product MartletSDK alone.
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
  name: "my-filter",
  products: [.library(name: "my_filter", type: .dynamic, targets: ["MyFilter"])],
  dependencies: [.package(path: "MARTLET")],
  targets: [
    .target(
      name: "MyFilter", dependencies: [.product(name: "MartletSDK", package: "martlet")],
      linkerSettings: [.unsafeFlags(linking)])
  ]
)
