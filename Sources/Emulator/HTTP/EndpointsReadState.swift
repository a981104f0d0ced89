import InternetComputer

extension Endpoints {
    /// Certifies the paths when this sender may read every one of them here.
    func readState(
        _ paths: [[[UInt8]]], sender: Principal, targets: Set<Principal>?, scope: EndpointPath.Scope
    ) async throws(EndpointRefusal) -> EndpointResponse {
        if case .subnet(let subnet) = scope, subnet != keys.subnetID {
            throw EndpointRefusal(400, "subnet \(subnet) is not this one")
        }
        var requests: [[UInt8]] = []
        for path in paths {
            try checkAccess(path, sender: sender, targets: targets, scope: scope)
            if path.count >= 2, path[0] == Array("request_status".utf8), !requests.contains(path[1]) {
                requests.append(path[1])
            }
        }
        guard requests.count <= 1 else {
            throw EndpointRefusal(400, "Can only request a single request ID in request_status paths.")
        }
        let certificate = await certificates.certificate(revealing: paths, requests: requests)
        return .cbor(.record(["certificate": .bytes(certificate)]))
    }

    /// The table of readable paths (interface specification, "Request: Read state").
    private func checkAccess(
        _ path: [[UInt8]], sender: Principal, targets: Set<Principal>?, scope: EndpointPath.Scope
    ) throws(EndpointRefusal) {
        let name = path.first.map { String(decoding: $0, as: UTF8.self) }
        let onSubnetPath = if case .subnet = scope { true } else { false }
        switch (name, path.count) {
        case ("time", 1), ("api_boundary_nodes", _): return
        case ("subnet", _):
            if path.count >= 3, path[2] == Array("metrics".utf8), !onSubnetPath {
                throw EndpointRefusal(403, "metrics are read on the subnet's own path")
            }
        case ("canister_ranges", 2...):
            guard onSubnetPath else { throw EndpointRefusal(403, "ranges are read on the subnet's own path") }
        case ("request_status", 2...):
            guard path[1].count == 32 else { throw EndpointRefusal(400, "a request id has 32 bytes") }
            if let owner = replica.requestSender(path[1]), owner != sender {
                throw EndpointRefusal(403, "The user tries to access Request ID not signed by the caller.")
            }
            if case .canister(let effective) = scope, let about = replica.requestEffectiveCanister(path[1]),
                about != effective
            {
                throw EndpointRefusal(400, "The request was about canister \(about): its status is not read on the "
                    + "path of \(effective).")
            }
            if let targets, let called = replica.requestCanister(path[1]), !targets.contains(called) {
                throw EndpointRefusal(403, "The user tries to access a request to a canister that its delegations "
                    + "do not name.")
            }
        case ("canister", 3...):
            try checkCanisterAccess(path, sender: sender, scope: scope)
        default: throw EndpointRefusal(404, "Invalid path requested.")
        }
    }

    private func checkCanisterAccess(
        _ path: [[UInt8]], sender: Principal, scope: EndpointPath.Scope
    ) throws(EndpointRefusal) {
        guard let canister = try? Principal(bytes: path[1]) else {
            throw EndpointRefusal(400, "Could not parse the canister id in the path.")
        }
        if case .canister(let effective) = scope, effective != canister {
            throw EndpointRefusal(400, "Effective principal id in URL \(effective) does not match requested "
                + "principal id: \(canister).")
        }
        let name = String(decoding: path[2], as: UTF8.self)
        switch (name, path.count) {
        case ("module_hash", 3), ("controllers", 3), ("canister_creation_timestamp", 3),
            ("last_install_timestamp", 3):
            return
        case ("metadata", 4):
            guard let section = String(validating: path[3], as: UTF8.self) else {
                throw EndpointRefusal(400, "the name of a metadata section is UTF-8")
            }
            // Absent sections are no secret: their absence is what the certificate proves.
            guard replica.mayReadMetadata(canister: canister, name: section, sender: sender) else {
                throw EndpointRefusal(403, "Custom section \(section.prefix(100)) can only be requested by the "
                    + "controllers of the canister.")
            }
        default: throw EndpointRefusal(404, "Invalid path requested.")
        }
    }
}
