import Export
import Foundation
import Inference
import Training

/// What a command was pointed at: the folder of a run, or a .deai file.
enum ModelSource {
    case run(RunFolder, RunConfiguration)
    case file(QuantizedModel, bytes: [UInt8])

    init(_ path: String) throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw CommandFailure(.inputOutput, "\(path): there is no such run folder or .deai file")
        }
        if isFolder.boolValue {
            let (folder, configuration) = try RunFolder.open(path)
            self = .run(folder, configuration)
            return
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandFailure(.inputOutput, "cannot read \(path)")
        }
        let bytes = [UInt8](data)
        do {
            self = .file(try ModelFile.read(bytes), bytes: bytes)
        } catch {
            throw ExportError.file(path: path, error)
        }
    }
}
