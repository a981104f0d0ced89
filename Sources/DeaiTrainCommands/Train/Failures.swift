import Export
import Interchange
import Training

extension CommandFailure {
    /// The exit code and the sentence for anything that the training and export modules throw.
    init(trainingSide error: any Error) {
        switch error {
        case let error as CommandFailure: self = error
        case let error as DatasetError: self.init(error.exitStatus, error.description)
        case let error as RunError: self.init(error.exitStatus, error.description)
        case let error as ExportError: self.init(error.exitStatus, error.description)
        case let error as ONNXError: self.init(error.exitStatus, error.description)
        case let error as SafetensorsError: self.init(.badData, error.description)
        default: self.init(.failure, "\(error)")
        }
    }

    /// Runs `body` and turns what it throws into a failure with an exit code.
    static func wrapping<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            throw CommandFailure(trainingSide: error)
        }
    }
}

extension ONNXError {
    var exitStatus: ExitStatus {
        switch self {
        case .file: .inputOutput
        case .malformed, .graph, .tensor, .node: .badData
        case .unsupported: .failure
        }
    }
}

extension DatasetError {
    var exitStatus: ExitStatus {
        switch self {
        case .notFound: .unavailable
        case .unreadable: .inputOutput
        case .corrupt, .invalid: .badData
        }
    }
}

extension RunError {
    var exitStatus: ExitStatus {
        switch self {
        case .notWritten, .unreadable: .inputOutput
        case .busy, .unavailable: .unavailable
        case .exists, .notARun, .invalid: .usage
        case .damaged, .version, .mismatch, .notAFolder: .badData
        case .diverged, .processes: .failure
        }
    }
}

extension ExportError {
    var exitStatus: ExitStatus {
        switch self {
        case .run(let error): error.exitStatus
        case .dataset(let error): error.exitStatus
        case .file, .labels: .badData
        case .unsupported, .model: .failure
        }
    }
}
