import Testing

import Emulator
