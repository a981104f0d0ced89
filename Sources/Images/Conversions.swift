extension PixelImage {
    /// Grey (77R+150G+29B+128)>>8, or grey replicated to RGB; itself when nothing changes.
    public func converted(channels: Int) -> PixelImage { fatalError("pending") }
    /// Integer-only triangle filter, widened when shrinking; itself at the same size.
    public func resized(width: Int, height: Int) -> PixelImage { fatalError("pending") }
    /// Converted and resized to what a model takes.
    public func fitted(width: Int, height: Int, channels: Int) -> PixelImage {
        converted(channels: channels).resized(width: width, height: height)
    }
}
