/// The version of the canister's code, also in the module's metadata `deai:version`.
public enum Version {
    public static var text: StaticString { "0.1.0" }
}
