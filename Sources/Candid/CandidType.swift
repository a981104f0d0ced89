/// A Candid type.
///
/// Recursive types go through `definition`: an index into a list of types that accompanies the type, which is
/// the type table of a message or the `definitions` of an interface.
public enum CandidType: Equatable, Sendable {
    case null, bool, nat, int
    case nat8, nat16, nat32, nat64
    case int8, int16, int32, int64
    case float32, float64
    case text, reserved, empty, principal
    indirect case optional(CandidType)
    indirect case vector(CandidType)
    case record(CandidFields)
    case variant(CandidFields)
    case function(CandidFunction)
    case service([CandidMethod])
    case definition(Int)
    /// A composite type of a later version of Candid: its values can be skipped.
    case future

    /// `vec nat8`
    public static var blob: CandidType { .vector(.nat8) }

    /// A record whose fields are numbered from 0.
    public static func tuple(_ types: [CandidType]) -> CandidType {
        var fields: [CandidField] = []
        for type in types { fields.append(CandidField(id: UInt32(fields.count), type: type)) }
        return .record(CandidFields(fields))
    }

    /// True for the types whose absence in a message reads as null.
    var admitsNull: Bool {
        switch self {
        case .null, .optional, .reserved: true
        default: false
        }
    }
}

/// One field of a record or one case of a variant.
public struct CandidField: Equatable, Sendable {
    public let id: UInt32
    public let type: CandidType

    public init(id: UInt32, type: CandidType) {
        self.id = id
        self.type = type
    }

    public init(_ name: StaticString, _ type: CandidType) {
        self.init(id: Candid.hash(name), type: type)
    }
}

/// Fields in ascending order of their ids; written as `["size": .nat64, "name": .text]`.
public struct CandidFields: Equatable, Sendable, ExpressibleByDictionaryLiteral {
    public let list: [CandidField]

    /// Sorts the fields. Ids must differ.
    public init(_ fields: [CandidField]) {
        list = sortedByID(fields) { $0.id }
    }

    public init(dictionaryLiteral elements: (StaticString, CandidType)...) {
        var fields: [CandidField] = []
        for (name, type) in elements { fields.append(CandidField(name, type)) }
        self.init(fields)
    }

    /// The position of the field with this id, found by bisection.
    func index(of id: UInt32) -> Int? {
        var low = 0
        var high = list.count
        while low < high {
            let middle = (low + high) / 2
            if list[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < list.count && list[low].id == id ? low : nil
    }
}

/// The type of a method: argument types, result types and at most one annotation.
public struct CandidFunction: Equatable, Sendable {
    public enum Annotation: UInt8, Equatable, Sendable {
        case query = 1, oneway, compositeQuery
    }

    public let arguments: [CandidType]
    public let results: [CandidType]
    public let annotation: Annotation?

    public init(arguments: [CandidType], results: [CandidType], annotation: Annotation? = nil) {
        self.arguments = arguments
        self.results = results
        self.annotation = annotation
    }
}

/// A named method of a service type.
public struct CandidMethod: Equatable, Sendable {
    public let name: [UInt8]
    public let type: CandidType

    public init(name: [UInt8], type: CandidType) {
        self.name = name
        self.type = type
    }
}

/// The elements in ascending order of their ids, by insertion: lists of fields are short or already sorted.
func sortedByID<Element>(_ elements: [Element], _ id: (Element) -> UInt32) -> [Element] {
    var sorted = elements
    var index = 1
    while index < sorted.count {
        var hole = index
        let element = sorted[index]
        while hole > 0, id(sorted[hole - 1]) > id(element) {
            sorted[hole] = sorted[hole - 1]
            hole -= 1
        }
        sorted[hole] = element
        index += 1
    }
    return sorted
}
