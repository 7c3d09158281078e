import FUSE
import HTTP
import POSIX

extension Node {
    /// Takes the HTTP address, so that a second node with the same one fails before it touches any data.
    ///
    /// Peers can connect from now on, and wait until `serve`.
    func listen(_ parts: Parts) throws(StartError) -> HTTPServer {
        // A daemon that just ended may have it for a moment.
        let deadline = MonotonicTime.now + endOfEarlier
        return try parts.start("listen for HTTP", undoing: "close the HTTP socket") {
            while true {
                do {
                    return try HTTPServer(address: config.http.addr.description)
                } catch HTTPServerError.cannotListen(_, .addressInUse) where MonotonicTime.now < deadline {
                    pause(.milliseconds(2))
                }
            }
        } stop: {
            $0.stop()
        }
    }

    /// Removes a dead mount at `fuse.dir` and makes the folder.
    ///
    /// Returns the names in it, which the mount is going to hide.
    @discardableResult
    func prepareMountFolder(_ parts: Parts) throws(StartError) -> Set<String> {
        try parts.run("prepare fuse.dir") {
            try MountFolder.prepare(config.fuse.dir, keepsMounts: keepsMounts, logger: logger)
        }
    }

    /// Makes the file system and shows it at `fuse.dir`, or goes on with one that is there.
    ///
    /// - Parameters:
    ///   - fileSystem: What is mounted.
    ///   - lease: What this node is.
    ///   - memory: The session's memory.
    ///   - inherited: The session to go on with, if there is one.
    ///   - isOwn: Tells the daemon's own threads.
    ///   - setUp: Called when requests are served but nobody else sees the mount, or opens a file there.
    ///   - tearDown: Called before the mount goes, or is left to another daemon: closes all own descriptors on it.
    ///   - parts: Where the parts are noted.
    /// - Returns: The session, which `parts` stops.
    /// - Throws: `StartError`.
    func mount(
        _ fileSystem: any FileSystem,
        _ lease: NodeLease,
        memory: SessionMemory,
        inherited: InheritedSession?,
        isOwn: @escaping @Sendable (Int32) -> Bool,
        setUp: (FUSESession) throws -> Void,
        tearDown: @escaping @Sendable (_ isLeft: Bool) throws -> Void,
        _ parts: Parts
    ) throws(StartError) -> FUSESession {
        var options = SessionOptions(
            allowOther: config.fuse.allowOther,
            checksPermissions: lease.isPrimary || lease.roleMayChange,
            allowPassthrough: lease.isPrimary && !lease.roleMayChange && config.fuse.passthrough != "off",
            debug: config.fuse.debug
        )
        options.holdsOpensBack = !lease.isPrimary
        options.isOwn = isOwn
        options.allowResend = CurrentProcess.environment(Self.resendVariable) != "off"
        let (dir, logger, link) = (config.fuse.dir, logger, link)
        let session = try parts.start("make the file system", undoing: "end the FUSE session") {
            guard let inherited else {
                return try FUSESession(fileSystem, memory: memory, options: options)
            }
            // The kernel agreed on it with the first daemon; files may be open in that way.
            options.allowPassthrough = lease.isPrimary && !lease.roleMayChange
            return try FUSESession(
                fileSystem,
                continuing: try inherited.descriptors(),
                path: dir,
                options: options
            ) { count in
                logger.error(
                    "the daemon before had \(count) requests at hand, and this kernel cannot send them again (Linux 6.9 can): the "
                        + "programs that wait for them get errors; what they wrote may or may not be in their files"
                )
            }
        } stop: {
            $0.stop()
        }
        if inherited == nil, let link {
            session.withDescriptors { device, root in
                link.send(LinkMessage(.session), [device, root, memory.file.rawValue])
            }
        }
        _ = try parts.start("set up the mount", undoing: "unmount \(dir)") {
            try setUp(session)
            return session
        } stop: { session in
            if link?.isHandingOver == true {
                defer { session.leave() }
                return try tearDown(true)
            }
            defer {
                link?.release()
                if session.detach() {
                    logger.warning(
                        "files on \(dir) are still open: the mount is gone from there, and programs that use "
                            + "them get errors"
                    )
                }
            }
            try tearDown(false)
        }
        if inherited == nil {
            try parts.run("mount at \(dir)") { try session.attach(at: dir) }
            link?.send(LinkMessage(.attached))
            logger.info("LiteFS mounted to: \(dir)")
        } else {
            session.openGate()
            logger.info("LiteFS goes on with the mount at: \(dir)")
        }
        return session
    }

    /// `off`: as on a kernel that cannot send requests again; for tests.
    private static let resendVariable = "LITEFS_RESEND"

    /// How long the descriptors of a daemon that just ended, or was killed with its supervisor, may still be open.
    var endOfEarlier: Duration {
        guard let link else { return .zero }
        return link.isContinuing || UpgradeSocket.isAbandoned(in: config.data.dir) ? .seconds(10) : .zero
    }

    /// Starts to answer requests.
    func serve(_ server: HTTPServer, _ handler: @escaping HTTPHandler, _ parts: Parts) throws(StartError) {
        _ = try parts.start("serve HTTP", undoing: "stop the HTTP server") {
            try server.serve(handler: handler)
            return server
        } stop: {
            $0.stop()
        }
        let host = config.http.addr.isWildcard ? "localhost" : config.http.addr.host
        let shown = host.contains(":") ? "[\(host)]" : host
        logger.info("http server listening on: http://\(shown):\(server.boundPort)")
    }

    /// Waits until the node knows the primary's data, unless `skip-sync` is set.
    func waitForCluster(_ readiness: Readiness, _ parts: Parts) throws(StartError) {
        guard !config.skipSync else {
            logger.info("skipping cluster sync, starting immediately")
            return
        }
        logger.info("waiting to connect to cluster")
        try parts.run("connect to the cluster") { try readiness.wait(orStop: parts.stopRequest) }
        logger.info("connected to cluster, ready")
    }

    /// Has a primary look, beside everything else, whether another node believes to be the primary.
    func checkPrimary(_ lease: NodeLease, _ parts: Parts) throws(StartError) {
        guard lease.isPrimary, !lease.isMoving, !lease.advertiseURL.isEmpty else { return }
        let check = PrimaryCheck(nodeID: idText, advertiseURL: lease.advertiseURL)
        let (logger, stopRequest) = (logger, parts.stopRequest)
        let name = "the check for a second primary"
        _ = try parts.start("start \(name)", undoing: "end \(name)") {
            PrimaryCheckRun(check, logger: logger, stopRequest: stopRequest)
        } stop: {
            $0.stop()
        }
    }
}
