import CAcceleration
import COneDNN

/// Whether this machine has what accelerated executors call.
public enum AccelerationSupport {
    /// Looked for once, at the first use: oneDNN and the runtime of its threads.
    public static let isAvailable = failure == nil

    /// Why not, nil where it has.
    public static let failure: String? = {
        deai_limit_waiting()
        // oneDNN first: it brings the runtime along.
        guard let reason = deai_onednn_load() ?? deai_load_threads() else { return nil }
        return String(cString: reason)
    }()
}
