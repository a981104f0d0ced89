import NeuralNetwork
import Training

/// A trained network with all that is needed to use it: what a checkpoint of a run amounts to.
public struct FloatModel: Sendable {
    public let architecture: Architecture
    public let preprocessing: Preprocessing
    public let labels: [String]
    /// In declaration order, followed by running statistics where the network has any.
    public let parameters: [[Float]]

    public init(
        architecture: Architecture, preprocessing: Preprocessing, labels: [String], parameters: [[Float]]
    ) {
        self.architecture = architecture
        self.preprocessing = preprocessing
        self.labels = labels
        self.parameters = parameters
    }

    /// The weights in one slot of a run, checked against its configuration.
    public init(
        _ folder: RunFolder, _ configuration: RunConfiguration, slot: RunFolder.Slot
    ) throws(ExportError) {
        let architecture: Architecture
        let checkpoint: Checkpoint
        do {
            guard let found = try folder.load(slot, for: configuration) else {
                throw RunError.notARun(
                    folder: folder.path,
                    reason: "it has no \(slot.rawValue) checkpoint yet; train at least one epoch")
            }
            checkpoint = found
            architecture = try configuration.network.architecture()
            let expected = try Network(architecture).variableCounts
            guard checkpoint.parameters.map(\.count) == expected else {
                throw RunError.mismatch(
                    file: folder.checkpointPath(slot), what: "network",
                    found: "\(checkpoint.parameters.map(\.count)) weights", expected: "\(expected)")
            }
        } catch let error as RunError {
            throw .run(error)
        } catch let error as NetworkError {
            throw .run(.invalid(error.explanation))
        } catch {
            throw .unsupported("\(error)")
        }
        self.init(
            architecture: architecture, preprocessing: configuration.preprocessing,
            labels: configuration.labels, parameters: checkpoint.parameters)
    }
}
