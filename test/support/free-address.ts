import { randomInt } from 'node:crypto';
import { type AddressInfo, createServer } from 'node:net';

/**
 * HOST:PORT for what cannot be told to take port 0. It is on a loopback address of its own (all of 127.0.0.0/8 is local), so that
 * nobody else takes the port meanwhile: other programs ask for ports on 127.0.0.1.
 */
export async function freeAddress(): Promise<string> {
  const host = `127.${randomInt(1, 255)}.${randomInt(255)}.${randomInt(1, 255)}`;
  return `${host}:${await freePort(host)}`;
}

/** A TCP port that nobody has on a host at the moment, for a program that takes it soon. */
export async function freePort(host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
