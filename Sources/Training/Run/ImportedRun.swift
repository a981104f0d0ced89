import NeuralNetwork

extension RunConfiguration {
    /// The configuration of a run whose weights come from elsewhere, with the preprocessing they were trained for.
    ///
    /// - Parameter labels: the classes of the network in the order of its logits.
    public init(
        toolkitVersion: String, dataset: Dataset, labels: [String], network: Architecture,
        preprocessing: Preprocessing
    ) {
        self.toolkitVersion = toolkitVersion
        self.dataset = DatasetRecord(dataset)
        self.labels = labels
        self.network = NetworkDescription(network)
        zeroPoints = preprocessing.zeroPoints
        pixelScale = preprocessing.scale
        hyperparameters = Hyperparameters()
    }
}

extension RunFolder {
    /// Starts a run with weights that came from elsewhere, as its best and its last, before any epoch.
    public static func create(
        _ path: String, configuration: RunConfiguration, importing parameters: [[Float]], force: Bool
    ) throws(RunError) -> RunFolder {
        try create(
            path, configuration: configuration, force: force, startingWith: Checkpoint(configuration, parameters))
    }
}

extension Checkpoint {
    /// Weights before any epoch.
    init(_ configuration: RunConfiguration, _ variables: [[Float]]) {
        let header = Header(
            toolkitVersion: configuration.toolkitVersion, network: configuration.network.summary,
            datasetHash: configuration.dataset.sha256, seed: configuration.hyperparameters.seed, epoch: 0, step: 0,
            lossSum: 0, correct: 0, bestEpoch: 0, bestCorrect: -1)
        self.init(header: header, parameters: variables, optimizerState: [])
    }
}
