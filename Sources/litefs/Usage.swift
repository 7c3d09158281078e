/// The texts that explain the command line.
enum Usage {
    /// What `litefs help` prints.
    static let program = """
        litefs replicates SQLite databases from one node to many, through a file system.

        Usage:

            litefs <command> [arguments]

        Commands:

            mount      mount the file system, and replicate until a signal comes
            version    print the version
            help       print this text

        'litefs mount -h' explains the flags and shows a configuration file.

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

        Exit codes:

            0    stopped by a signal, everything unmounted
            1    the start failed (unless exit-on-error is false), or unmounting failed
            2    the flags or the configuration file are wrong, or help was asked for
            N    the command under exec ended with N

        """
}
