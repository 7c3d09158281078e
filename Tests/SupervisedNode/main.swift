import POSIX

CurrentProcess.exit(SupervisedNode.run(Array(CommandLine.arguments.dropFirst())))
