/// The texts that explain the command line.
enum Usage {
    /// What `litefs help` prints.
    static let program = """
        litefs replicates SQLite databases from one node to many, through a file system.

        Usage:

            litefs <command> [arguments]

        Commands:

            mount           mount the file system, and replicate until a signal comes
            run             run a program, if this node is one for it
            export          write a consistent copy of a database to a file
            status          show nodes, their roles and databases
            check-config    say what is wrong with a configuration file
            upgrade         replace the daemon of a running node, with its mount in use
            version         print the version
            help            print this text

        'litefs <command> -h' explains a command; that of mount shows a configuration file.

        """

    /// What `litefs mount -h` prints.
    static let mount = """
        litefs mount puts a file system for SQLite databases at fuse.dir. On the primary, programs
        read and write there; on replicas they read what the primary committed.

        Usage:

            litefs mount [flags] [-- COMMAND ARGUMENTS...]

        Flags (-x and --x are the same):

            -config PATH      read this configuration file instead of searching for one
            -no-expand-env    leave $NAME and ${...} in the configuration file as they are
            -skip-unmount     keep a mount that an earlier run left at fuse.dir
            -debug            log details (log.debug)
            -fuse.debug       log every FUSE request (fuse.debug)
            -tracing          write the trace log to standard output
            -- COMMAND        run this command instead of those under exec; the words are joined by
                              blanks and split again, and no shell is involved

        The configuration file is the first one there is of

            ./litefs.yml    ~/litefs.yml    /etc/litefs.yml

        An example for one primary, app-0, and any number of replicas. All nodes use the same file:

            fuse:
              dir: "/litefs"               # where programs find their databases
            data:
              dir: "/var/lib/litefs"       # where the daemon keeps them; not inside fuse.dir
            lease:
              type: "static"
              candidate: ${HOSTNAME == 'app-0'}             # true on the primary alone
              hostname: "app-0"                             # the primary's, on every node
              advertise-url: "http://app-0.app:20202"       # the primary's, on every node
            exec:
              - cmd: "my-program -db /litefs/my.db"         # started once the node is in sync

        In Kubernetes the primary may also change: type "kubernetes", an advertise-url that is each node's own, and
        kubernetes: {name: NAME}, the Lease object that the nodes agree by (docs/KUBERNETES.md, "The primary").

        Exit codes:

            0    stopped by a signal, everything unmounted
            1    the start failed (unless exit-on-error is false), or unmounting failed
            2    the flags or the configuration file are wrong, or help was asked for
            N    the command under exec ended with N

        """

    /// What `litefs export -h` prints.
    static let export = """
        litefs export writes a copy of a database, consistent at one transaction, to a file.
        Writers and readers go on meanwhile. A file at PATH is replaced when the copy is whole.

        Usage:

            litefs export -name NAME [-url URL] PATH

        Flags:

            -name NAME    the database's name on the mount
            -url URL      the node to ask (default: \(NodeClient.defaultURL))

        Example, for a backup:

            litefs export -name my.db /backup/my.db

        """

    /// What `litefs run -h` prints.
    static let run = """
        litefs run runs a program in its own place, so signals and the exit code are the program's.

        Usage:

            litefs run [flags] -- COMMAND ARGUMENTS...

        Flags:

            -if-candidate    only on a node with lease.candidate true; else do nothing, exit 0
            -url URL         the node to ask (default: \(NodeClient.defaultURL))
            -v               say what is done

        Example, for migrations in a command that all pods have:

            litefs run -if-candidate -- my-program migrate

        """

    /// What `litefs status -h` prints.
    static let status = """
        litefs status shows what nodes say about themselves (GET /info): role, databases, positions, sizes and lag.

        Usage:

            litefs status [-url URL]... [-watch] [-json]

        Flags:

            -url URL    a node to ask, again for more (default: \(NodeClient.defaultURL))
            -watch      go on, once a second
            -json       print the nodes' JSON as it is

        Exit codes: 0 when all is well, 1 when a node does not answer, is not connected to its primary, or has a
        database with a fault.

        """

    /// What `litefs check-config -h` prints.
    static let checkConfig = """
        litefs check-config reads the configuration file as litefs mount would, and changes nothing.

        Usage:

            litefs check-config [-config PATH] [-no-expand-env]

        Exit codes: 0 when the node could use it, 2 and the reasons when not.

        """

    /// What `litefs upgrade -h` prints.
    static let upgrade = """
        litefs upgrade replaces the daemon of the node on this machine by that of another binary, or of the same one.
        The mount stays, and so do programs that use it: what they ask for meanwhile waits.

        Usage:

            litefs upgrade [-config PATH] [-no-expand-env] [-binary PATH]

        Flags:

            -config PATH      the node's configuration file; data.dir in it is where the node is found
            -no-expand-env    leave $NAME and ${...} in the configuration file as they are
            -binary PATH      the program of the new daemon (default: the one with which the node was started, as it
                              is on disk now)

        The process that was started first, which the commands under exec belong to, stays the program that it is until
        litefs is stopped.

        Exit codes: 0 when the new daemon serves, 1 when it does not (then the program before goes on), 2 when the
        configuration file cannot be read.

        """
}
