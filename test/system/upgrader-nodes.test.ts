// An upgrade with every kind of socket on each version of Node. The internals of Node that the library uses differ
// between the versions.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { NODE_MAJORS, requireNode } from '../support/nodes.ts';
import {
  becomeReady,
  createUpgraderIn,
  failsWith,
  replace,
  startProgram,
  type Upgradable,
  upgradeIn,
} from '../support/upgradable.ts';

interface Places {
  readonly path: string;
  readonly abstract: string;
}

/** TCP, Unix, an abstract name and UDP. Returns each address from the view of the program. */
function open(one: Upgradable, places: Places): Promise<unknown[]> {
  return one.run(async ({ upgrader, kept, modules }, { path, abstract }) => {
    kept.servers = [];
    for (const place of [{ host: '127.0.0.1', port: 0 }, { path }, { path: abstract }]) {
      const server = modules.http.createServer((_request, response) => response.end(String(process.pid)));
      await upgrader.listen(server, place);
      kept.servers.push(server);
    }
    kept.socket = modules.dgram.createSocket('udp4');
    await upgrader.bind(kept.socket, { host: '127.0.0.1', port: 0 });
    return [...kept.servers, kept.socket].map((each) => each.address());
  }, places);
}

const drain = (one: Upgradable): Promise<void> =>
  one.run(async ({ library, kept }) => {
    kept.socket.close();
    await library.drain(kept.servers, { timeoutMs: 10_000, idleMs: 0 });
  });

/** The process that responds there. */
async function ask(target: { port: number; host: string } | { path: string }): Promise<number> {
  const socket = connect(target);
  socket.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk) => {
    text += chunk;
  });
  await once(socket, 'close');
  return Number(/(\d+)\s*(?:0\s*)?$/.exec(text.split('\r\n\r\n')[1] ?? '')?.[1]);
}

describe('an upgrade', () => {
  for (const major of NODE_MAJORS) {
    it(`passes its tests on Node ${major}`, { timeout: 60_000 }, async (t) => {
      const executable = requireNode(t, major);
      if (executable === null) return;
      const program = await startProgram(t, { executable });
      const first = await program.next();
      await createUpgraderIn(first);
      const places = {
        path: join(program.folder, 'app.sock'),
        abstract: `\0zerodown-${process.pid}-${major}`,
      };
      const before = await open(first, places);
      await becomeReady(first);
      // A listener that was opened without the upgrader is detected.
      await first.run(async ({ kept, modules }, given) => {
        kept.foreign = modules.net.createServer();
        await new Promise<void>((resolve) => kept.foreign.listen(given, resolve));
      }, `${places.path}.other`);
      await assert.rejects(upgradeIn(first), failsWith('NOT_SUPPORTED', /app\.sock\.other was not opened/));
      await first.run(({ kept }) => void kept.foreign.close());

      const { upgraded, second } = await replace(program, first);
      assert.deepEqual(await open(second, places), before);
      await becomeReady(second);
      await upgraded;
      await drain(first);
      assert.equal(existsSync(places.path), true);
      // The next upgrade begins because the first process has released its sockets, although it still runs.
      const next = await replace(program, second);
      const third = next.second;
      assert.deepEqual(await open(third, places), before);
      await becomeReady(third);
      await next.upgraded;
      await drain(second);
      const { port } = before[0] as { port: number };
      // Not at the abstract name: Node 20 pads its name with NULs on both sides, later versions do not.
      for (const target of [{ port, host: '127.0.0.1' }, { path: places.path }])
        assert.equal(await ask(target), third.pid);
      await third.run(({ upgrader }) => upgrader.stop());
      await drain(third);
      assert.equal(existsSync(places.path), false);
    });
  }
});
