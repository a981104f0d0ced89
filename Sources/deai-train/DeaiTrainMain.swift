import DeaiTrainCommands

@main
enum DeaiTrainMain {
    static func main() async {
        await DeaiTrain.runAndExit()
    }
}
