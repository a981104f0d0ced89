import Foundation

/// Letters as lines, for texts in PNG files: no font has to be installed where a report is written.
///
/// A glyph is a list of strokes, a stroke a list of points of two hexadecimal digits: x from 0 to 6, and y from 0 (top
/// of capitals) over 3 (top of small letters) and 9 (baseline) to c (lowest). The letters are our own.
enum StrokeFont {
    static let capitalHeight = 9.0

    private static let table: [Character: String] = [
        "A": "093069 1656", "B": "09004051534404 4455584909", "C": "6150100108195968", "D": "09004062674909",
        "E": "50000959 0444", "F": "500009 0444", "G": "61501001081959686545", "H": "0009 6069 0464",
        "I": "0009", "J": "4047391908", "K": "0009 6005 2469", "L": "000959", "M": "0900356069",
        "N": "09006960", "O": "204062674929070220", "P": "09004051544505", "Q": "204062674929070220 4669",
        "R": "09004051544505 3569", "S": "615010010314546568591908", "T": "0060 3039", "U": "000729496760",
        "V": "003960", "W": "0019335960", "X": "0069 6009", "Y": "003460 3439", "Z": "00600969",
        "a": "5359 5443130408194958", "b": "0009 0413435458491908", "c": "5443130408194958",
        "d": "5059 5443130408194958", "e": "06565443130408194958", "f": "40302129 0343",
        "g": "535b4c1c0b 5443130408194958", "h": "0009 0413435459", "i": "0309 0001", "j": "232b1c0c 2021",
        "k": "0009 4307 1649", "l": "0009", "m": "0309 0413233439 3443536469", "n": "0309 0413435459",
        "o": "134354584919080413", "p": "030c 0413435458491908", "q": "535c 5443130408194958",
        "r": "0309 052343", "s": "544313040516465758491908", "t": "20283949 0343", "u": "0308194958 5359",
        "v": "032943", "w": "0319355963", "x": "0349 4309", "y": "0329 431c0c", "z": "03430949",
        "0": "104051584919080110", "1": "123039", "2": "0201104051530959", "3": "01104051534424 445558491908",
        "4": "49400656", "5": "500004445558491908", "6": "4020030819495855441405", "7": "005029",
        "8": "104051534414030110 1405081949585544", "9": "5445150401104051563919",
        ".": "0809", ",": "180b", ":": "0405 0809", ";": "1415 180b", "-": "0545", "+": "0545 2327",
        "=": "0444 0646", "/": "4009", "%": "6009 0020220200 4767694947", "(": "2003072a", ")": "0023270a",
        "'": "0002", "\"": "0002 2022", "!": "0006 0809", "?": "01104051523536 3839", "_": "0a5a",
        "<": "430649", ">": "034609", "#": "1019 4049 0353 0656", "&": "691211203041420608193965",
        "*": "2226 0325 4305", "[": "20000a2a", "]": "00202a0a", "|": "000c", "·": "0506", "×": "0448 4408",
        "–": "0565", "→": "0565 436547",
    ]

    /// What is drawn for a character that the table lacks.
    private static let box = "0050590900"

    /// The strokes of a text with capitals of height `size` · 0.72, from (0, 0) on the baseline; and its width.
    static func strokes(_ text: String, size: Double) -> (lines: [[Drawing.Point]], width: Double) {
        let unit = size * 0.72 / capitalHeight
        var lines: [[Drawing.Point]] = []
        var x = 0.0
        // Accents are left out rather than drawn as boxes.
        let plain = text.folding(options: .diacriticInsensitive, locale: nil)
        for character in plain {
            if character == " " {
                x += 4 * unit
                continue
            }
            var right = 0
            for stroke in (table[character] ?? box).split(separator: " ") {
                let digits = stroke.compactMap(\.hexDigitValue)
                lines.append(
                    stride(from: 0, to: digits.count - 1, by: 2).map { at in
                        right = max(right, digits[at])
                        return Drawing.Point(
                            x + Double(digits[at]) * unit, (Double(digits[at + 1]) - capitalHeight) * unit)
                    })
            }
            // Digits are equally wide, so that columns of numbers stay columns.
            x += (Double(character.isASCII && character.isNumber ? 5 : right) + 2.6) * unit
        }
        return (lines, max(x - 2.6 * unit, 0))
    }
}
