import Foundation
import Kernels
import Testing
import Training

/// A grey image of 5 x 4 with different pixels, and an RGB one.
private func images(channels: Int = 1, count: Int = 6, height: Int = 5, width: Int = 4) -> LabelledImages {
    let geometry = ImageGeometry(height: height, width: width, channels: channels)
    var random = SplitMix64(seed: 3)
    return LabelledImages(
        geometry: geometry,
        pixels: (0..<count * geometry.byteCount).map { _ in UInt8(1 + random.index(below: 255)) },
        targets: (0..<count).map { UInt8($0 % 3) })
}

private func source(
    _ images: LabelledImages, _ augmentation: String, smoothing: Float = 0,
    weights: Hyperparameters.ClassWeights = .none, seed: UInt64 = 1
) throws -> BatchSource {
    var hyper = Hyperparameters()
    hyper.augmentation = try Augmentation(augmentation)
    hyper.labelSmoothing = smoothing
    hyper.classWeights = weights
    hyper.seed = seed
    return BatchSource(
        images, indexes: (0..<Int32(images.count)).map { $0 }, classes: 3, hyperparameters: hyper,
        zeroPoints: [Int32](repeating: 77, count: images.geometry.channels))
}

private func all(_ images: LabelledImages) -> ArraySlice<Int32> { (0..<Int32(images.count)).map { $0 }[...] }

@Suite struct AugmentationTests {
    @Test(arguments: [
        "none", "crop:2", "flip", "crop:2,flip,rotate:10.0,scale:0.1,erase:0.25",
        "brightness:0.1,contrast:0.2,mixup:0.2,cutmix:1.0",
    ])
    func textsSurvive(text: String) throws {
        let augmentation = try Augmentation(text)
        #expect(augmentation.description == text)
        let json = try JSONEncoder().encode([augmentation])
        #expect(try JSONDecoder().decode([Augmentation].self, from: json) == [augmentation])
    }

    @Test(arguments: [
        ("mixip:0.2", "mixup"), ("crop", "crop:PIXELS"), ("crop:1.5", "whole"), ("flip:1", "no number"),
        ("scale:2", "0.9"), ("rotate:-1", "NUMBER"), ("", "There are"), ("flip,", "There are"),
        ("erase:nan", "NUMBER"),
    ])
    func refusesOtherTexts(text: String, hint: String) {
        let error = #expect(throws: RunError.self) { try Augmentation(text) }
        #expect(error?.description.contains(hint) == true, "\(String(describing: error))")
    }

    @Test(arguments: ["none", "crop:0", "erase:0", "mixup:0"])
    func nothingLeavesThePixels(text: String) throws {
        let images = images(channels: 3)
        let batch = try source(images, text).batch(all(images), epoch: 2, step: 1)
        #expect(batch == Batch(pixels: images.pixels, labels: images.targets, targets: nil))
    }

    /// Every pixel of a cropped image is the one that many rows and columns away, or background.
    @Test(arguments: [1, 3]) func cropsMove(channels: Int) throws {
        let images = images(channels: channels, count: 40)
        let batch = try source(images, "crop:2").batch(all(images), epoch: 0, step: 0)
        var moves = Set<[Int]>()
        for index in 0..<images.count {
            func pixel(_ from: [UInt8], _ y: Int, _ x: Int) -> [UInt8] {
                Array(from[(index * 20 + y * 4 + x) * channels..<(index * 20 + y * 4 + x + 1) * channels])
            }
            let found = (0..<25).map { [$0 / 5 - 2, $0 % 5 - 2] }.filter { move in
                (0..<20).allSatisfy { at in
                    let (y, x) = (at / 4 - move[0], at % 4 - move[1])
                    guard (0..<5).contains(y), (0..<4).contains(x) else { return true }
                    return pixel(batch.pixels, at / 4, at % 4) == pixel(images.pixels, y, x)
                }
            }
            #expect(found.count >= 1)
            moves.formUnion(found)
        }
        #expect(moves.count > 10)
    }

