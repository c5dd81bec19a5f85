// What the plugin needs of libffi: a call interface prepared once, for a list of plain types, and calls of
// it.
#include <ffi.h>
#include <stdint.h>
#include <stdlib.h>

// Kinds of values, in the order of `ScalarType` in the plugin's sources; the two behind them are its own.
enum { MARTLET_FFI_POINTER = 10, MARTLET_FFI_VOID = 11 };

typedef struct martlet_ffi_interface {
  ffi_cif cif;
  ffi_type *types[];
} martlet_ffi_interface;

static inline ffi_type *martlet_ffi_type(uint8_t kind) {
  ffi_type *const types[] = {&ffi_type_sint8,  &ffi_type_uint8,  &ffi_type_sint16, &ffi_type_uint16,
                             &ffi_type_sint32, &ffi_type_uint32, &ffi_type_sint64, &ffi_type_uint64,
                             &ffi_type_float,  &ffi_type_double, &ffi_type_pointer, &ffi_type_void};
  return types[kind];
}

// NULL where there is no memory or libffi does not know how. For ever.
static inline martlet_ffi_interface *martlet_ffi_prepare(uint8_t result, const uint8_t *kinds,
                                                         uint32_t count) {
  martlet_ffi_interface *made = malloc(sizeof *made + count * sizeof(ffi_type *));
  if (!made) return NULL;
  for (uint32_t index = 0; index < count; index++) made->types[index] = martlet_ffi_type(kinds[index]);
  ffi_type *const type = martlet_ffi_type(result);
  if (ffi_prep_cif(&made->cif, FFI_DEFAULT_ABI, count, type, made->types) == FFI_OK) return made;
  free(made);
  return NULL;
}

static inline void martlet_ffi_release(martlet_ffi_interface *made) { free(made); }

// `result` has room for 16 bytes.
static inline void martlet_ffi_call(martlet_ffi_interface *made, void *function, void *result,
                                    void **arguments) {
  ffi_call(&made->cif, (void (*)(void))function, result, arguments);
}

static inline void martlet_ffi_free(void *function, void *memory) { ((void (*)(void *))function)(memory); }
