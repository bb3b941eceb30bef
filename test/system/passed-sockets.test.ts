import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { formatAddress, type SocketAddress } from '../../src/linux/sockaddr.ts';
import { bindSocket, closeFd, listenSocket, localAddress, openSocket } from '../../src/linux/sockets.ts';
import { requireProgram } from '../support/debian.ts';
import { freeAddress } from '../support/free-address.ts';
import { holdRequest } from '../support/held-request.ts';
import { startLoad } from '../support/load.ts';
import { fixture, ZERO_COMMAND } from '../support/paths.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';
import type { RawConfig } from '../support/zero-config.ts';

interface Passed {
  readonly fd: number;
  readonly address: SocketAddress;
  readonly text: string;
}

/** A socket of a service manager, which the test holds until its end. */
function bound(t: Scope, address: SocketAddress, type: 'stream' | 'dgram' = 'stream'): Passed {
  const fd = openSocket(address.family, type);
  t.after(() => closeFd(fd));
  bindSocket(fd, address);
  if (type === 'stream') listenSocket(fd, 128);
  const local = localAddress(fd);
  return { fd, address: local, text: formatAddress(local) };
}

function tcp(t: Scope): Passed {
  return bound(t, { family: 'inet', host: '127.0.0.1', port: 0 });
}

/** zero as a service manager starts it, with LISTEN_PID set to the executed process. */
function activated(t: Scope, names: string, descriptors: readonly number[], config: RawConfig): Zero {
  const script = `LISTEN_PID=$$ LISTEN_FDS=${descriptors.length} LISTEN_FDNAMES=${names} exec "$@"`;
  return startZero(t, { command: ['sh', '-c', script, 'sh', ...ZERO_COMMAND], descriptors, config });
}

function config(listeners: RawConfig['service']['listeners'], more: object = {}): RawConfig {
  return {
    service: {
      listeners: listeners ?? [],
      runtime: { path: process.execPath, args: [fixture('graceful.js')] },
      options: { reload_uptime: '0s' },
      handover: { mode: 'auto' },
      ...more,
    },
  };
}

const WEB = { name: 'web', address: 'systemd:web' } as const;
const ADMIN = { name: 'admin', address: 'systemd:admin' } as const;

/** Asserts that zero does not start. Returns its message. */
async function refused(zero: Zero): Promise<string> {
  const { code } = await zero.exited;
  assert.equal(code, 1, zero.log.text);
  const [finished] = zero.log.all('handover_finished');
  return finished?.failure?.reason ?? zero.log.text;
}

async function assertServed(target: string): Promise<void> {
  const { failed, losses } = await startLoad({ after: () => {} }, { target, count: 5 }).finished;
  assert.equal(failed, 0, JSON.stringify(losses));
}

