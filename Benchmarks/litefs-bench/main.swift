import POSIX

let arguments = Array(CommandLine.arguments.dropFirst())
CurrentProcess.exit(Writers.isOne(arguments) ? Writers.run(arguments) : Benchmark.run(arguments))
