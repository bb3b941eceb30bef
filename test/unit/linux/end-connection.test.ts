import assert from 'node:assert/strict';
import { once } from 'node:events';
import { fstatSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { endConnection } from '../../../src/linux/end-connection.ts';
import type { SocketAddress } from '../../../src/linux/sockaddr.ts';
import { connectSocket, openSocket } from '../../../src/linux/sockets.ts';
import { temporaryFolder } from '../../support/temporary.ts';

type Serve = (socket: Socket) => void;

async function listen(t: TestContext, family: 'inet' | 'unix', serve: Serve): Promise<SocketAddress> {
  const server: Server = createServer({ allowHalfOpen: true }, serve);
  const path = join(temporaryFolder(t), 'socket');
  server.listen(family === 'inet' ? { port: 0, host: '127.0.0.1' } : { path });
  await once(server, 'listening');
  t.after(() => void server.close());
  if (family === 'unix') return { family, path };
  return { family, host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

/** The events at the server for one connection that is ended immediately. */
async function seen(t: TestContext, family: 'inet' | 'unix', serve: Serve): Promise<readonly string[]> {
  const events: string[] = [];
  let done: () => void = () => {};
  const closed = new Promise<void>((resolve) => {
    done = resolve;
  });
  const address = await listen(t, family, (socket) => {
    for (const event of ['end', 'error', 'close'] as const)
      socket.on(event, () => {
        events.push(event);
        if (event === 'close') done();
      });
    socket.resume();
    serve(socket);
  });
  const fd = openSocket(family, 'stream');
  connectSocket(fd, address);
  endConnection(fd);
  await closed;
  return events;
}

for (const family of ['inet', 'unix'] as const) {
  describe(`ending a connection, ${family}`, () => {
    it('sends FIN when the peer has sent data', async (t) => {
      assert.deepEqual(await seen(t, family, (socket) => socket.end('220 hi\r\n')), ['end', 'close']);
    });

    it('sends FIN when the peer sends data after it has received the end', async (t) => {
      const serve: Serve = (socket) => {
        socket.write('220 hi\r\n');
        socket.on('end', () => {
          socket.write('421 bye\r\n', () => socket.end('closing\r\n'));
        });
      };
      assert.deepEqual(await seen(t, family, serve), ['end', 'close']);
    });

    it('closes the connection when the peer sends more than the limit', async (t) => {
      const serve: Serve = (socket) => {
        const more = (): void => {
          while (socket.write(Buffer.alloc(64 * 1024)));
        };
        socket.on('drain', more);
        socket.on('error', () => {});
        more();
      };
      const events = await seen(t, family, serve);
      assert.ok(events.includes('error'), 'reset');
    });

    it('closes the connection immediately when the peer has already closed it', async (t) => {
      let closed: () => void = () => {};
      const isClosed = new Promise<void>((resolve) => {
        closed = resolve;
      });
      const address = await listen(t, family, (socket) => {
        socket.on('close', () => closed());
        socket.destroy();
      });
      const fd = openSocket(family, 'stream');
      connectSocket(fd, address);
      await isClosed;
      endConnection(fd);
      assert.equal(isOpen(fd), false);
    });
  });
}

describe('ending a connection', () => {
  it('closes a connection immediately that was never established', () => {
    const fd = openSocket('inet', 'stream');
    endConnection(fd);
    assert.equal(isOpen(fd), false);
  });
});
