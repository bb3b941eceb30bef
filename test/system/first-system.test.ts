import assert from 'node:assert/strict';
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { HttpConnection } from '../support/http-connection.ts';
import { fixture } from '../support/paths.ts';
import { nextReady, startPuppetService } from '../support/puppet-service.ts';
import { type ReceivedMetric, type StatsdReceiver, startStatsdReceiver } from '../support/statsd-receiver.ts';
import { parseTarget } from '../support/target.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, runZero, startZero } from '../support/zero.ts';

// The example in the README of the first system.
const EXAMPLE = `application:
  metrics: { address: udp://localhost:8125, prefix: zero }
service:
  listeners:
    - { name: http, address: localhost:80, socket_fd: 3 }
  runtime:
    name: example
    directory: /etc/example
    path: /usr/bin/example
    args: ['--config', 'config.yaml']
    environment: [{ key: FOO, value: bar }, { key: BAZ }]
  options: { reload_signal: SIGUSR1, reload_uptime: 5s, shutdown_signal: SIGINT, shutdown_timeout: 500s }
`;

const USAGE = [
  'system_time',
  'user_time',
  'max_rss',
  'minor_faults',
  'major_faults',
  'disk_reads',
  'disk_writes',
  'signals',
  'voluntary_context_switches',
  'involuntary_context_switches',
].map((name) => `process.stats.${name}`);

/** Name and type of every metric of the first system. */
const MEASURED: Readonly<Record<string, string>> = {
  'process.start': 'c',
  'process.reload': 'c',
  'process.shutdown': 'c',
  'process.reload.total': 'g',
  'manager.uptime': 'g',
  ...Object.fromEntries(USAGE.map((name) => [name, 'g'])),
  'process.reload.duration': 'ms',
  'process.shutdown.duration': 'ms',
};

interface Place {
  readonly folder: string;
  readonly executable: string;
  /** The example's text with the paths and ports of the test. */
  readonly text: string;
}

/** Replaces /etc/example and /usr/bin/example by files of the test. */
function placeIn(folder: string, statsd: StatsdReceiver): Place {
  const executable = join(folder, 'bin', 'example');
  mkdirSync(join(folder, 'bin'));
  mkdirSync(join(folder, 'etc'));
  const script = `#!${process.execPath}\nimport(${JSON.stringify(pathToFileURL(fixture('example.js')))});\n`;
  writeFileSync(executable, script, { mode: 0o755 });
  const text = EXAMPLE.replace('localhost:8125', `localhost:${statsd.port}`)
    .replace('localhost:80,', 'localhost:0,')
    .replace('/etc/example', join(folder, 'etc'))
    .replace('/usr/bin/example', executable);
  return { folder, executable, text };
}

/** The same file, with settings that keep all files in the directory and let the test read the log. */
function writeExample({ folder, text }: Place): string {
  const file = join(folder, 'zero.yaml');
  const own = `application:
  logging: { format: json, level: debug }
  runtime_directory: ${join(folder, 'run')}
  data_directory: ${join(folder, 'data')}
`;
  writeFileSync(file, text.replace('application:\n', own));
  return file;
}

async function ask(t: TestContext, address: string): Promise<Record<string, unknown>> {
  const connection = new HttpConnection(parseTarget(address));
  t.after(() => connection.close());
  const request = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  const exchange = await connection.exchange(request, 10_000);
  assert.equal(exchange.kind, 'answered', JSON.stringify(exchange));
  return JSON.parse(exchange.response.body.toString());
}

/** The metrics with these names, each with its type, without the prefix. */
function named(metrics: readonly ReceivedMetric[], ...names: string[]): ReceivedMetric[] {
  return metrics.filter(({ name }) => names.includes(name));
}

function assertDescribed(metrics: readonly ReceivedMetric[], executable: string): void {
  for (const { name, type, tags } of metrics) {
    const plain = name.replace(/^zero\./, '');
    assert.equal(name, `zero.${plain}`);
    assert.equal(type, MEASURED[plain], name);
    const { pid, version, ...rest } = tags;
    assert.deepEqual(rest, { name: 'example', path: executable });
    assert.match(version ?? '', /^\d+\.\d+\.\d+/);
    assert.equal(pid !== undefined, plain === 'manager.uptime', `${name} has a pid only if it is the uptime`);
  }
}

