import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { list } from '../../../src/cli/list.ts';
import { Screen } from '../../support/screen.ts';
import { STATUS } from '../control/fake-control.ts';
import { type CliFixture, cliFixture } from './fixture.ts';

const ONCE = { json: false, watch: false };
const WATCH = { json: false, watch: true };
const SIZE = { columns: 120, rows: 24 };

/** Accepts a connection and sends nothing, like a stopped supervisor. */
async function silent(t: TestContext, at: CliFixture, name: string): Promise<void> {
  const directory = join(at.root, name);
  mkdirSync(directory);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(join(directory, 'control.sock'), resolve));
}

describe('zero list', () => {
  it('prints one line for each instance, in columns', async (t) => {
    const at = cliFixture(t);
    const { control } = await at.run('web');
    const [generation] = STATUS.generations;
    assert.ok(generation);
    const [worker] = generation.workers;
    assert.ok(worker);
    control.document = { ...STATUS, name: 'web' };
    const other = await at.run('billing-api');
    const workers = [worker, { ...worker, worker: 1, state: 'backoff', restarts: 3 }];
    other.control.document = {
      ...STATUS,
      name: 'billing-api',
      handover: { id: 2, step: 'soak', candidate: 3, incumbent: 2, since_ms_ago: 5 },
      generations: [
        { ...generation, release: { path: '/usr/bin/node', directory: '/srv/billing' }, workers },
      ],
    };
    assert.equal(await list(ONCE, at.context), 0);
    assert.deepEqual(at.out().split('\n'), [
      'NAME         STATE     GEN  WORKERS  RESTARTS  CPU  MEMORY  UPTIME  LISTENERS       RELEASE',
      'billing-api  up, soak  3    1/2      3         -    -       1m1s    127.0.0.1:8080  /srv/billing',
      'web          up        3    1/1      0         -    -       1m1s    127.0.0.1:8080  /usr/bin/example',
      '',
    ]);
  });

  it('shows the state that the supervisor reports: a running worker may not serve yet', async (t) => {
    const at = cliFixture(t);
    const { control } = await at.run('web');
    for (const state of ['down', 'degraded', 'starting', 'stopping']) {
      const summary = 'as it is';
      const counts = { workers: 2, workers_serving: state === 'degraded' ? 1 : 0 };
      const service = { state, summary, generation: 3, ...counts, last_exit: null, retry_in_ms: 0 };
      control.document = { ...STATUS, name: 'web', service };
      assert.equal(await list({ ...ONCE, json: true }, at.context), 0);
    }
    const documents = at
      .out()
      .split(/(?<=^}\n)/m)
      .map((text) => JSON.parse(text));
    assert.deepEqual(
      documents.map(({ instances: [one] }) => [one.state, one.workers.up, one.workers.total]),
      [
        ['down', 0, 2],
        ['degraded', 1, 2],
        ['starting', 0, 2],
        ['stopping', 0, 2],
      ],
    );
  });

  it('causes no warning of Node with many instances', async (t) => {
    const at = cliFixture(t);
    const names = Array.from({ length: 12 }, (_, index) => `n${index}`);
    for (const name of names) await at.run(name);
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on('warning', note);
    t.after(() => process.off('warning', note));
    assert.equal(await list({ ...ONCE, json: true }, at.context), 0);
    assert.equal(JSON.parse(at.out()).instances.length, names.length);
    assert.deepEqual(warnings, []);
  });

  it('reports that nothing runs', async (t) => {
    const at = cliFixture(t);
    mkdirSync(join(at.root, 'old'));
    assert.equal(await list(ONCE, at.context), 0);
    assert.equal(at.out(), 'no instance is running\n');
  });

  it('marks an instance that does not respond in bounded time, and shows all others', async (t) => {
    const at = cliFixture(t);
    await at.run('web');
    for (const name of ['hung-1', 'hung-2', 'hung-3']) await silent(t, at, name);
    const started = performance.now();
    assert.equal(await list(ONCE, at.context), 0);
    assert.ok(performance.now() - started < 6000, 'asked one after the other');
    const states = at
      .out()
      .split('\n')
      .slice(1, -1)
      .map((line) => line.split(/ {2,}/).slice(0, 2));
    assert.deepEqual(
      states,
      [
        ['hung-1', 'not answering'],
        ['hung-2', 'not answering'],
        ['hung-3', 'not answering'],
        // The name in its own status differs from its directory.
        ['example', 'up'],
      ].sort(),
    );
  });

  it('omits instances that ended without remaining processes', async (t) => {
    const at = cliFixture(t);
    mkdirSync(join(at.root, 'killed'));
    const record = {
      version: 1,
      name: 'killed',
      pid: 1,
      config_file: null,
      control_socket: '/nowhere/control.sock',
    };
    writeFileSync(join(at.root, 'killed', 'instance.json'), JSON.stringify(record));
    assert.equal(await list(ONCE, at.context), 0);
    assert.equal(at.out(), 'no instance is running\n');
  });

  it('--json prints one document', async (t) => {
    const at = cliFixture(t);
    await at.run('web');
    assert.equal(await list({ ...ONCE, json: true }, at.context), 0);
    const { version, uid, instances } = JSON.parse(at.out());
    assert.deepEqual([version, uid, instances.length], [1, process.geteuid?.(), 1]);
    const { name, state, generation, workers, restarts, uptime_ms, runtime_directory } = instances[0];
    assert.deepEqual(
      [name, state, generation, workers, restarts, uptime_ms, runtime_directory],
      ['example', 'up', 3, { up: 1, total: 1 }, 0, STATUS.uptime_ms, join(at.root, 'web')],
    );
  });

  it('truncates lines to the width of a terminal', async (t) => {
    const at = cliFixture(t, { size: { columns: 40, rows: 24 } });
    await at.run('web');
    await list(ONCE, at.context);
    for (const line of at.out().split('\n')) assert.ok(line.length <= 40, line);
  });
});

