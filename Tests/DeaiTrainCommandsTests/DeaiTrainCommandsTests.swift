import DeaiTrainCommands
import Testing

@Suite struct ConsoleTests {
    @Test(arguments: [
        (0, "0"), (7, "7"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (-12_345, "-12,345"),
    ])
    func groupsDigits(value: Int, text: String) {
        #expect(ProgressBar.grouped(value) == text)
    }

    @Test(arguments: [
        (0.1, "1s"), (59, "59s"), (60, "1m00s"), (185, "3m05s"), (3599.5, "1h00m"), (7320, "2h02m"),
        (Double.infinity, "-"),
    ])
    func writesDurations(seconds: Double, text: String) {
        #expect(ProgressBar.duration(seconds) == text)
    }

    @Test(arguments: [(1.234, "1.23"), (12.34, "12.3"), (17_546.4, "17,546"), (Double.nan, "-")])
    func writesQuantities(value: Double, text: String) {
        #expect(ProgressBar.quantity(value) == text)
    }

    @Test func showsShareRateAndTimeLeft() {
        let line = ProgressBar.line(
            title: "epoch 1/3", unit: "images", done: 250, total: 1000, seconds: 0.5, detail: "loss 0.4",
            columns: 100)
        #expect(line.contains("[#######.......................]"))
        #expect(line.contains(" 25% 500 images/s ETA 2s  loss 0.4"))
    }

    @Test(arguments: [1, 10, 40, 80, 200])
    func staysWithinTheTerminal(columns: Int) {
        let line = ProgressBar.line(
            title: "a title", unit: "MB", done: 3, total: 7, seconds: 2, detail: "detail", columns: columns)
        #expect(line.count <= columns - 1)
        #expect(line.isEmpty == (columns == 1))
    }

    @Test func terminalsGetNoControlCharacters() {
        #expect(Console.printable("a\u{1B}[31mb\u{9B}2J\u{7F}\r\tc\nd é 画") == "a�[31mb�2J��\tc\nd é 画")
    }

    @Test func survivesNothingToDo() {
        let line = ProgressBar.line(
            title: "t", unit: "u", done: 0, total: 0, seconds: 0, detail: "", columns: 80)
        #expect(line.contains("0%"))
        #expect(line.contains("ETA -"))
    }
}

@Suite struct CommandFailureTests {
    /// The table of docs/commands.md.
    @Test func exitCodesAreAsDocumented() {
        #expect(CommandFailure(.success, "why").exitStatus.rawValue == 0)
        #expect(CommandFailure(.failure, "why").exitStatus.rawValue == 1)
        #expect(CommandFailure(.belowTarget, "why").exitStatus.rawValue == 2)
        #expect(CommandFailure(.usage, "why").exitStatus.rawValue == 64)
        #expect(CommandFailure(.badData, "why").exitStatus.rawValue == 65)
        #expect(CommandFailure(.unavailable, "why").exitStatus.rawValue == 69)
        #expect(CommandFailure(.inputOutput, "why").exitStatus.rawValue == 74)
        #expect(CommandFailure(.interrupted, "why").exitStatus.rawValue == 130)
        #expect(CommandFailure(.failure, "why").description == "why")
    }
}