describe('a socket that was passed to zero', () => {
  it('serves every client of 5 reloads, and is never closed', DEADLINE, async (t) => {
    const { fd, text } = tcp(t);
    const zero = activated(t, 'web', [fd], config([WEB]));
    await zero.fact('generation_promoted', { generation: 1 });
    assert.equal(await zero.address('web'), text);
    const load = startLoad(t, { target: text, clients: 4 });
    for (let generation = 1; generation <= 5; generation += 1) {
      load.phase(`generation ${generation}`);
      await load.whenPhaseHas(50);
      zero.signal('SIGHUP');
      await zero.fact('generation_gone', { generation });
    }
    const { failures, byGeneration } = await load.stop();
    assert.deepEqual(failures, {});
    assert.equal(Object.keys(byGeneration).length, 6);
    assert.deepEqual(zero.log.all('warning'), []);
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
  });

  it('by systemd-socket-activate serves the client that started it', DEADLINE, async (t) => {
    const program = requireProgram(t, 'systemd-socket-activate', 'systemd');
    if (program === null) return;
    const address = await freeAddress();
    const command = [program, '--listen', address, '--fdname=web', ...ZERO_COMMAND] as const;
    const zero = startZero(t, { command, config: config([WEB]) });
    assert.ok(zero.process.stderr);
    // "Listening on 127.0.0.1:8080 as 3."
    await once(zero.process.stderr, 'data');
    const client = holdRequest(t, address);
    await zero.fact('generation_promoted', { generation: 1 });
    assert.equal((await client.finish()).status, 200);
  });

  it(
    'is listed in the message if the config has another name, or the name is duplicate',
    DEADLINE,
    async (t) => {
      const [one, other] = [tcp(t), tcp(t)];
      assert.equal(
        await refused(activated(t, 'http', [one.fd], config([WEB]))),
        `take systemd web: no socket of this name was passed. Passed to zero: http (tcp:${one.text}). Write one of these names, or set FileDescriptorName=web in the .socket unit.`,
      );
      const twice = await refused(activated(t, 'web:web', [one.fd, other.fd], config([WEB])));
      assert.match(
        twice,
        /^take systemd web: 2 sockets of this name were passed\. Passed to zero: web \(tcp:/,
      );
    },
  );

  it('is not used if it was passed to another process, or was not passed', DEADLINE, async (t) => {
    const passed = ['env', 'LISTEN_PID=1', 'LISTEN_FDS=1', 'LISTEN_FDNAMES=web', ...ZERO_COMMAND] as const;
    const foreign = await refused(startZero(t, { command: passed, config: config([WEB]) }));
    assert.match(
      foreign,
      /^take systemd web: the sockets were passed to process 1, and zero is process \d+\./,
    );
    const missing = await refused(startZero(t, { config: config([WEB]) }));
    assert.match(missing, /^take systemd web: no socket was passed to zero \(LISTEN_FDS\)\. Start zero with/);
  });

  it('is refused if it does not listen, or is another kind of file', DEADLINE, async (t) => {
    const client = openSocket('inet', 'stream');
    const file = openSync('/dev/null', 'r');
    t.after(() => [client, file].forEach(closeFd));
    const idle = await refused(activated(t, 'web', [client], config([WEB])));
    assert.equal(idle, 'take systemd web: descriptor 3 does not listen. Set Accept=no in the .socket unit.');
    const none = await refused(activated(t, 'web', [file], config([WEB])));
    assert.match(none, /^take systemd web: descriptor 3 is not a socket that zero can listen on: .*ENOTSOCK/);
  });

  it('is reported in the message if a listener needs its address', DEADLINE, async (t) => {
    const { fd, text } = tcp(t);
    assert.equal(
      await refused(activated(t, 'web', [fd], config([{ name: 'http', address: text }]))),
      `bind tcp ${text}: the socket web (tcp:${text}) has this address and was passed to zero. Write address: systemd:web, or --listen systemd:web of zero run.`,
    );
    const path = join(temporaryFolder(t), 'app.sock');
    const unix = bound(t, { family: 'unix', path });
    assert.equal(
      await refused(activated(t, 'app', [unix.fd], config([{ name: 'http', address: `unix:${path}` }]))),
      `bind unix ${path}: the socket app (unix:${path}) has this address and was passed to zero. Write address: systemd:app, or --listen systemd:app of zero run.`,
    );
  });

  it(
    'is kept and reported while no listener uses it, and a reload can use it, also repeatedly',
    DEADLINE,
    async (t) => {
      const [web, admin] = [
        tcp(t),
        bound(t, { family: 'unix', path: join(temporaryFolder(t), 'admin.sock') }),
      ];
      const zero = activated(t, 'web:admin', [web.fd, admin.fd], config([WEB]));
      const { message } = await zero.fact('warning', { about: 'systemd' });
      assert.match(message, /^sockets were passed to zero that no listener uses: admin \(unix:/);
      await zero.fact('generation_promoted', { generation: 1 });
      const reload = async (
        listeners: RawConfig['service']['listeners'],
        generation: number,
      ): Promise<void> => {
        zero.rewrite(config(listeners));
        zero.signal('SIGHUP');
        await zero.fact('generation_gone', { generation });
      };
      await reload([WEB, ADMIN], 1);
      await assertServed(admin.text);
      await reload([WEB], 2);
      await reload([WEB, ADMIN], 3);
      await assertServed(admin.text);
      await assertServed(web.text);
      zero.signal('SIGTERM');
      assert.deepEqual(await zero.exited, { code: 0, signal: null });
      // Its path belongs to the service manager.
      assert.equal(localAddress(admin.fd).family, 'unix');
    },
  );

  it(
    'for datagrams reaches the service with the variables of the conventions, and none of zero',
    DEADLINE,
    async (t) => {
      const { fd, address } = bound(t, { family: 'inet', host: '127.0.0.1', port: 0 }, 'dgram');
      assert.ok(address.family !== 'unix');
      const service = `
      const { createSocket } = require('node:dgram');
      const socket = createSocket('udp4');
      socket.on('message', (_, from) => {
        const { LISTEN_FDS, LISTEN_FDNAMES, LISTEN_PID, SERVER_STARTER_PORT } = process.env;
        const own = LISTEN_PID === String(process.pid);
        socket.send(JSON.stringify({ LISTEN_FDS, LISTEN_FDNAMES, own, SERVER_STARTER_PORT }), from.port, from.address);
      });
      socket.bind({ fd: 3 });`;
      const client = createSocket('udp4');
      t.after(() => void client.close());
      const answer = once(client, 'message');
      client.send('hello', address.port, address.host);
      const runtime = { path: process.execPath, args: ['-e', service] };
      activated(t, 'dns', [fd], config([{ name: 'answers', address: 'systemd:dns' }], { runtime }));
      const [text] = (await answer) as [Buffer];
      assert.deepEqual(JSON.parse(text.toString()), {
        LISTEN_FDS: '1',
        LISTEN_FDNAMES: 'answers',
        own: true,
      });
    },
  );
});
