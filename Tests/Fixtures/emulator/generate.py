"""Rewrites Tests/EmulatorTests/TestModules.swift from the .wat files beside this script (needs wabt's wat2wasm)."""
import base64, pathlib, subprocess, textwrap

here = pathlib.Path(__file__).parent
lines = ["import Foundation", "", "/// Modules made from Tests/Fixtures/emulator/*.wat by generate.py there.", "enum TestModules {"]
for source in sorted(here.glob("*.wat")):
    target = pathlib.Path("/tmp") / (source.stem + ".wasm")
    subprocess.run(["wat2wasm", "--enable-all", str(source), "-o", str(target)], check=True)
    text = base64.b64encode(target.read_bytes()).decode()
    lines.append(f"    static let {source.stem} = decode(")
    lines.append('        """')
    lines += ["        " + part for part in textwrap.wrap(text, 96)]
    lines += ['        """)', ""]
lines += [
    "    private static func decode(_ text: String) -> [UInt8] {",
    '        [UInt8](Data(base64Encoded: text.filter { $0 != "\\n" }) ?? Data())',
    "    }",
    "}",
]
(here.parent.parent / "EmulatorTests" / "TestModules.swift").write_text("\n".join(lines) + "\n")
