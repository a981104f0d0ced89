// Depthwise convolution: each channel has a filter plane of its own, so that channels are lanes.

extension F32GroupedConv2d {
    private var chunks: Int { (channels + 7) / 8 }

    func depthwiseForward(
        _ x: UnsafePointer<Float>, _ filter: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        _ y: UnsafeMutablePointer<Float>, workers: Workers
    ) {
        let size = self
        let work = outputWidth * channels * kernelHeight * kernelWidth
        workers.forEachRange(images * outputHeight, grain: grain(line: work)) { lines in
            for line in lines {
                let image = line / size.outputHeight
                let top = (line &- image &* size.outputHeight) &* size.stride &- size.padding
                let rows = size.inside(
                    origin: top, step: size.dilation, count: size.kernelHeight, extent: size.height)
                for chunk in 0..<size.chunks {
                    let channel = chunk &* 8
                    let lanes = min(8, size.channels &- channel)
                    var start = SIMD8<Float>.zero
                    if let bias { start = load(bias + channel, lanes) }
                    for j in 0..<size.outputWidth {
                        let left = j &* size.stride &- size.padding
                        let columns = size.inside(
                            origin: left, step: size.dilation, count: size.kernelWidth, extent: size.width)
                        var total = start
                        for u in rows {
                            let line = image &* size.height &+ top &+ u &* size.dilation
                            for v in columns {
                                let pixel = line &* size.width &+ left &+ v &* size.dilation
                                let tap = u &* size.kernelWidth &+ v
                                total += load(x + (pixel &* size.channels &+ channel), lanes)
                                    * load(filter + (tap &* size.channels &+ channel), lanes)
                            }
                        }
                        store(total, y + ((line &* size.outputWidth &+ j) &* size.channels &+ channel), lanes)
                    }
                }
            }
        }
    }

    func depthwiseInputGradient(
        _ dy: UnsafePointer<Float>, _ filter: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>,
        workers: Workers
    ) {
        let size = self
        let work = width * channels * kernelHeight * kernelWidth
        workers.forEachRange(images * height, grain: grain(line: work)) { lines in
            for line in lines {
                let image = line / size.height
                let row = line &- image &* size.height
                for chunk in 0..<size.chunks {
                    let channel = chunk &* 8
                    let lanes = min(8, size.channels &- channel)
                    for column in 0..<size.width {
                        var total = SIMD8<Float>.zero
                        for u in 0..<size.kernelHeight {
                            let i = size.output(reading: row, tap: u, count: size.outputHeight)
                            if i < 0 { continue }
                            let line = (image &* size.outputHeight &+ i) &* size.outputWidth
                            for v in 0..<size.kernelWidth {
                                let j = size.output(reading: column, tap: v, count: size.outputWidth)
                                if j < 0 { continue }
                                let tap = u &* size.kernelWidth &+ v
                                total += load(dy + ((line &+ j) &* size.channels &+ channel), lanes)
                                    * load(filter + (tap &* size.channels &+ channel), lanes)
                            }
                        }
                        store(total, dx + ((line &* size.width &+ column) &* size.channels &+ channel), lanes)
                    }
                }
            }
        }
    }

    func depthwiseFilterGradient(
        _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, _ df: UnsafeMutablePointer<Float>, workers: Workers
    ) {
        let size = self
        workers.forEachRange(kernelHeight * kernelWidth * chunks, grain: 1) { units in
            for unit in units {
                let tap = unit / size.chunks
                let channel = (unit &- tap &* size.chunks) &* 8
                let lanes = min(8, size.channels &- channel)
                let top = tap / size.kernelWidth &* size.dilation &- size.padding
                let left = tap % size.kernelWidth &* size.dilation &- size.padding
                let rows = size.inside(
                    origin: top, step: size.stride, count: size.outputHeight, extent: size.height)
                let columns = size.inside(
                    origin: left, step: size.stride, count: size.outputWidth, extent: size.width)
                var total = SIMD8<Float>.zero
                for image in 0..<size.images {
                    for i in rows {
                        let source = (image &* size.height &+ top &+ i &* size.stride) &* size.width &+ left
                        let result = (image &* size.outputHeight &+ i) &* size.outputWidth
                        for j in columns {
                            let pixel = source &+ j &* size.stride
                            total += load(x + (pixel &* size.channels &+ channel), lanes)
                                * load(dy + ((result &+ j) &* size.channels &+ channel), lanes)
                        }
                    }
                }
                store(total, df + (tap &* size.channels &+ channel), lanes)
            }
        }
    }
}
