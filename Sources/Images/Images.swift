// PNG decoding and exact integer resizing, the same on the host and in the canister.
