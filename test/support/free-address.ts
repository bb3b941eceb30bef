import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * HOST:PORT for programs that cannot bind port 0. Each address is a separate loopback address (all of 127.0.0.0/8 is
 * local), so no other program takes the port: they use ports of 127.0.0.1.
 */
export async function freeAddress(): Promise<string> {
  const host = `127.${randomInt(1, 255)}.${randomInt(255)}.${randomInt(1, 255)}`;
  return `${host}:${await freePort(host)}`;
}

/**
 * A TCP port that is free on a host at the moment, for a program that binds it soon. The port is below the ports of
 * outgoing connections (ip_local_port_range, ip(7)): such a connection in TIME_WAIT can block its port.
 * @param host omitted: every address
 */
export async function freePort(host?: string): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_768);
    if (await isFree(host, port)) return port;
  }
}

/** False if a socket of the host uses the port. Rejects for any other failure. */
function isFree(host: string | undefined, port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    );
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
