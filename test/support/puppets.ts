import { chmodSync, cpSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { guardProcesses } from './guard.ts';
import { Journal } from './journal.ts';
import { FIXTURES } from './paths.ts';
import { Puppet } from './puppet.ts';
import { type Scope, temporaryFolder } from './temporary.ts';

/** Where puppets report. */
export interface Puppets {
  /** For the service's environment. */
  readonly environment: { readonly PUPPET_SOCKET: string };
  /** argv of the puppet; absolute. */
  readonly command: readonly [string, string];
  /** argv of the one that adds nothing of its own and can only look and exit. */
  readonly reporter: readonly [string];
  /** All that ever connected, in that order. */
  readonly all: readonly Puppet[];
  /** The next one that this was not called for yet: the first call gives the first that connects. */
  next(): Promise<Puppet>;
  /** The next one of that generation; others that come before it are passed over. */
  nextOf(generation: number): Promise<Puppet>;
}

/** Opens the socket that puppets connect to. At the end of the test all are killed, with the children they told of. */
export async function startPuppets(scope: Scope): Promise<Puppets> {
  const guard = guardProcesses(scope);
  const folder = temporaryFolder(scope);
  // A service may run as another user, whom a checkout in somebody's home may be closed to.
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