    @Test func flipsAboutHalf() throws {
        let images = images(count: 200)
        let batch = try source(images, "flip").batch(all(images), epoch: 0, step: 0)
        var flipped = 0
        for index in 0..<200 {
            let (old, new) = (
                images.pixels[index * 20..<index * 20 + 20], batch.pixels[index * 20..<index * 20 + 20]
            )
            if Array(old) == Array(new) { continue }
            flipped += 1
            for y in 0..<5 {
                #expect(
                    Array(old)[y * 4..<y * 4 + 4].reversed() == Array(Array(new)[y * 4..<y * 4 + 4]))
            }
        }
        #expect((70...130).contains(flipped))
    }

    /// A flat image stays flat whatever its border is taken for; a turned one differs and keeps its mean.
    @Test func turnsAndSizes() throws {
        let flat = LabelledImages(
            geometry: ImageGeometry(height: 8, width: 9, channels: 1),
            pixels: [UInt8](repeating: 90, count: 72),
            targets: [0])
        #expect(try source(flat, "rotate:30,scale:0.3").batch([0], epoch: 0, step: 0).pixels == flat.pixels)
        let side = 21
        var pixels = [UInt8](repeating: 0, count: side * side)
        for y in 0..<side {
            for x in 0..<side where (x - 10) * (x - 10) + (y - 10) * (y - 10) <= 36 {
                pixels[y * side + x] = 200
            }
        }
        let disc = LabelledImages(
            geometry: ImageGeometry(height: side, width: side, channels: 1), pixels: pixels, targets: [0])
        let turned = try source(disc, "rotate:45").batch([0], epoch: 0, step: 0).pixels
        // A disc looks the same from every angle, but for its jagged edge.
        let differences = zip(turned, pixels).map { abs(Int($0) - Int($1)) }
        #expect(differences.reduce(0, +) / 441 < 9)
        #expect(differences[10 * side + 10] == 0)
        let grown = try (0..<20).map { epoch in
            try source(disc, "scale:0.5").batch([0], epoch: epoch, step: 0).pixels.reduce(0) { $0 + Int($1) }
        }
        let area = pixels.reduce(0) { $0 + Int($1) }
        #expect(try #require(grown.min()) < area * 6 / 10)
        #expect(try #require(grown.max()) > area * 16 / 10)
    }

    @Test func erasesARectangleOfZeroPoints() throws {
        let images = images(count: 100, height: 16, width: 16)
        let batch = try source(images, "erase:0.5").batch(all(images), epoch: 0, step: 0)
        var changed = 0
        for index in 0..<100 {
            let range = index * 256..<index * 256 + 256
            let places = range.filter { batch.pixels[$0] != images.pixels[$0] }
            if places.isEmpty { continue }
            changed += 1
            #expect(places.allSatisfy { batch.pixels[$0] == 77 })
            #expect(places.count <= 100)
        }
        #expect((30...70).contains(changed))
    }

    @Test func lightStaysInRange() throws {
        let images = images(count: 50)
        let brighter = try source(images, "brightness:0.2").batch(all(images), epoch: 0, step: 0).pixels
        let offsets = (0..<50).map { index in
            (index * 20..<index * 20 + 20).filter { brighter[$0] != 0 && brighter[$0] != 255 }
                .map { Int(brighter[$0]) - Int(images.pixels[$0]) }
        }
        #expect(offsets.allSatisfy { Set($0).count <= 2 && $0.allSatisfy { abs($0) <= 51 } })
        #expect(Set(offsets.flatMap { $0 }).count > 20)
        let starker = try source(images, "contrast:0.5").batch(all(images), epoch: 0, step: 0).pixels
        for (new, old) in zip(starker, images.pixels) {
            let (distance, before) = (Int(new) - 77, Int(old) - 77)
            #expect(distance * before >= 0 && abs(distance) <= abs(before) * 3 / 2 + 1)
        }
    }

    /// Rows of a mixed batch add up to one; the pixels are mixed in the shares that the rows say.
    @Test(arguments: ["mixup:0.4", "cutmix:1", "mixup:0.4,cutmix:1"])
    func mixesPixelsAndClasses(text: String) throws {
        // The class of an image is its grey level, so that pixels tell the classes.
        let geometry = ImageGeometry(height: 12, width: 10, channels: 1)
        let classes = (0..<24).map { UInt8($0 % 3) }
        let images = LabelledImages(
            geometry: geometry, pixels: classes.flatMap { [UInt8](repeating: $0 * 100, count: 120) },
            targets: classes)
        let source = try source(images, text)
        var mixed = 0
        for step in 0..<20 {
            let batch = source.batch(all(images), epoch: 0, step: step)
            let targets = try #require(batch.targets)
            for index in 0..<24 {
                let row = Array(targets[index * 3..<index * 3 + 3])
                #expect(abs(row.reduce(0, +) - 1) < 1e-6)
                #expect(row[Int(batch.labels[index])] >= 0.499)
                let mean = batch.pixels[index * 120..<index * 120 + 120].reduce(0.0) { $0 + Double($1) } / 120
                #expect(abs(mean - Double(row[1] * 100 + row[2] * 200)) <= 0.51)
                if row.max() ?? 0 < 0.999 { mixed += 1 }
            }
        }
        #expect(mixed > 100)
    }

    @Test func smoothsAndWeighs() throws {
        let geometry = ImageGeometry(height: 1, width: 1, channels: 1)
        let images = LabelledImages(geometry: geometry, pixels: [1, 2, 3, 4], targets: [0, 0, 0, 2])
        let smooth = try #require(
            try source(images, "none", smoothing: 0.3).batch([3], epoch: 0, step: 0).targets)
        #expect(zip(smooth, [0.1, 0.1, 0.8]).allSatisfy { abs($0 - $1) < 1e-6 })
        // 4 images in 2 classes that occur: 4 / (2 · 3) and 4 / (2 · 1).
        let weighted = try #require(
            try source(images, "none", weights: .balanced).batch([0, 3], epoch: 0, step: 0).targets)
        #expect(zip(weighted, [Float(4) / 6, 0, 0, 0, 0, 2]).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    @Test func dependsOnSeedEpochAndImageAlone() throws {
        let images = images(count: 8)
        let text = "crop:1,flip,rotate:20,scale:0.2,erase:0.5,brightness:0.2,contrast:0.2"
        let one = try source(images, text)
        let whole = one.batch(all(images), epoch: 3, step: 0)
        #expect(one.batch([5], epoch: 3, step: 9).pixels == Array(whole.pixels[5 * 20..<6 * 20]))
        #expect(one.batch(all(images), epoch: 4, step: 0) != whole)
        #expect(try source(images, text, seed: 2).batch(all(images), epoch: 3, step: 0) != whole)
        #expect(try source(images, text).batch(all(images), epoch: 3, step: 0) == whole)
    }
}
