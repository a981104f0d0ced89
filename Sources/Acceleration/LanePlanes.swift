import Autodiff
import CAcceleration

/// Which kernels run convolutions.
public enum AcceleratedKernels: Sendable, CaseIterable {
    /// Own kernels where they win on this machine, the library's for the rest.
    case best
    /// The library's only.
    case library
    /// Own kernels wherever they apply, also on machines where the library's are faster; for tests.
    case own

    var usesLanes: Bool {
        switch self {
        case .best: deai_lanes_pay() != 0
        case .library: false
        case .own: true
        }
    }
}

/// Images in lanes: sixteen images side by side, so that any number of channels fills the vectors without padding.
///
/// [group of 16 images][channel][row][column][16], with a border of zeros around each plane of a channel.
struct LanePlanes: Equatable {
    let groups: Int
    let height: Int
    let width: Int
    let channels: Int
    let border: Int

    /// - Parameter shape: NHWC, with a multiple of 16 images.
    init(_ shape: Shape, border: Int) {
        groups = shape[0] / 16
        height = shape[1]
        width = shape[2]
        channels = shape[3]
        self.border = border
    }

    private var row: Int { (width + 2 * border) * 16 }
    /// Planes a multiple of a page apart would all fall on the same lines of the cache.
    private var plane: Int {
        let count = (height + 2 * border) * row
        return count % 1024 == 0 ? count + 16 : count
    }

    var floatCount: Int { groups * channels * plane }
    var hasBorder: Bool { border > 0 }
    /// From the start of the memory to the first number inside the border.
    var origin: Int { border * row + border * 16 }
    var extent: deai_extent {
        deai_extent(channels: Int32(channels), height: Int32(height), width: Int32(width))
    }
    var strides: deai_planes { deai_planes(group: channels * plane, plane: plane, row: row) }

    func fromRows(_ rows: Storage, _ lanes: Storage) -> () throws(AccelerationError) -> GroupCall {
        {
            let (source, target) = (rows.floats, LaneValue(lanes, self))
            let strides = strides
            return { turn in
                withUnsafePointer(to: strides) {
                    deai_lanes_from_rows(
                        source, Int32(height), Int32(width), Int32(channels), $0, target.at(turn),
                        turn.first, turn.end)
                }
            }
        }
    }

    func toRows(_ lanes: Storage, _ rows: Storage) -> () throws(AccelerationError) -> GroupCall {
        {
            let (source, target) = (LaneValue(lanes, self), rows.floats)
            let strides = strides
            return { turn in
                withUnsafePointer(to: strides) {
                    deai_rows_from_lanes(
                        source.at(turn), Int32(height), Int32(width), Int32(channels), $0, target,
                        turn.first, turn.end)
                }
            }
        }
    }
}

/// Where the calls of a plan find a value that has its images in lanes.
struct LaneValue {
    /// The first number inside the border.
    private let first: UnsafeMutablePointer<Float>
    private let isPassing: Bool
    private let (group, thread): (Int, Int)

    init(_ storage: Storage, _ planes: LanePlanes) {
        first = storage.floats + planes.origin
        isPassing = storage.isPassing
        group = planes.strides.group
        thread = storage.threadStep / 4
    }

    /// Where the first group of the batch would begin, for a thread that works on these.
    func at(_ turn: Turn) -> UnsafeMutablePointer<Float> {
        isPassing ? first + (turn.thread * thread - turn.group * group) : first
    }
}

extension Layout {
    static func lanes(_ shape: Shape, border: Int) -> Layout {
        var layout = Layout.rowMajor(shape)
        layout.lanes = LanePlanes(shape, border: border)
        return layout
    }
}
