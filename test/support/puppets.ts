import { chmodSync, cpSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { guardProcesses } from './guard.ts';
import { Journal } from './journal.ts';
import { FIXTURES } from './paths.ts';
import { Puppet } from './puppet.ts';
import { type Scope, temporaryFolder } from './temporary.ts';

/** The server that puppets connect to. */
export interface Puppets {
  /** For the service's environment. */
  readonly environment: { readonly PUPPET_SOCKET: string };
  /** argv of the puppet; absolute. */
  readonly command: readonly [string, string];
  /** argv of the reporter, which adds nothing to its environment, and can only report and exit. */
  readonly reporter: readonly [string];
  /** All puppets so far, in the order of their connections. */
  readonly all: readonly Puppet[];
  /** The next puppet that was not returned yet. The first call returns the first one that connects. */
  next(): Promise<Puppet>;
  /** The next puppet of that generation. Others before it are skipped. */
  nextOf(generation: number): Promise<Puppet>;
}

/** Opens the socket for puppets. The end of the test kills all of them and their reported children. */
export async function startPuppets(scope: Scope): Promise<Puppets> {
  const guard = guardProcesses(scope);
  const folder = temporaryFolder(scope);
  // A service may run as another user, who cannot read a checkout in a home directory.
  chmodSync(folder, 0o755);
  const path = join(folder, 'puppets');
  const fixtures = join(folder, 'fixtures');
  cpSync(FIXTURES, fixtures, { recursive: true });
  const connected = new Journal<Puppet>();
  const sockets = new Set<Socket>();
  let given = 0;

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
    let puppet: Puppet | null = null;
    createInterface({ input: socket }).on('line', (line) => {
      const message = JSON.parse(line);
      if (puppet !== null) {
        puppet.receive(message);
      } else {
        puppet = new Puppet(socket, message, guard);
        connected.push(puppet);
      }
    });
  });
  await listening(server, path);
  chmodSync(path, 0o777);

  scope.after(() => {
    connected.close(() => new Error('the test is over'));
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  function next(): Promise<Puppet> {
    const index = given;
    given += 1;
    return connected.waitFor((puppet) => connected.entries[index] === puppet, index);
  }

  async function nextOf(generation: number): Promise<Puppet> {
    for (;;) {
      const puppet = await next();
      if (puppet.generation === generation) return puppet;
    }
  }

  return {
    environment: { PUPPET_SOCKET: path },
    command: [process.execPath, join(fixtures, 'puppet.js')],
    reporter: [join(fixtures, 'report.pl')],
    all: connected.entries,
    next,
    nextOf,
  };
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
}
