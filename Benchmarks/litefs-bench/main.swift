import POSIX

CurrentProcess.exit(Benchmark.run(Array(CommandLine.arguments.dropFirst())))
