import FUSE
import HTTP
import POSIX

extension Node {
    /// Takes the HTTP address, so that a second node with the same one fails before it touches any data.
    ///
    /// Peers can connect from now on, and wait until `serve`.
    func listen(_ parts: Parts) throws(StartError) -> HTTPServer {
        try parts.start("listen for HTTP", undoing: "close the HTTP socket") {
            try HTTPServer(address: config.http.addr.description)
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

    /// Makes the file system and shows it at `fuse.dir`.
    ///
    /// - Parameters:
    ///   - fileSystem: What is mounted.
    ///   - setUp: Called when requests are served but nobody else sees the mount.
    ///   - tearDown: Called before the mount goes: closes all own descriptors on it.
    ///   - parts: Where the parts are noted.
    /// - Returns: The session, which `parts` stops.
    /// - Throws: `StartError`.
    func mount(
        _ fileSystem: any FileSystem,
        setUp: (FUSESession) throws -> Void,
        tearDown: @escaping @Sendable () throws -> Void,
        _ parts: Parts
    ) throws(StartError) -> FUSESession {
        let options = SessionOptions(
            allowOther: config.fuse.allowOther,
            checksPermissions: lease.isPrimary,
            allowPassthrough: lease.isPrimary && config.fuse.passthrough != "off",
            debug: config.fuse.debug
        )
        let session = try parts.start("make the file system", undoing: "end the FUSE session") {
            try FUSESession(fileSystem, options: options)
        } stop: {
            $0.stop()
        }
        let (dir, logger) = (config.fuse.dir, logger)
        _ = try parts.start("set up the mount", undoing: "unmount \(dir)") {
            try setUp(session)
            return session
        } stop: { session in
            defer {
                if session.detach() {
                    logger.warning(
                        "files on \(dir) are still open: the mount is gone from there, and programs that use "
                            + "them get errors"
                    )
                }
            }
            try tearDown()
        }
        try parts.run("mount at \(dir)") { try session.attach(at: dir) }
        logger.info("LiteFS mounted to: \(dir)")
        return session
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
    func checkPrimary(_ parts: Parts) throws(StartError) {
        guard lease.isPrimary, !lease.advertiseURL.isEmpty else { return }
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
