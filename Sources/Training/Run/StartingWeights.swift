import NeuralNetwork

/// A trained network that a new run begins with.
public struct StartingWeights: Sendable {
    /// The run folder or file, for people.
    public let source: String
    public let architecture: Architecture
    public let preprocessing: Preprocessing
    /// In the order of the logits.
    public let labels: [String]
    /// Parameters, and then running statistics.
    public let variables: [[Float]]

    public init(
        source: String, architecture: Architecture, preprocessing: Preprocessing, labels: [String], variables: [[Float]]
    ) {
        self.source = source
        self.architecture = architecture
        self.preprocessing = preprocessing
        self.labels = labels
        self.variables = variables
    }

    /// The best weights of a run, or its last.
    public init(run path: String, _ slot: RunFolder.Slot = .best) throws(RunError) {
        let (folder, configuration) = try RunFolder.open(path)
        guard let checkpoint = try folder.load(slot, for: configuration) else {
            throw .notARun(folder: path, reason: "it has no weights yet")
        }
        self.init(
            source: path, architecture: try configuration.network.architecture(),
            preprocessing: configuration.preprocessing, labels: configuration.labels,
            variables: checkpoint.parameters)
    }

    /// The network for other classes: all weights stay but those of the last layer, where each class that is known by
    /// name keeps its own and every other begins as the seed says.
    public func adapted(
        to classes: [String], seed: UInt64
    ) throws(RunError) -> (architecture: Architecture, variables: [[Float]], knownClasses: Int) {
        try check(variables, of: try Engines.network(architecture))
        if classes == labels { return (architecture, variables, classes.count) }
        guard case .dense(let old)? = architecture.layers.last, old == labels.count else {
            throw .invalid(
                "\(source) has the classes \(labels.joined(separator: ", ")), the data set others, and the last layer is not "
                    + "dense, so it cannot be given new ones")
        }
        var changed = architecture
        changed.classes = classes.count
        changed.layers[changed.layers.count - 1] = .dense(units: classes.count)
        let network = try Engines.network(changed)
        var result = network.initialParameters(seed: Seeds.derive(seed, .parameters)) + network.initialState()
        let known = classes.map { labels.firstIndex(of: $0) }
        for index in result.indices {
            guard index < network.parameters.count, network.parameters[index].layer == changed.layers.count - 1 else {
                result[index] = variables[index]
                continue
            }
            for row in 0..<result[index].count / classes.count {
                for (place, source) in known.enumerated() {
                    guard let source else { continue }
                    result[index][row * classes.count + place] = variables[index][row * labels.count + source]
                }
            }
        }
        return (changed, result, known.count { $0 != nil })
    }

    private func check(_ arrays: [[Float]], of network: Network) throws(RunError) {
        guard arrays.map(\.count) == network.variableCounts else {
            throw .mismatch(
                file: source, what: "network", found: "arrays of \(arrays.map(\.count)) numbers",
                expected: "\(network.variableCounts)")
        }
    }
}

extension RunFolder {
    /// Starts a run that begins with the weights of another; resuming goes on with them, too.
    public static func create(
        _ path: String, configuration: RunConfiguration, startingWith variables: [[Float]], from source: String,
        knownClasses: Int, force: Bool
    ) throws(RunError) -> (folder: RunFolder, configuration: RunConfiguration) {
        var configuration = configuration
        configuration.startingWeights = RunConfiguration.StartingRecord(
            source: source, weightHash: hexadecimal(weightHash(of: variables)), knownClasses: knownClasses)
        let folder = try create(
            path, configuration: configuration, force: force, startingWith: Checkpoint(configuration, variables))
        return (folder, configuration)
    }
}
