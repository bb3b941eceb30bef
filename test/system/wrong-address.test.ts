// The reports of zero about a service that binds an address of zero, or listens on an address without a listener.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { FactOf } from '../support/fact-log.ts';
import { freeAddress } from '../support/free-address.ts';
import { PRELOAD } from '../support/handed-program.ts';
import { whoAnswers } from '../support/puppet-service.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';
import { environmentList, type RawConfig } from '../support/zero-config.ts';

/** Responds on the first address and listens on the others, all given as addresses: `app.js ADDRESS...`. */
const APP = `
const { createServer } = require('node:http');
const answer = (_, response) =>
  response.end(JSON.stringify({ generation: Number(process.env.ZERO_GENERATION), pid: process.pid }));
const reports = process.env.REPORT;
for (const address of process.argv.slice(2)) {
  const [host, port] = address.split(':');
  // Before it listens: zero may report the socket before the event of Node.
  if (process.env.LISTENED) require('node:fs').writeFileSync(process.env.LISTENED, String(Date.now()));
  const server = createServer(answer).listen(Number(port), host);
  if (reports) server.on('error', () => { console.error(reports); process.exit(1); });
}
process.on('SIGTERM', () => process.exit(0));
`;

interface Wanted {
  /** The addresses of the app. */
  readonly addresses: readonly string[];
  readonly listeners: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly service?: Readonly<Record<string, unknown>>;
}

function configOf(folder: string, { addresses, listeners, environment, service }: Wanted): RawConfig {
  const path = join(folder, 'app.js');
  writeFileSync(path, APP);
  return {
    service: {
      listeners: listeners.map((address, index) => ({
        name: index === 0 ? 'http' : `extra${index}`,
        address,
      })),
      runtime: {
        path: process.execPath,
        args: [path, ...addresses],
        environment: environmentList({ NODE_OPTIONS: PRELOAD, ...environment }),
      },
      options: { reload_uptime: '0s' },
      handover: { mode: 'auto', settle: '50ms', drain_timeout: '100ms' },
      restart: { backoff: { initial: '10ms', factor: 1 } },
      ...service,
    },
  };
}

function start(scope: Scope, wanted: Wanted): Zero {
  const folder = temporaryFolder(scope);
  return startZero(scope, { folder, config: configOf(folder, wanted) });
}

/** The failure of a handover. */
async function failureOf(
  zero: Zero,
  handover: number,
): Promise<NonNullable<FactOf<'handover_finished'>['failure']>> {
  const { failure } = await zero.fact('handover_finished', { handover });
  assert.ok(failure);
  return failure;
}

describe('a second port without a listener', () => {
  it(
    'rolls a reload back, and the verdict reports the worker that holds it and the line to add',
    DEADLINE,
    async (t) => {
      const [http, metrics] = [await freeAddress(), await freeAddress()];
      const zero = start(t, { addresses: [http, metrics], listeners: [http] });
      const { pid } = await zero.fact('worker_spawned', { generation: 1 });
      await zero.fact('generation_promoted', { generation: 1 });
      zero.signal('SIGHUP');
      const { step, reason, exit } = await failureOf(zero, 2);
      assert.deepEqual([step, exit], ['exit', { kind: 'exited', code: 1 }]);
      const port = metrics.split(':')[1];
      assert.ok(
        reason.startsWith(
          `exited with code 1: ${metrics} is held by worker 0 of generation 1 (pid ${pid}), which runs until the handover has ended. ` +
            `Make ${metrics} a listener too, so that both can use it: "- { name: port${port}, address: '${metrics}' }" under service.listeners`,
        ),
        reason,
      );
      const exited = await zero.fact('worker_exited', { generation: 2 });
      assert.equal(exited.reason, reason);
      assert.equal((await whoAnswers(http)).generation, 1);
    },
  );

  it('is handed over after the listener of the verdict is added', DEADLINE, async (t) => {
    const [http, metrics] = [await freeAddress(), await freeAddress()];
    const zero = start(t, { addresses: [http, metrics], listeners: [http, metrics] });
    await zero.fact('generation_promoted', { generation: 1 });
    zero.signal('SIGHUP');
    await zero.fact('generation_gone', { generation: 1 });
    for (const address of [http, metrics]) assert.equal((await whoAnswers(address)).generation, 2);
  });

  it('is reported with the other program that holds it', DEADLINE, async (t) => {
    const [http, metrics] = [await freeAddress(), await freeAddress()];
    const [host, port] = metrics.split(':');
    const foreign = createServer().listen(Number(port), host);
    t.after(() => void foreign.close());
    const zero = start(t, { addresses: [http, metrics], listeners: [http] });
    const { reason } = await failureOf(zero, 1);
    assert.ok(reason.includes(`${metrics} is held by pid ${process.pid} (`), reason);
    assert.match(reason, /Stop that process, or let the service listen on another address\.$/);
  });
});

