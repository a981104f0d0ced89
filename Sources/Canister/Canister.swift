// The classifier canister, generic over SystemAPI.
