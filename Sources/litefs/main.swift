import POSIX

CurrentProcess.exit(Program.run(Array(CommandLine.arguments.dropFirst())))
