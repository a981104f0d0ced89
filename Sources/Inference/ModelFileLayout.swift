/// Constants of the .deai format, versions 1.0 to 1.2; docs/format.md says what they mean.
enum ModelFileLayout {
    /// Not text, shows a lost high bit and changed line ends, and stops a listing on a terminal.
    static let magic: InlineArray<8, UInt8> = [0x89, 0x44, 0x45, 0x41, 0x49, 0x0d, 0x0a, 0x1a]
    static let major = 1
    /// The newest minor version this code knows; a file has the lowest that its layers and encodings need.
    static let minor = 2
    static let headerBytes = 64
    /// Bytes of the header before its own hash.
    static let hashOffset = 32
    static let sectionEntryBytes = 48
    /// Sections that every file has, in this order.
    static let requiredSections = 4
    static let maximumSections = 64

    enum Section {
        static let network: UInt32 = 1
        static let labels: UInt32 = 2
        static let provenance: UInt32 = 3
        static let tensors: UInt32 = 4
    }

    enum Kind {
        static let conv2d: UInt8 = 1
        static let dense: UInt8 = 2
        static let maxPool2d: UInt8 = 3
        static let flatten: UInt8 = 4
        // Since version 1.1.
        static let depthwiseConv2d: UInt8 = 5
        static let averagePool2d: UInt8 = 6
        static let add: UInt8 = 7
        static let output: UInt8 = 8
    }

    enum Output {
        static let activations: UInt8 = 0
        static let logits: UInt8 = 1
    }

    enum Encoding {
        /// One signed byte per weight.
        static let raw: UInt8 = 0
        /// Range coding, see `EntropyCoder`. Since version 1.2.
        static let entropyCoded: UInt8 = 1
    }
}
