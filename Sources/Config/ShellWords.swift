/// Splits a command line into words the way LiteFS does: quotes and backslashes count, and nothing else does.
///
/// - Blanks (space, tab, carriage return, line feed) separate words.
/// - Single quotes keep everything; double quotes keep everything but the backslash.
/// - A backslash outside single quotes keeps the next character, except that `\t` is a tab and `\n` a line feed.
/// - Two quotes with nothing between them are an empty word.
///
/// No shell is involved: variables, globs, pipes, redirections and lists do not work. The unquoted characters by
/// which a shell would do so are refused, because the command would run and do something else than it says.
public enum ShellWords {
    /// Why a command line cannot be split.
    public struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
        /// What is wrong, where, and what to write instead.
        public let description: String
    }

    /// Splits `line`.
    ///
    /// - Returns: The words; none when the line is blank.
    /// - Throws: `Failure` for a quote without an end, a backslash at the end, or an unquoted `;&|<>()` or backtick.
    public static func split(_ line: String) throws(Failure) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: (mark: Unicode.Scalar, position: Int)?
        var isEscaped = false
        var position = 0
        for scalar in line.unicodeScalars {
            position += 1
            if isEscaped {
                word = (word ?? "").appending(scalar == "t" ? "\t" : scalar == "n" ? "\n" : scalar)
                isEscaped = false
            } else if scalar == "\\" && quote?.mark != "'" {
                isEscaped = true
            } else if let open = quote {
                if scalar == open.mark {
                    quote = nil
                } else {
                    word = (word ?? "").appending(scalar)
                }
            } else if scalar == " " || scalar == "\t" || scalar == "\r" || scalar == "\n" {
                if let finished = word { words.append(finished) }
                word = nil
            } else if scalar == "'" || scalar == "\"" {
                quote = (scalar, position)
                word = word ?? ""
            } else if isMetacharacter(scalar) {
                throw noShell(scalar, at: position, in: line)
            } else {
                word = (word ?? "").appending(scalar)
            }
        }
        if let open = quote {
            throw Failure(
                description:
                    "invalid command line string: the quote \(open.mark) at character \(open.position) is "
                    + "never closed; close it, or write \\\(open.mark) for the character itself"
            )
        }
        if isEscaped {
            throw Failure(
                description:
                    "invalid command line string: it ends in a backslash; write \\\\ for the character itself"
            )
        }
        if let finished = word { words.append(finished) }
        return words
    }

    /// Whether a shell would not take the character as part of a word.
    private static func isMetacharacter(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case ";", "&", "|", "<", ">", "(", ")", "`": true
        default: false
        }
    }

    private static func noShell(_ scalar: Unicode.Scalar, at position: Int, in line: String) -> Failure {
        var shellLine = ""
        for scalar in line.unicodeScalars {
            if scalar == "'" { shellLine += "'\\'" }
            shellLine.unicodeScalars.append(scalar)
        }
        return Failure(
            description:
                "invalid command line string: \(scalar) at character \(position) has no meaning here, since "
                + "no shell runs the command; write sh -c '\(shellLine)', or quote the character to pass it on"
        )
    }
}

extension String {
    fileprivate consuming func appending(_ scalar: Unicode.Scalar) -> String {
        unicodeScalars.append(scalar)
        return self
    }
}