describe('zero list --watch', () => {
  it('redraws when an instance changes, starts or ends', async (t) => {
    const at = cliFixture(t, { size: SIZE });
    const { control, views } = await at.run('web');
    const code = list(WATCH, at.context);
    await at.printed('example');
    control.document = { ...STATUS, name: 'renamed' };
    views.events.report({ event: 'warning', about: 'x', message: 'y' });
    await at.printed('renamed');
    const second = await at.run('zzz');
    second.control.document = { ...STATUS, name: 'second' };
    at.tick();
    await at.printed('second');
    await second.server.close();
    at.tick();
    at.interrupt();
    assert.deepEqual([await code, at.err()], [0, '']);
    const screen = new Screen(SIZE);
    screen.write(at.out().replaceAll('\n', '\r\n'));
    assert.match(screen.window[0] ?? '', /^NAME +STATE/);
    assert.match(screen.window[1] ?? '', /^renamed +up/);
  });

  it('writes each frame with one write, over the previous frame', async (t) => {
    const at = cliFixture(t, { size: SIZE });
    const { control } = await at.run('web');
    const { context } = at;
    const writes: string[] = [];
    const out = (text: string | Uint8Array) => {
      writes.push(String(text));
      context.terminal.out(text);
    };
    const code = list(WATCH, { ...context, terminal: { ...context.terminal, out } });
    await at.printed('example');
    control.document = { ...STATUS, name: 'renamed' };
    at.tick();
    await at.printed('renamed');
    at.interrupt();
    assert.equal(await code, 0);
    const ERASE_LINE = '\u001b[K';
    const ERASE_BELOW = '\u001b[J';
    for (const text of writes) {
      assert.equal(text.indexOf(ERASE_BELOW), text.length - ERASE_BELOW.length, 'erases before it draws');
      assert.match(text.replaceAll('\u001b', 'ESC'), /^\r(ESC\[2A)?NAME/);
      assert.equal(text.split('\n').length, text.split(ERASE_LINE).length);
    }
  });

  it('does not wait for an instance that does not respond', async (t) => {
    const at = cliFixture(t, { size: SIZE });
    await silent(t, at, 'halted');
    const { control, views } = await at.run('web');
    const started = performance.now();
    const code = list(WATCH, at.context);
    await at.printed('example');
    for (const name of ['one', 'two', 'three']) {
      control.document = { ...STATUS, name };
      views.events.report({ event: 'warning', about: 'x', message: 'y' });
      await at.printed(name);
    }
    // It has 2 s to respond. Its line is drawn only then.
    assert.ok(performance.now() - started < 2000, 'the others waited');
    assert.doesNotMatch(at.out(), /halted/);
    await at.printed('not answering');
    control.document = { ...STATUS, name: 'four' };
    at.tick();
    await at.printed('four');
    at.interrupt();
    assert.equal(await code, 0);
  });

  it('is refused without a terminal, with the alternative', async (t) => {
    const at = cliFixture(t);
    assert.equal(await list(WATCH, at.context), 2);
    assert.match(at.err(), /^zero list: --watch needs a terminal\. Add --json/);
  });

  it('with --json prints a line for each change, and none for elapsed time', async (t) => {
    const at = cliFixture(t);
    const { control } = await at.run('web');
    const code = list({ json: true, watch: true }, at.context);
    await at.printed('"generation":3');
    control.document = { ...STATUS, uptime_ms: 99_000 };
    const { asked } = control;
    at.tick();
    await control.until(() => control.asked > asked);
    control.document = { ...STATUS, mode: 'stopping' };
    at.tick();
    await at.printed('"state":"stopping"');
    at.interrupt();
    assert.equal(await code, 0);
    assert.equal(at.out().trimEnd().split('\n').length, 2);
  });
});
