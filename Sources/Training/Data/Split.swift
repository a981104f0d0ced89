import Kernels

/// Derives independent seeds from the one seed of a run.
public enum Seeds {
    /// What a derived seed is for; raw values are part of the definition of a run and never change.
    public enum Purpose: UInt64, Sendable {
        case split = 1
        case epochOrder = 2
        case parameters = 3
        case calibration = 4
        case augmentation = 5
        case mixing = 6
    }

    /// The seed for `purpose` number `index`, for example the order of epoch 3.
    public static func derive(_ seed: UInt64, _ purpose: Purpose, index: Int = 0) -> UInt64 {
        // One output of SplitMix64 per component decorrelates neighbouring seeds and indexes.
        var first = SplitMix64(seed: seed)
        var second = SplitMix64(seed: first.next() ^ purpose.rawValue)
        var third = SplitMix64(seed: second.next() ^ UInt64(bitPattern: Int64(index)))
        return third.next()
    }
}

/// Which training images are held back for validation.
public struct Split: Equatable, Sendable {
    /// Indexes into the training images, ascending.
    public let train: [Int32]
    public let validation: [Int32]

    /// Holds back `validationFraction` of every class, rounded to whole images, chosen by `seed`.
    ///
    /// Every class that has two or more images keeps at least one on each side unless the fraction is 0.
    public init(targets: [UInt8], validationFraction: Double, seed: UInt64) {
        precondition((0..<1).contains(validationFraction), "the fraction is at least 0 and less than 1")
        var byClass = [[Int32]](repeating: [], count: 256)
        for (index, target) in targets.enumerated() { byClass[Int(target)].append(Int32(index)) }
        var random = SplitMix64(seed: Seeds.derive(seed, .split))
        var train: [Int32] = []
        var validation: [Int32] = []
        for var members in byClass where !members.isEmpty {
            random.shuffle(&members)
            var held = Int((Double(members.count) * validationFraction).rounded())
            if validationFraction > 0, members.count >= 2 { held = min(max(held, 1), members.count - 1) }
            validation += members.prefix(held)
            train += members.dropFirst(held)
        }
        self.train = train.sorted()
        self.validation = validation.sorted()
    }
}