describe('a service that binds the address of a listener itself', () => {
  it('gets the number of its descriptor at the first start, and at every restart', DEADLINE, async (t) => {
    const http = await freeAddress();
    const zero = start(t, { addresses: [http], listeners: [http], environment: { NODE_OPTIONS: '' } });
    const { reason } = await failureOf(zero, 1);
    const held = `exited with code 1: ${http} is the address of listener http, which zero holds. The service must accept connections on descriptor 3 instead`;
    assert.ok(reason.startsWith(held), reason);
    assert.match(reason, /NODE_OPTIONS=--require=zerodown\/register/);
    const { cursor } = zero;
    const again = await zero.fact('worker_exited', { generation: 1, expected: false }, cursor);
    assert.ok(again.reason?.startsWith(held));
  });

  it('gets the list of listeners if its output has no address', DEADLINE, async (t) => {
    const http = await freeAddress();
    const environment = { NODE_OPTIONS: '', REPORT: 'OSError: [Errno 98] Address already in use' };
    const zero = start(t, { addresses: [http], listeners: [http], environment });
    const { reason } = await failureOf(zero, 1);
    assert.equal(
      reason,
      `exited with code 1: The output does not say which address is in use. zero holds listener http (${http}). ` +
        'The service must accept connections on descriptor 3 instead of listening on the address. See docs/guide/wrong-address.md.',
    );
  });

  it('gets no advice about an address that no process holds', DEADLINE, async (t) => {
    const [http, free] = [await freeAddress(), await freeAddress()];
    const environment = { NODE_OPTIONS: '', REPORT: `listen tcp ${free}: bind: address already in use` };
    const zero = start(t, { addresses: [http], listeners: [http], environment });
    assert.equal((await failureOf(zero, 1)).reason, 'exited with code 1');
  });
});

describe('a service that opens a port of its own instead of using its descriptor', () => {
  for (const how of ['itself', 'in a child process']) {
    it(`is reported within a second of listening ${how}`, DEADLINE, async (t) => {
      const [http, other] = [await freeAddress(), await freeAddress()];
      const folder = temporaryFolder(t);
      const listened = join(folder, 'listened');
      const environment = { NODE_OPTIONS: '', LISTENED: listened };
      const config = configOf(folder, { addresses: [other], listeners: [http], environment });
      const { runtime } = config.service;
      const script = `"${process.execPath}" "${join(folder, 'app.js')}" ${other}; exit`;
      const shell = { ...runtime, path: '/bin/sh', args: ['-c', script] };
      const service = { ...config.service, ...(how !== 'itself' && { runtime: shell }) };
      const zero = startZero(t, { folder, config: { service } });
      const warning = await zero.fact('warning', { about: 'listener' });
      assert.equal(
        warning.message,
        `generation 1: worker 0 listens on ${other}, not on a descriptor of zero. zero waits until the worker accepts ` +
          `connections on descriptor 3 (listener http, ${http}). See docs/guide/wrong-address.md.`,
      );
      const after = Date.parse(Reflect.get(warning, 'time')) - Number(readFileSync(listened, 'utf8'));
      assert.ok(after <= 1000, `${after} ms`);
      assert.deepEqual(zero.log.all('handover_finished'), []);
    });
  }

  it('is reported if zero does not test whether it accepts connections', DEADLINE, async (t) => {
    const [http, other] = [await freeAddress(), await freeAddress()];
    const folder = temporaryFolder(t);
    const listened = join(folder, 'listened');
    const environment = { NODE_OPTIONS: '', LISTENED: listened };
    const handover = { mode: 'shared' };
    const wanted = { addresses: [other], listeners: [http], environment, service: { handover } };
    const zero = startZero(t, { folder, config: configOf(folder, wanted) });
    const warning = await zero.fact('warning', { about: 'listener' });
    assert.equal(
      warning.message,
      `generation 1: worker 0 listens on ${other}, not on a descriptor of zero. No process of the worker waits for ` +
        `connections on descriptor 3 (listener http, ${http}). See docs/guide/wrong-address.md.`,
    );
    const after = Date.parse(Reflect.get(warning, 'time')) - Number(readFileSync(listened, 'utf8'));
    assert.ok(after <= 2000, `${after} ms`);
  });

  it('is not reported while it waits for a descriptor that zero does not test', DEADLINE, async (t) => {
    const [http, metrics] = [await freeAddress(), await freeAddress()];
    const zero = start(t, {
      addresses: [metrics, http],
      listeners: [http],
      service: { options: { reload_uptime: '2500ms' }, handover: { mode: 'shared' } },
    });
    await zero.fact('generation_promoted', { generation: 1 });
    assert.deepEqual(zero.log.all('warning'), []);
  });

  it('is not reported if it also accepts connections on its descriptor', DEADLINE, async (t) => {
    const [http, metrics] = [await freeAddress(), await freeAddress()];
    const zero = start(t, {
      addresses: [metrics, http],
      listeners: [http],
      service: { options: { reload_uptime: '1500ms' } },
    });
    await zero.fact('generation_promoted', { generation: 1 });
    assert.deepEqual(zero.log.all('warning'), []);
  });
});

it('a service that listens on another address is reported with both addresses', DEADLINE, async (t) => {
  const [http, other] = [await freeAddress(), await freeAddress()];
  const zero = start(t, { addresses: [other], listeners: [http], service: { readiness: { timeout: '2s' } } });
  const { step, reason } = await failureOf(zero, 1);
  assert.equal(step, 'readiness.timeout');
  assert.ok(
    reason.endsWith(`it listens on ${other} with a socket of its own, and listener http is ${http})`),
    reason,
  );
});
