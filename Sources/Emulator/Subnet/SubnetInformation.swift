import Candid
import InternetComputer

/// Management methods about the subnet itself.
extension Subnet {
    func subnetInformation(_ call: CallRequest) throws(Rejection) -> [UInt8] {
        _ = try checkedSubnet(call)
        return ManagementMethod.reply(
            .record(["replica_version": .text(Array("deai-train".utf8)), "registry_version": .nat64(1)]),
            .record(["replica_version": .text, "registry_version": .nat64]))
    }

    /// One sample of the one node: every committed message is a block of its own.
    func nodeMetrics(_ call: CallRequest, _ time: UInt64) throws(Rejection) -> [UInt8] {
        let start = try checkedSubnet(call)["start_at_timestamp_nanos"]?.unwrapped?.asUInt64 ?? 0
        let nodeType: CandidType = .record([
            "node_id": .principal, "num_blocks_proposed_total": .nat64, "num_block_failures_total": .nat64,
        ])
        let type: CandidType = .vector(.record(["timestamp_nanos": .nat64, "node_metrics": .vector(nodeType)]))
        guard let node = configuration.nodeID, start <= time else { return ManagementMethod.reply(.vector([]), type) }
        return ManagementMethod.reply(
            .vector([
                .record([
                    "timestamp_nanos": .nat64(time),
                    "node_metrics": .vector([
                        .record([
                            "node_id": .principal(node.bytes), "num_blocks_proposed_total": .nat64(height),
                            "num_block_failures_total": .nat64(0),
                        ])
                    ]),
                ])
            ]), type)
    }

    /// The decoded argument of a method that names a subnet, which must be this one.
    private func checkedSubnet(_ call: CallRequest) throws(Rejection) -> CandidValue {
        let value = try ManagementMethod.decode(
            call.argument, .record(["subnet_id": .principal, "start_at_timestamp_nanos": .optional(.nat64)]))
        let id = try ManagementMethod.principal(value["subnet_id"])
        guard id == configuration.subnetID else {
            throw Rejection(.subnetNotFound, "Subnet \(id.text) is not this one, \(configuration.subnetID.text).")
        }
        return value
    }
}
