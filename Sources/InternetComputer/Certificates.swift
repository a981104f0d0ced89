// Hash trees, certificates' rules and BLS signatures are embedded-safe; who imports this module has them too.
@_exported import Certificates
