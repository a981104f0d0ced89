import Candid
import IC0

/// What somebody may do besides what everybody may.
struct Roles: OptionSet, Equatable, Sendable {
    let rawValue: UInt8

    /// Uploads, activates, rolls back, deletes, evaluates.
    static let uploader = Roles(rawValue: 1)
    /// Uploads and evaluates, but does not choose what is served.
    static let trainer = Roles(rawValue: 2)
    /// Classifies when only readers may.
    static let reader = Roles(rawValue: 4)

    static let all: [(role: Roles, tag: StaticString)] = [
        (.uploader, "uploader"), (.trainer, "trainer"), (.reader, "reader"),
    ]

    /// The one role that a variant names.
    init(_ value: CandidValue) throws(ClassifierError) {
        for (role, tag) in Self.all where value.payload(of: tag) != nil {
            self = role
            return
        }
        throw .badRequest("not a role")
    }

    init(rawValue: UInt8) { self.rawValue = rawValue }

    var value: CandidValue {
        .vector(Self.all.filter { contains($0.role) }.map { .variant($0.tag) })
    }
}

extension Classifier {
    /// Gives a role to a principal; one that has it keeps it.
    func grant(_ role: Roles, to principal: [UInt8]) throws(ClassifierError) -> CandidValue {
        var directory = store.directory
        if let index = directory.members.firstIndex(where: { $0.principal == principal }) {
            guard !directory.members[index].roles.contains(role) else { return .null }
            try checkRoom(for: role)
            directory.members[index].roles.formUnion(role)
        } else {
            guard principal != Self.anonymous else {
                throw .badRequest("the anonymous principal cannot have a role")
            }
            try checkRoom(for: role)
            directory.members.append(Member(principal: principal, roles: role))
        }
        store.commit(directory)
        return .null
    }

    private func checkRoom(for role: Roles) throws(ClassifierError) {
        let holders = store.directory.members.filter { $0.roles.contains(role) }.count
        guard holders < Limits.membersOfARole else {
            throw .tooLarge(limit: UInt64(Limits.membersOfARole), found: UInt64(holders + 1))
        }
    }

    /// Takes a role away; one that is not held changes nothing.
    func revoke(_ role: Roles, from principal: [UInt8]) -> CandidValue {
        var directory = store.directory
        guard let index = directory.members.firstIndex(where: { $0.principal == principal }),
            directory.members[index].roles.contains(role)
        else { return .null }
        directory.members[index].roles.subtract(role)
        if directory.members[index].roles.isEmpty { directory.members.remove(at: index) }
        store.commit(directory)
        return .null
    }

    /// `grant_role` and `revoke_role`.
    func change(_ grant: CandidValue, isGrant: Bool) throws(ClassifierError) -> CandidValue {
        guard let who = grant["who"]?.asBytes, let role = grant["role"] else {
            throw .badRequest("not a grant")
        }
        return isGrant ? try self.grant(try Roles(role), to: who) : revoke(try Roles(role), from: who)
    }

    func roles() -> CandidValue {
        .vector(
            store.directory.members.map {
                .record(["who": .principal($0.principal), "roles": $0.roles.value])
            })
    }

    func uploaders() -> CandidValue {
        .vector(
            store.directory.members.filter { $0.roles.contains(.uploader) }.map { .principal($0.principal) })
    }
}
