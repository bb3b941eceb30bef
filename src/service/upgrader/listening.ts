import { once } from 'node:events';
import { Server } from 'node:net';
import type { Handed } from '../seams.ts';
import type { Described, Inherited } from './descriptor.ts';
import { showPath } from './handle.ts';
import type { ListenOptions } from './options.ts';
import type { Asked } from './socket-name.ts';
import { assertFree, isFile, moveToPath, temporaryPath } from './unix-path.ts';

/** Throws unless it is a server that does not listen yet. */
export function assertServer(server: unknown): asserts server is Server {
  if (!(server instanceof Server))
    throw new TypeError(
      'listen: not a server of node:net, http, https, http2 or tls; for a framework pass the server that it has created',
    );
  if (server.listening)
    throw Object.assign(new Error('listen: this server listens already, but not through the upgrader'), {
      code: 'ERR_SERVER_ALREADY_LISTEN',
    });
}

export function askedOf({ host, port, path }: ListenOptions): Asked {
  if (path !== undefined) return { network: 'unix', path };
  return { network: 'tcp', host: host === undefined || host === '' ? null : host, port: port ?? 0 };
}

/** Listens on a socket that a manager or the previous process passed on. */
export async function listenOn(
  server: Server,
  { fd }: Inherited | Handed,
  { backlog, path }: ListenOptions,
): Promise<void> {
  const listening = whenListening(server);
  server.listen({ fd, ...(backlog !== undefined && { backlog }) });
  if (path !== undefined) showPath(server, path);
  await listening;
}

/** Binds the server. Returns its path in the file system, if it has one. */
export async function listenAfresh(server: Server, options: ListenOptions): Promise<Described['path']> {
  const { name: _, open, path, ...rest } = options;
  if (open !== undefined) {
    await open(server);
    if (!server.listening) throw new Error('listen: `open` has returned and the server does not listen');
    return null;
  }
  if (path === undefined || !isFile(path)) {
    const listening = whenListening(server);
    server.listen({ ...rest, ...(path !== undefined && { path }) });
    await listening;
    return null;
  }
  await assertFree(path);
  const temporary = temporaryPath(path);
  const listening = whenListening(server);
  server.listen({ ...rest, path: temporary });
  showPath(server, path);
  await listening.catch((error: NodeJS.ErrnoException) => {
    throw Object.assign(error, { message: error.message.replaceAll(temporary, path), address: path });
  });
  return moveToPath(temporary, path);
}

/** Rejects with Node's error. */
async function whenListening(server: Server): Promise<void> {
  await once(server, 'listening');
}
