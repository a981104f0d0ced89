import Candid
import InternetComputer

/// Which canister a management call is about, so that its path can be held against its argument
/// (interface specification, "Effective canister id").
enum EffectiveCanister: Equatable {
    /// Any canister id of the subnet will do.
    case any
    case canister(Principal)
    /// The argument does not say.
    case undefined

    init(method: String, argument: [UInt8]) {
        let field: StaticString
        switch method {
        case "create_canister", "provisional_create_canister_with_cycles", "raw_rand", "list_canisters":
            self = .any
            return
        case "install_chunked_code": field = "target_canister"
        default: field = "canister_id"
        }
        let expected = CandidType.record(CandidFields([CandidField(field, .principal)]))
        // The argument's other fields, a Wasm module perhaps, are skipped and paid for by the byte.
        let limits = CandidLimits(quota: 1 << 30)
        guard let value = try? Candid.decode(argument, as: [expected], limits: limits).first,
            let bytes = value[field]?.asBytes, let principal = try? Principal(bytes: bytes)
        else {
            self = .undefined
            return
        }
        self = .canister(principal)
    }
}
