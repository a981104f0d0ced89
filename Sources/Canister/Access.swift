import Candid
import IC0

extension Classifier {
    /// Whether the caller may do what needs this kind of access. The anonymous caller never changes anything.
    func isAllowed(_ access: Access) -> Bool {
        guard access != .everyone else { return true }
        let caller = system.caller()
        guard caller != Self.anonymous else { return false }
        if system.isController(caller) { return true }
        return access == .uploaders && store.directory.uploaders.contains { $0 == caller }
    }

    /// The principal of requests without a signature.
    private static var anonymous: [UInt8] { [4] }

    func grantUploader(_ principal: [UInt8]) throws(ClassifierError) -> CandidValue {
        var directory = store.directory
        guard !directory.uploaders.contains(where: { $0 == principal }) else { return .null }
        guard principal != Self.anonymous else {
            throw .badRequest("the anonymous principal cannot be an uploader")
        }
        guard directory.uploaders.count < Limits.uploaders else {
            throw .tooLarge(limit: UInt64(Limits.uploaders), found: UInt64(Limits.uploaders + 1))
        }
        directory.uploaders.append(principal)
        store.commit(directory)
        return .null
    }

    func revokeUploader(_ principal: [UInt8]) throws(ClassifierError) -> CandidValue {
        var directory = store.directory
        guard let index = directory.uploaders.firstIndex(where: { $0 == principal }) else { return .null }
        directory.uploaders.remove(at: index)
        store.commit(directory)
        return .null
    }

    func uploaders() -> CandidValue {
        .vector(store.directory.uploaders.map { .principal($0) })
    }
}
