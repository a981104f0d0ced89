import ArgumentParser
import Foundation
import Kernels
import NeuralNetwork
import Training

/// `deai-train fit`: trains a network and keeps everything in a run folder.
struct FitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fit", abstract: "Train a network on a data set.",
        discussion: """
            The run folder holds config.json, log.jsonl, the checkpoints last and best, and at the end report.html \
            with its pictures. Ctrl-C finishes \
            the step, saves and exits with 130; --resume goes on with the same result as an uninterrupted \
            run. With --executor portable the same settings give the same weights, bit for bit, on every \
            machine and with any number of threads. \
            `mpirun -n N deai-train fit …` trains in N processes, each with --batch images of every step. \
            The test images are looked at once, at the end.
            """)

    @Option(help: "Name or folder of the data set (see `deai-train datasets`). Default: fashion-mnist.")
    var dataset: String?

    @Option(
        help: """
            A network with settings that go well together: fast, best, or the most accurate in a file of 100 kB \
            (compact) or 25 kB (tiny). What is given besides changes them. Default: none.
            """)
    var preset: TrainingPreset?

    @Option(
        help: """
            The network: \(FitCommand.modelNames), with a width such as mobilenet:0.5, or a .json file. \
            Default: lenet5, or that of the preset.
            """)
    var model: String?

    @Option(
        help: """
            Begin with trained weights: a run, an .onnx file, or a .safetensors file with --model. Classes that are \
            known by name keep their part of the last layer; the pixels are normalised as for those weights. Files \
            that want other than pixel / 255: `import` them first.
            """)
    var from: String?

    @Option(name: .customLong("run"), help: "The folder of the run.")
    var runPath: String

    @OptionGroup(title: "Training (with --resume these come from the run)")
    var choices: HyperparameterOptions

    @OptionGroup var images: ImageOptions
    @OptionGroup var threads: ThreadOptions

    @Option(
        help: """
            accelerated (oneDNN) or portable (the same bits on every machine, with any number of threads). \
            Default: accelerated where oneDNN is.
            """)
    var executor: ExecutorKind?

    @Option(help: "Save a checkpoint after that many steps too, not only after every epoch.")
    var saveEverySteps = 0

    @Flag(help: "Write event files for TensorBoard into the folder `tensorboard` of the run, too.")
    var tensorboard = false

    @Flag(help: "Go on with the run from its last checkpoint.")
    var resume = false

    @Flag(help: "Replace a run that is in the folder already.")
    var force = false

    @Option(help: "Exit with 2 when the final accuracy is below this fraction, for example 0.88.")
    var requireAccuracy: Double?

    @Flag(help: "Write events as JSON Lines to standard output.")
    var json = false

    static let modelNames = Preset.allCases.map { "\($0.name)" }.joined(separator: ", ")

    func validate() throws {
        if resume, force {
            throw ValidationError("--resume goes on with a run, --force replaces it: choose one.")
        }
        if resume, preset != nil {
            throw ValidationError("a resumed run keeps its settings: leave out --preset.")
        }
        if resume, from != nil {
            throw ValidationError("a resumed run has its weights: leave out --from.")
        }
        if let from, model != nil, !ForeignNetwork.isSafetensors(from) {
            throw ValidationError("--from brings its network along: leave out --model.")
        }
        if let from, model == nil, ForeignNetwork.isSafetensors(from) {
            throw ValidationError("safetensors hold no layers: give --model, too.")
        }
        if saveEverySteps < 0 { throw ValidationError("--save-every-steps must be at least 0.") }
        if let requireAccuracy, !(0...1).contains(requireAccuracy) {
            throw ValidationError(
                "--require-accuracy is a fraction between 0 and 1, found \(requireAccuracy).")
        }
    }

    func run() throws {
        let team = try FitTeam()
        try team.run {
            guard let accuracy = try trainOrAdvise(team), let requireAccuracy, accuracy < requireAccuracy else { return }
            throw CommandFailure(
                .belowTarget,
                "the accuracy is \(percentage(accuracy)), required were \(percentage(requireAccuracy))")
        }
    }

    /// A run that a full disk stopped is not lost.
    private func trainOrAdvise(_ team: FitTeam) throws -> Double? {
        do {
            return try train(team)
        } catch let error as RunError where error.isFullDisk
            && FileManager.default.fileExists(atPath: runPath + "/config.json")
        {
            throw CommandFailure(.inputOutput, "\(error) Then go on with: deai-train fit --run \(runPath) --resume")
        }
    }

    /// The accuracy; nil in a process that follows another one.
    private func train(_ team: FitTeam) throws -> Double? {
        let interrupts = Interrupts()
        let workers = threads.workers(processes: team.processesOnThisMachine)
        var prepared: Prepared?
        var claim: RunClaim?
        defer { withExtendedLifetime(claim) {} }
        let (configuration, checkpoint) = try team.share {
            let made = resume ? try reopen(team) : try prepare(team)
            claim = try made.folder.claim()
            prepared = made
            // Read after the claim, when nobody else can write it any more.
            let begins = resume || made.configuration.startingWeights != nil
            return (made.configuration, begins ? try made.folder.resumption(of: made.configuration) : nil)
        }
        guard let prepared else {
            return try follow(team, configuration, checkpoint, workers, interrupts)
        }
        let (dataset, folder) = (prepared.dataset, prepared.folder)
        let loop = try TrainingLoop(
            configuration, dataset: dataset, folder: folder, checkpoint: checkpoint, workers: workers,
            saveEverySteps: saveEverySteps, collective: team.collective)
        let renderer: any TrainingRenderer = json ? JSONRenderer() : ConsoleRenderer(runPath: runPath)
        let events = tensorboard ? try TensorBoardWriter(folder) : nil
        let outcome = try loop.run(shouldStop: { interrupts.isRequested }) { event in
            renderer.render(event)
            events?.observe(event)
        }
        if let failure = events?.failure { Console.note("no more events for TensorBoard: \(failure)") }
        team.finishTraining()
        guard case .finished(let finish) = outcome else {
            throw CommandFailure(
                .interrupted,
                "interrupted; everything is saved in \(runPath), go on with: deai-train fit --run \(runPath) --resume"
            )
        }
        return try finishRun(finish, configuration, dataset, folder, workers)
    }

    /// Takes part in the steps of a run that another process keeps.
    private func follow(
        _ team: FitTeam, _ configuration: RunConfiguration, _ checkpoint: Checkpoint?, _ workers: Workers,
        _ interrupts: Interrupts
    ) throws -> Double? {
        let dataset = try checkedDataset(
            of: configuration, named: dataset, file: "the configuration of the first process", silently: true)
        _ = try TrainingLoop(
            configuration, dataset: dataset, folder: nil, checkpoint: checkpoint, workers: workers,
            collective: team.collective
        ).run(shouldStop: { interrupts.isRequested }) { _ in }
        return nil
    }

    private struct Prepared {
        let configuration: RunConfiguration
        let dataset: Dataset
        let folder: RunFolder
    }

    /// A new run: everything is checked before the folder is touched.
    private func prepare(_ team: FitTeam) throws -> Prepared {
        if let from { return try prepare(startingFrom: from, team) }
        let model = model ?? self.preset.map { "\($0.model.name)" } ?? "lenet5"
        let dataset = try loadDataset(
            dataset ?? "fashion-mnist", geometry: images.input, unreadable: images.unreadable)
        let geometry = dataset.geometry
        let architecture = try NetworkDescription.architecture(
            named: model, input: geometry, classes: dataset.labels.count)
        do {
            _ = try Network(architecture)
        } catch {
            throw CommandFailure(.usage, "\(model) on images of \(geometry): \(error.explanation)")
        }
        let configuration = try RunConfiguration(
            toolkitVersion: Toolkit.version, dataset: dataset, network: architecture,
            hyperparameters: choices.applied(to: self.preset?.hyperparameters ?? Hyperparameters()),
            executor: executor ?? .usual, processes: team.collective.count, unreadable: images.unreadable)
        let folder = try RunFolder.create(runPath, configuration: configuration, force: force)
        return Prepared(configuration: configuration, dataset: dataset, folder: folder)
    }

    /// A new run that begins with the weights of another one or of a file.
    private func prepare(startingFrom source: String, _ team: FitTeam) throws -> Prepared {
        let name = dataset ?? "fashion-mnist"
        let weights = try startingWeights(source, dataset: name)
        let network = weights.architecture
        let geometry = ImageGeometry(
            height: network.inputHeight, width: network.inputWidth, channels: network.inputChannels)
        let dataset = try loadDataset(name, geometry: geometry, unreadable: images.unreadable)
        guard dataset.geometry == geometry else {
            throw CommandFailure(
                .badData,
                "the network of \(source) takes images of \(geometry), those of \(dataset.name) are \(dataset.geometry)")
        }
        let hyper = choices.applied(to: self.preset?.hyperparameters ?? Hyperparameters())
        let adapted = try weights.adapted(to: dataset.labels, seed: hyper.seed)
        if adapted.knownClasses < dataset.labels.count {
            Console.note(
                "\(source) knows \(adapted.knownClasses) of the \(dataset.labels.count) classes; the others begin anew")
        }
        let configuration = try RunConfiguration(
            toolkitVersion: Toolkit.version, dataset: dataset, network: adapted.architecture, hyperparameters: hyper,
            executor: executor ?? .usual, preprocessing: weights.preprocessing, processes: team.collective.count,
            unreadable: images.unreadable)
        let made = try RunFolder.create(
            runPath, configuration: configuration, startingWith: adapted.variables, from: source,
            knownClasses: adapted.knownClasses, force: force)
        return Prepared(configuration: made.configuration, dataset: dataset, folder: made.folder)
    }

    private func startingWeights(_ source: String, dataset: String) throws -> StartingWeights {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: source, isDirectory: &isFolder) else {
            throw CommandFailure(.inputOutput, "--from \(source): there is no such run or file")
        }
        if isFolder.boolValue { return try StartingWeights(run: source) }
        if source.hasSuffix(".deai") {
            throw CommandFailure(
                .badData,
                "--from \(source): int8 weights cannot be trained from; give the folder of the run that it was exported "
                    + "from, or that run as .onnx or .safetensors")
        }
        let imported = try ForeignNetwork(path: source, model: model).read(for: dataset)
        for note in imported.notes { Console.note("note: " + note) }
        // Without names the classes are taken in the order of the data set, as `import` does.
        let labels = try imported.labels ?? loadDataset(dataset, unreadable: images.unreadable).labels
        guard labels.count == imported.architecture.classes else {
            throw CommandFailure(
                .badData,
                "\(source) has \(imported.architecture.classes) classes without names, the data set has \(labels.count)")
        }
        return StartingWeights(
            source: source, architecture: imported.architecture, preprocessing: imported.preprocessing, labels: labels,
            variables: imported.parameters)
    }

    /// A run that exists: its own settings and its own data set.
    private func reopen(_ team: FitTeam) throws -> Prepared {
        let (folder, configuration) = try RunFolder.open(runPath)
        var changes = choices.changes(from: configuration.hyperparameters)
        if let model, model != configuration.network.name {
            changes.append("--model is \(configuration.network.name)")
        }
        let used = configuration.executor ?? .portable
        if let executor, executor != used { changes.append("--executor is \(used.rawValue)") }
        let processes = configuration.processes ?? 1
        if processes != team.collective.count {
            changes.append("the number of processes (mpirun -n) is \(processes)")
        }
        guard changes.isEmpty else {
            throw CommandFailure(
                .usage,
                "a resumed run keeps its settings: in \(runPath) \(changes.joined(separator: ", ")); "
                    + "leave the option out, or start another run")
        }
        let dataset = try checkedDataset(of: configuration, named: dataset, file: folder.configurationPath)
        return Prepared(configuration: configuration, dataset: dataset, folder: folder)
    }

    /// The images that a run began with.
    private func checkedDataset(
        of configuration: RunConfiguration, named name: String?, file: String, silently: Bool = false
    ) throws -> Dataset {
        let dataset = try loadDataset(of: configuration, orNamed: name, silently: silently)
        let hash = hexadecimal(dataset.contentHash())
        guard hash == configuration.dataset.sha256 else {
            throw RunError.mismatch(
                file: file, what: "data set", found: configuration.dataset.sha256,
                expected: "\(hash) (\(dataset.location))")
        }
        return dataset
    }

    /// What is measured once, at the very end.
    private struct FinishedRecord: Encodable {
        let accuracy: Double
        let split: String
        let images: Int
        let bestEpoch: Int
        let bestValidationAccuracy: Double?
        let weightHash: String
        let bestWeightHash: String
        let run: String
        let seconds: Double
    }

    private func finishRun(
        _ finish: TrainingEvent.Finish, _ configuration: RunConfiguration, _ dataset: Dataset,
        _ folder: RunFolder, _ workers: Workers
    ) throws -> Double {
        let part = FinishedRun.images(of: dataset, configuration)
        let split = part.split
        let logits = try FinishedRun.logits(folder, configuration, part.images, workers)
        let result = Evaluation(
            logits: logits, targets: part.images.targets, classes: configuration.labels.count)
        let record = EventRecord(
            "finished",
            FinishedRecord(
                accuracy: result.accuracy, split: split, images: result.images, bestEpoch: finish.bestEpoch,
                bestValidationAccuracy: finish.bestValidationAccuracy, weightHash: finish.weightHash,
                bestWeightHash: finish.bestWeightHash, run: runPath, seconds: finish.seconds))
        try folder.log(record.json)
        if json {
            Console.result(record.json)
        } else {
            Console.result(
                "\(split) accuracy \(percentage(result.accuracy)) on \(ProgressBar.grouped(result.images)) images "
                    + "(weights of epoch \(finish.bestEpoch)), trained in \(ProgressBar.duration(finish.seconds))"
            )
            Console.result("weights \(finish.bestWeightHash)")
            Console.result("run     \(runPath)")
        }
        try FinishedRun.report(folder, configuration, part, logits)
        return result.accuracy
    }
}
