import Foundation

/// One line of JSON: the fields of `body` and, beside them, the name of the event.
public struct EventRecord<Body: Encodable>: Encodable {
    public let event: String
    public let body: Body

    public init(_ event: String, _ body: Body) {
        self.event = event
        self.body = body
    }

    private enum Key: String, CodingKey { case event }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(event, forKey: .event)
        try body.encode(to: encoder)
    }

    /// The line, keys sorted.
    public var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Only a number that is not finite cannot be encoded; it becomes a text.
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "infinity", negativeInfinity: "-infinity", nan: "nan")
        guard let data = try? encoder.encode(self) else { return "{\"event\":\"\(event)\"}" }
        return String(decoding: data, as: UTF8.self)
    }
}

extension TrainingEvent {
    private struct Position: Encodable {
        var slot: RunFolder.Slot?
        let epoch: Int
        let step: Int
    }

    /// The event as one line of JSON, as in log.jsonl and with `--json`.
    public var json: String {
        switch self {
        case .started(let start): EventRecord("started", start).json
        case .step(let step): EventRecord("step", step).json
        case .epoch(let epoch): EventRecord("epoch", epoch).json
        case .saved(let slot, let epoch, let step):
            EventRecord("saved", Position(slot: slot, epoch: epoch, step: step)).json
        case .interrupted(let epoch, let step):
            EventRecord("interrupted", Position(epoch: epoch, step: step)).json
        case .finished(let finish): EventRecord("trained", finish).json
        }
    }
}
