// What a call needs of a function's layout, in lists that are read without counting references: all workers
// read them at once.
import Glibc
import MartletSDK

struct CallPlan: ~Copyable, Sendable {
  /// Text of the signature, ended by NUL.
  struct Constant: ~Copyable, @unchecked Sendable {
    let parameter: Int
    let text: UnsafeMutablePointer<CChar>

    init(_ parameter: Int, _ text: String) {
      self.parameter = parameter
      self.text = strdup(text)
    }

    deinit { free(text) }
  }

  let image: FrozenBytes
  let pointers: FrozenList<FrameLayout.Pointer>
  let sizes: FrozenList<FrameLayout.Size>
  let constants: FrozenList<Constant>
  let parameterCount: Int

  init(_ layout: FrameLayout) {
    image = FrozenBytes(layout.image)
    pointers = FrozenList(layout.pointers)
    sizes = FrozenList(layout.sizes)
    constants = FrozenList(count: layout.constants.count) {
      Constant(layout.constants[$0].parameter, layout.constants[$0].text)
    }
    parameterCount = layout.kinds.count
  }
}