describe('the example of the first system', () => {
  it('is a valid config without changes', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, 'example.yaml');
    writeFileSync(file, EXAMPLE);
    const { code, stdout } = await runZero(t, { folder, args: ['check', '--config', file] });
    assert.deepEqual([code, stdout], [0, `${file}: ok\n`]);
  });

  it('starts, reloads on SIGUSR1, stops on SIGINT, and measures each of them', DEADLINE, async (t) => {
    const statsd = await startStatsdReceiver(t);
    const place = placeIn(temporaryFolder(t), statsd);
    const { folder, executable } = place;
    const zero = startZero(t, {
      folder,
      args: ['--config', writeExample(place)],
      environment: { BAZ: "zero's own", QUX: 'not for the service' },
    });
    const first = await zero.fact('worker_spawned');
    await zero.fact('generation_promoted', { generation: 1 });
    const address = await zero.address('http');
    assert.deepEqual(await ask(t, address), {
      generation: 1,
      pid: first.pid,
      args: ['--config', 'config.yaml'],
      directory: realpathSync(join(folder, 'etc')),
      environment: { FOO: 'bar', BAZ: "zero's own" },
    });
    const started = await statsd.metric('zero.process.start');
    const uptime = await statsd.metric('zero.manager.uptime');
    assert.deepEqual([started.value, uptime.tags.pid], [1, `${first.pid}`]);

    const asked = performance.now();
    zero.signal('SIGUSR1');
    const duration = await statsd.metric('zero.process.reload.duration');
    const took = performance.now() - asked;
    assert.ok(took >= 5000, `the old one was stopped after ${took} ms`);
    assert.ok(duration.value >= 5000 && duration.value <= took, `${duration.value} of ${took} ms`);
    const promoted = await zero.fact('generation_promoted', { generation: 2 });
    assert.equal(promoted.previous, 1);
    await zero.fact('worker_signalled', { pid: first.pid });
    assert.deepEqual(
      zero.log.all('worker_signalled').map(({ pid, signal }) => [pid, signal]),
      [[first.pid, 'SIGINT']],
    );
    assert.equal((await ask(t, address)).generation, 2);
    await statsd.metric('zero.process.stats.involuntary_context_switches');
    await statsd.metric('zero.process.reload.total');

    zero.signal('SIGINT');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
    await statsd.metric('zero.process.shutdown.duration');
    assert.deepEqual([...new Set(statsd.metrics.map(({ name }) => name))].sort(), [
      ...Object.keys(MEASURED)
        .map((name) => `zero.${name}`)
        .sort(),
    ]);
    assertDescribed(statsd.metrics, executable);
    const counted = named(
      statsd.metrics,
      'zero.process.start',
      'zero.process.reload',
      'zero.process.shutdown',
    );
    assert.deepEqual(
      counted.map(({ name, value }) => [name, value]),
      [
        ['zero.process.start', 1],
        ['zero.process.reload', 1],
        ['zero.process.shutdown', 1],
      ],
    );
    const maxRss = await statsd.metric('zero.process.stats.max_rss');
    assert.ok(maxRss.value > 10e6, `${maxRss.value} bytes`);
    assert.deepEqual(zero.log.all('worker_killed'), []);
  });
});

describe('metrics', () => {
  it('count every reload including failed ones, and every start after a crash', DEADLINE, async (t) => {
    const statsd = await startStatsdReceiver(t);
    const address = `udp://127.0.0.1:${statsd.port}`;
    const { zero, puppets, reload } = await startPuppetService(t, {
      application: { metrics: { address } },
      runtime: { name: 'one+two@host:3' },
    });
    const incumbent = await nextReady(puppets);
    await statsd.metric('process.start');

    reload();
    const broken = await puppets.next();
    await broken.exit(3);
    assert.equal((await zero.fact('handover_finished', { handover: 2 })).outcome, 'rolled_back');
    await statsd.metric('process.reload.duration');
    assert.deepEqual(named(statsd.metrics, ...USAGE), [], 'no worker was replaced');

    const beforeSecond = statsd.metrics.length;
    reload();
    const replacement = await nextReady(puppets);
    await incumbent.gone;
    await statsd.metric('process.reload.duration', beforeSecond);
    await statsd.metric(USAGE.at(-1) ?? '', beforeSecond);
    const totals = named(statsd.metrics, 'process.reload.total').map(({ value }) => value);
    assert.deepEqual(totals, [1, 2]);

    const beforeCrash = statsd.metrics.length;
    await replacement.die('SIGKILL');
    const restarted = await nextReady(puppets);
    const start = await statsd.metric('process.start', beforeCrash);
    assert.equal(start.tags.name, 'one+two@host:3');
    zero.signal('SIGTERM');
    await restarted.gone;
    await zero.exited;
    assert.equal(named(statsd.metrics, 'process.start').length, 2);
  });
});
