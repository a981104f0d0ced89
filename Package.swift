// swift-tools-version: 6.2
import Foundation
import PackageDescription

// Embedded-safe modules compile twice: here for Linux, and by scripts/build-canister.sh for wasm32.
// On x86-64 they are built for the vector width of this machine. Results do not depend on it:
// the order of every sum is written in the source and nothing is contracted or reassociated.
let cpuFlags = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
let vectorWidth: [String] = cpuFlags.contains(" avx2 ") ? ["-Xcc", "-mavx2"] : []

let embeddedSafe: [SwiftSetting] = [
    .treatWarning("EmbeddedRestrictions", as: .error),
    .unsafeFlags(vectorWidth, .when(configuration: .release)),
]

func embedded(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: embeddedSafe)
}

func tests(_ module: String, _ more: [Target.Dependency] = [], resources: [Resource]? = nil) -> Target {
    .testTarget(
        name: module + "Tests", dependencies: [.target(name: module)] + more, resources: resources)
}

let package = Package(
    name: "deai-train",
    products: [.executable(name: "deai-train", targets: ["deai-train"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    ],
    targets: [
        // Embedded-safe: no Foundation, typed throws, compiled natively and for wasm32.
        .target(name: "CSIMD"),
        .target(name: "CFreestanding"),
        embedded("Digests"),
        embedded("Images", ["Digests"]),
        embedded("Kernels", ["CSIMD"]),
        embedded("Autodiff", ["Kernels"]),
        embedded("NeuralNetwork", ["Autodiff", "Digests", "Kernels"]),
        embedded("Inference", ["Digests", "Kernels"]),
        embedded("Candid", ["Digests"]),
        embedded("Certificates", ["Digests"]),
        embedded("IC0"),
        embedded("Canister", ["Candid", "Digests", "IC0", "Images", "Inference", "Kernels"]),

        // Host only.
        .target(name: "CMemory"),
        .target(name: "CPNG", linkerSettings: [.linkedLibrary("png16")]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CWasmtime", linkerSettings: [.linkedLibrary("dl")]),
        .target(name: "COneDNN", linkerSettings: [.linkedLibrary("dl")]),
        .target(name: "CAcceleration", linkerSettings: [.linkedLibrary("dl")]),
        .target(
            name: "Acceleration",
            dependencies: ["Autodiff", "CAcceleration", "COneDNN", "Kernels", "NeuralNetwork"]),
        .target(
            name: "Training",
            dependencies: [
                "Acceleration", "Autodiff", "CPNG", "CZlib", "Digests", "Images", "Kernels", "NeuralNetwork",
            ]),
        .target(name: "CMPI", linkerSettings: [.linkedLibrary("dl")]),
        .target(name: "MessagePassing", dependencies: ["CMPI", "Training"]),
        .target(
            name: "Export",
            dependencies: [
                "Acceleration", "Autodiff", "Digests", "Inference", "Kernels", "NeuralNetwork", "Training",
            ]),
        .target(
            name: "Interchange",
            dependencies: [
                "Inference", "NeuralNetwork", .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ], exclude: ["ONNX/Schema/onnx.proto"]),
        .target(
            name: "InternetComputer",
            dependencies: [
                "Candid", "Certificates", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .target(
            name: "Emulator",
            dependencies: [
                "Candid", "CMemory", "CWasmtime", "CZlib", "IC0", "InternetComputer",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .target(
            name: "Upload",
            dependencies: [
                "CMemory", "Candid", "Digests", "Inference", "InternetComputer",
                .product(name: "Crypto", package: "swift-crypto"),
            ]),
        .target(
            name: "DeaiTrainCommands",
            dependencies: [
                "Emulator", "Export", "Inference", "Interchange", "InternetComputer", "MessagePassing", "Training",
                "Upload", .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .executableTarget(name: "deai-train", dependencies: ["DeaiTrainCommands"]),

        tests("Digests"),
        .target(
            name: "CPNGSuite", path: "Tests/CPNGSuite",
            linkerSettings: [.linkedLibrary("png16"), .linkedLibrary("z")]),
        tests("Images", ["CPNG", "CPNGSuite", "Digests"], resources: [.copy("Vectors")]),
        tests("Kernels"),
        tests("Autodiff"),
        tests("NeuralNetwork"),
        tests("Inference", ["Kernels"]),
        tests("Candid"),
        tests(
            "Canister", ["Candid", "CFreestanding", "Digests", "IC0", "Inference", "Kernels"],
            resources: [.copy("Fixtures")]),
        tests("Acceleration"),
        tests("Training", ["Acceleration"]),
        tests("MessagePassing"),
        tests("Export"),
        tests(
            "Interchange",
            [
                "Autodiff", "Inference", "Kernels", "NeuralNetwork",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ], resources: [.copy("Vectors")]),
        tests("InternetComputer"),
        tests("Emulator", ["CWasmtime", "Digests", "Images", "Inference", "Kernels", "NeuralNetwork"]),
        tests("Upload", ["InternetComputer"]),
        tests("DeaiTrainCommands"),
    ],
    swiftLanguageModes: [.v6]
)
