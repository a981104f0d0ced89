/// How training images are varied, each time they are seen, so that a network learns what does not matter.
///
/// Everything works on 8-bit pixels and depends on the seed, the epoch and the image alone. As a text:
/// `crop:2,flip,rotate:10,scale:0.1,erase:0.25,brightness:0.1,contrast:0.1,mixup:0.2,cutmix:1`, or `none`.
public struct Augmentation: Equatable, Sendable {
    /// Moves the image by up to that many pixels each way, as a random crop of the padded image does.
    public var cropPadding = 0
    /// Mirrors every second image left to right.
    public var flips = false
    /// Turns by up to that many degrees either way.
    public var rotationDegrees: Float = 0
    /// Sizes from 1 − `scale` to 1 + `scale`.
    public var scale: Float = 0
    /// Share of images with one rectangle erased (Zhong et al., "Random Erasing Data Augmentation", 2017).
    public var erasing: Float = 0
    /// Adds up to that share of 255 either way.
    public var brightness: Float = 0
    /// Distances from the mean pixel times 1 − `contrast` to 1 + `contrast`.
    public var contrast: Float = 0
    /// α of the Beta distribution that mixes pairs of images (Zhang et al., "mixup", 2017); 0 is off.
    public var mixup: Float = 0
    /// α for pasting a rectangle of another image (Yun et al., "CutMix", 2019); with mixup too, a coin decides.
    public var cutmix: Float = 0

    public init() {}

    public static let none = Augmentation()

    var changesPixels: Bool { changesGeometry || erasing > 0 || brightness > 0 || contrast > 0 }
    var changesGeometry: Bool { cropPadding > 0 || flips || rotationDegrees > 0 || scale > 0 }
    var mixes: Bool { mixup > 0 || cutmix > 0 }
}

extension Augmentation: CustomStringConvertible, Codable {
    private static let names = [
        "crop", "flip", "rotate", "scale", "erase", "brightness", "contrast", "mixup", "cutmix",
    ]

    /// The text form; reading it gives the same value.
    public var description: String {
        var parts: [String] = []
        if cropPadding > 0 { parts.append("crop:\(cropPadding)") }
        if flips { parts.append("flip") }
        let amounts = [
            ("rotate", rotationDegrees), ("scale", scale), ("erase", erasing), ("brightness", brightness),
            ("contrast", contrast), ("mixup", mixup), ("cutmix", cutmix),
        ]
        for (name, amount) in amounts where amount > 0 { parts.append("\(name):\(amount)") }
        return parts.isEmpty ? "none" : parts.joined(separator: ",")
    }

    /// Reads the text form; throws naming the part that is not understood.
    public init(_ text: String) throws(RunError) {
        self.init()
        if text == "none" { return }
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let fields = part.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            try set(fields[0], fields.count > 1 ? fields[1] : nil, part: String(part), fields: fields.count)
        }
    }

    private mutating func set(_ name: String, _ value: String?, part: String, fields: Int) throws(RunError) {
        guard Augmentation.names.contains(name) else {
            let close = CloseNames.suggestions(for: name, among: Augmentation.names)
            let hint = close.isEmpty ? "" : " Did you mean \(close.joined(separator: " or "))?"
            throw .invalid(
                "unknown augmentation “\(name)”.\(hint) There are: \(Augmentation.names.joined(separator: ", "))."
            )
        }
        if name == "flip" {
            guard fields == 1 else { throw .invalid("“\(part)”: flip takes no number") }
            flips = true
            return
        }
        let number = value.flatMap { Float($0) }
        func amount(upTo limit: Float) throws(RunError) -> Float {
            guard fields == 2, let number, number >= 0, number <= limit else {
                throw .invalid("“\(part)”: expected \(name):NUMBER with a number from 0 to \(limit)")
            }
            return number
        }
        switch name {
        case "crop":
            guard fields == 2, let pixels = value.flatMap({ Int($0) }), (0...1024).contains(pixels) else {
                throw .invalid("“\(part)”: expected crop:PIXELS with a whole number from 0 to 1024")
            }
            cropPadding = pixels
        case "rotate": rotationDegrees = try amount(upTo: 180)
        case "scale": scale = try amount(upTo: 0.9)
        case "erase": erasing = try amount(upTo: 1)
        case "brightness": brightness = try amount(upTo: 1)
        case "contrast": contrast = try amount(upTo: 1)
        case "mixup": mixup = try amount(upTo: 100)
        default: cutmix = try amount(upTo: 100)
        }
    }

    public init(from decoder: any Decoder) throws {
        try self.init(try decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
