#if arch(wasm32)
    import Canister
    import CanisterPage

    /// The files of the page as they lie in this module.
    func pageAssets() -> [WebAsset] {
        [
            asset(0, "/", "text/html; charset=utf-8"), asset(1, "/page.css", "text/css; charset=utf-8"),
            asset(2, "/page.js", "text/javascript; charset=utf-8"),
            asset(3, "/canister.js", "text/javascript; charset=utf-8"),
            asset(4, "/device.js", "text/javascript; charset=utf-8"),
            asset(5, "/browser.wasm", "application/wasm"),
        ]
    }

    private func asset(_ index: Int32, _ path: StaticString, _ contentType: StaticString) -> WebAsset {
        let file = canister_page_file(index)
        return WebAsset(
            path: path, contentType: contentType, isGzipped: true,
            body: [UInt8](UnsafeBufferPointer(start: file.bytes, count: file.size)))
    }
#endif
