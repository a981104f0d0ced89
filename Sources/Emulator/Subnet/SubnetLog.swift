import InternetComputer
import Logging

extension Subnet {
    /// Tells the log of a processed message: the life of canisters at `info`, the rest at `debug`.
    func log(_ message: QueuedMessage, _ step: Step) {
        guard logger.logLevel <= .info else { return }
        for created in step.created {
            logger.info("canister created", metadata: [
                "canister": "\(created.state.id)", "cycles": "\(created.state.balance)",
            ])
        }
        if let installation = step.installation {
            let hash = installation.module.map { hexadecimal($0.prepared.hash) } ?? "none"
            logger.info("code changed", metadata: [
                "canister": "\(step.state.id)", "module_hash": "\(hash)", "instructions": "\(step.instructions)",
            ])
        }
        if step.deleted { logger.info("canister deleted", metadata: ["canister": "\(step.state.id)"]) }
        guard logger.logLevel <= .debug else { return }
        var metadata: Logger.Metadata = [
            "canister": "\(step.state.id)", "kind": "\(message.kind)", "instructions": "\(step.instructions)",
            "pages": "\(step.change?.heap.pages ?? 0)", "calls": "\(step.sends.count)", "cycles": "\(step.state.balance)",
        ]
        switch message {
        case .request(let call), .management(let call):
            metadata["method"] = "\(call.method)"
            metadata["sender"] = "\(call.sender)"
        case .response, .heartbeat, .timer, .lowMemory: break
        }
        for case (_, .rejected(let rejection)) in step.answers { metadata["rejected"] = "\(rejection.error.text)" }
        logger.debug("message processed", metadata: metadata)
    }
}
