import Foundation

/// A TCP connection to this machine, for clients that no HTTP library would be. It blocks: use it in `onThread`.
final class RawConnection {
    private let socket: Int32

    init(port: Int) throws {
        socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw Unexpected(text: "connect: \(errno)") }
    }

    deinit { close(socket) }

    /// False once the other side has hung up.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Foundation.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    func endSending() { shutdown(socket, Int32(SHUT_WR)) }

    private func receive(milliseconds: Int) -> [UInt8]? {
        var time = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(socket, &buffer, buffer.count, 0)
        if count < 0, errno == EAGAIN { return nil }
        return Array(buffer.prefix(max(0, count)))
    }

    /// What comes until the other side hangs up; throws when it does not for so long.
    func receiveToEnd(seconds: Int) throws -> [UInt8] {
        var all: [UInt8] = []
        while true {
            guard let part = receive(milliseconds: seconds * 1000) else { throw Unexpected(text: "the connection stays open") }
            if part.isEmpty { return all }
            all += part
        }
    }

    /// What comes within a moment: nil for nothing, empty when the other side hung up.
    func poll() -> [UInt8]? { receive(milliseconds: 1) }
}

/// Runs `body` on a thread of its own, as it blocks.
func onThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try body() }) }.start()
    }
}
