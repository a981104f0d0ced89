import CSIMD

/// The weights of a few input pairs for one row of output channels, all held in registers or wasm locals.
///
/// A loop over pixels then costs, for eight multiply-accumulates, one dot product, one addition and two reads of
/// locals; sums are added up on the operand stack. Chains are composed from generic structs that the optimizer
/// takes apart completely, as rows are.
protocol QS8Chain {
    associatedtype Row: QS8Row
    /// Input pairs.
    static var pairs: Int { get }
    /// 16-bit inputs from the first pair to the end of the last.
    static var span: Int { get }
    /// `[pairs][vectors][4 channels][2 inputs]`.
    init(_ weights: UnsafePointer<Int8>)
    /// The same in 16 bits.
    init(wide weights: UnsafePointer<Int16>)
    /// Adds the products with the inputs from `input` on; `pitch` is where the next run of inputs starts.
    func add(to row: inout Row, _ input: UnsafePointer<Int16>, _ pitch: Int)
}

/// One pair.
struct QS8Link<Row: QS8Row>: QS8Chain {
    let weights: Row

    @inline(__always) static var pairs: Int { 1 }
    @inline(__always) static var span: Int { 2 }
    @inline(__always) init(_ weights: UnsafePointer<Int8>) { self.weights = Row(weights: weights) }
    @inline(__always) init(wide weights: UnsafePointer<Int16>) { self.weights = Row(wide: weights) }

    @inline(__always) func add(to row: inout Row, _ input: UnsafePointer<Int16>, _ pitch: Int) {
        row.accumulate(lanes_splat_pair(input), weights)
    }
}

/// One chain after the other in the same run.
struct QS8Links<A: QS8Chain, B: QS8Chain>: QS8Chain where A.Row == B.Row {
    typealias Row = A.Row
    let a: A
    let b: B

    @inline(__always) static var pairs: Int { A.pairs &+ B.pairs }
    @inline(__always) static var span: Int { A.span &+ B.span }

    @inline(__always) init(_ weights: UnsafePointer<Int8>) {
        a = A(weights)
        b = B(weights + A.pairs &* Row.vectors &* 8)
    }

    @inline(__always) init(wide weights: UnsafePointer<Int16>) {
        a = A(wide: weights)
        b = B(wide: weights + A.pairs &* Row.vectors &* 8)
    }

    @inline(__always) func add(to row: inout Row, _ input: UnsafePointer<Int16>, _ pitch: Int) {
        a.add(to: &row, input, pitch)
        b.add(to: &row, input + A.span, pitch)
    }
}

/// The second chain on the run after the first.
struct QS8Runs<A: QS8Chain, B: QS8Chain>: QS8Chain where A.Row == B.Row {
    typealias Row = A.Row
    let a: A
    let b: B

    @inline(__always) static var pairs: Int { A.pairs &+ B.pairs }
    @inline(__always) static var span: Int { A.span }

    @inline(__always) init(_ weights: UnsafePointer<Int8>) {
        a = A(weights)
        b = B(weights + A.pairs &* Row.vectors &* 8)
    }

    @inline(__always) init(wide weights: UnsafePointer<Int16>) {
        a = A(wide: weights)
        b = B(wide: weights + A.pairs &* Row.vectors &* 8)
    }

    @inline(__always) func add(to row: inout Row, _ input: UnsafePointer<Int16>, _ pitch: Int) {
        a.add(to: &row, input, pitch)
        b.add(to: &row, input + pitch, pitch)
    }
}

typealias QS8Links2<Row: QS8Row> = QS8Links<QS8Link<Row>, QS8Link<Row>>
typealias QS8Links4<Row: QS8Row> = QS8Links<QS8Links2<Row>, QS8Links2<Row>>
typealias QS8Links8<Row: QS8Row> = QS8Links<QS8Links4<Row>, QS8Links4<Row>>
typealias QS8Links16<Row: QS8Row> = QS8Links<QS8Links8<Row>, QS8Links8<Row>>
typealias QS8Links24<Row: QS8Row> = QS8Links<QS8Links16<Row>, QS8Links8<Row>>
/// Five runs of fifteen pairs.
typealias QS8Links15<Row: QS8Row> = QS8Links<
    QS8Links8<Row>, QS8Links<QS8Links4<Row>, QS8Links<QS8Links2<Row>, QS8Link<Row>>>
>
typealias QS8Window5x15<Row: QS8Row> = QS8Runs<
    QS8Links15<Row>,
    QS8Runs<QS8Links15<Row>, QS8Runs<QS8Links15<Row>, QS8Runs<QS8Links15<Row>, QS8Links15<Row>>>>
>
typealias RowPair<Half: QS8Row> = RowJoin<Half, Half>
typealias Row3 = RowJoin<Row2, Row1>
typealias Row4 = RowPair<Row2>
typealias Row5 = RowJoin<Row4, Row1>
typealias Row8 = RowPair<Row4>
typealias Row14 = RowJoin<Row8, RowJoin<Row4, Row2>>
typealias Row16 = RowPair<Row8>
