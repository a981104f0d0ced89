// Principal, CBOR, request ids, identities, certificates and the agent.
