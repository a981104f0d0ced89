import ArgumentParser

/// The commands of this folder, in the order of the help text.
enum NetworkCommands {
    static let all: [any ParsableCommand.Type] = [
        EmulatorCommand.self, CanisterCommand.self, UploadCommand.self, QueryCommand.self, ModelsCommand.self,
        ActivateCommand.self, RollbackCommand.self, DeleteCommand.self, DownloadCommand.self, IdentityCommand.self,
        PocketICCommand.self,
    ]
}
