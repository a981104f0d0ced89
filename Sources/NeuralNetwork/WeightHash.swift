import Digests

/// SHA-256 of the bits of all arrays, little-endian, one after the other.
public func weightHash(of parameters: [[Float]]) -> [UInt8] {
    var hash = SHA256()
    for array in parameters {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(array.count * 4)
        for number in array {
            let bits = number.bitPattern
            bytes.append(UInt8(truncatingIfNeeded: bits))
            bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
            bytes.append(UInt8(truncatingIfNeeded: bits >> 16))
            bytes.append(UInt8(truncatingIfNeeded: bits >> 24))
        }
        hash.update(bytes)
    }
    return hash.finalize()
}
