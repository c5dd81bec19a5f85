// x^y, from the C library's mathematics.
import Glibc

@inline(__always)
func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
