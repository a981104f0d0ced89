/// Undoes the five row filters of PNG (ISO/IEC 15948, clause 9).
enum PNGFilter {
    /// Restores the row of `count` bytes whose filter byte is at `row`; the row before it ends just there.
    static func undo(
        _ rows: inout [UInt8], row: Int, count: Int, distance: Int, isFirst: Bool
    ) throws(ImageError) {
        let filter = rows[row]
        guard filter <= 4 else { throw ImageError(.badFilter, offset: row) }
        guard filter > 0 else { return }
        precondition(row + 1 + count <= rows.count && (isFirst || row >= count), "rows within the data")
        rows.withUnsafeMutableBufferPointer { buffer in
            let line = buffer.baseAddress! + row + 1
            // On the first row the bytes above count as zero.
            let above = isFirst ? nil : line - (count + 1)
            switch filter {
            case 1:
                for i in stride(from: distance, to: count, by: 1) { line[i] &+= line[i &- distance] }
            case 2:
                guard let above else { return }
                for i in 0..<count { line[i] &+= above[i] }
            case 3:
                for i in 0..<count {
                    let left = i >= distance ? Int(line[i &- distance]) : 0
                    let up = above.map { Int($0[i]) } ?? 0
                    line[i] &+= UInt8(truncatingIfNeeded: (left &+ up) &>> 1)
                }
            default:
                for i in 0..<count {
                    let left = i >= distance ? Int(line[i &- distance]) : 0
                    let up = above.map { Int($0[i]) } ?? 0
                    let corner = i >= distance ? above.map { Int($0[i &- distance]) } ?? 0 : 0
                    line[i] &+= UInt8(truncatingIfNeeded: paeth(left, up, corner))
                }
            }
        }
    }

    @inline(__always)
    private static func paeth(_ left: Int, _ up: Int, _ corner: Int) -> Int {
        let byLeft = abs(up &- corner)
        let byUp = abs(left &- corner)
        let byCorner = abs(left &+ up &- corner &- corner)
        if byLeft <= byUp && byLeft <= byCorner { return left }
        return byUp <= byCorner ? up : corner
    }
}
