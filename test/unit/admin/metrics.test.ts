import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Metrics } from '../../../src/admin/metrics.ts';
import { type Sample, samplesIn, typesIn } from '../../support/exposition.ts';
import { ROOT } from '../../support/paths.ts';
import { facts } from '../telemetry/facts.ts';
import { FakeSource } from './fixture.ts';
import { CANARY, DOWN, statusWith, worker } from './status.ts';

const WORKERS = [
  { generation: 1, worker: 0, cpuSeconds: 1.5, residentBytes: 5_000_000 },
  { generation: 2, worker: 0, cpuSeconds: 0.5, residentBytes: 4_000_000 },
];
const CONNECTIONS = new Map([
  [1, 3],
  [2, null],
]);
const LISTENERS = [
  { listener: 'http', queue: 2, drops: 7 },
  { listener: 'udp', queue: null, drops: 1 },
  { listener: 'unix', queue: 0, drops: null },
];

function metricsOf() {
  const source = new FakeSource();
  const metrics = new Metrics(source);
  const samples = async (name: string) => {
    const found = samplesIn(await metrics.text()).filter((one) => one.name === name);
    return found.map(({ labels, value }: Sample) => [Object.values(labels).join(' '), value]);
  };
  return { source, metrics, samples };
}

describe('metrics', () => {
  it('count events', async () => {
    const { metrics, samples } = metricsOf();
    for (const fact of Object.values(facts)) metrics.take(fact, 0);
    metrics.take({ ...facts.worker_exited, expected: true }, 0);
    const failure = { step: 'abort', reason: 'aborted by zero abort' };
    metrics.take({ ...facts.generation_rolled_back, failure }, 0);
    assert.deepEqual(await samples('zero_handovers_total'), [
      ['promoted', 0],
      ['rolled_back', 1],
      ['failed', 0],
      ['aborted', 0],
      ['timed_out', 0],
      ['superseded', 0],
    ]);
    const one = [['', 1]];
    assert.deepEqual(await samples('zero_worker_restarts_total'), one);
    assert.deepEqual(await samples('zero_worker_stalls_total'), one);
    assert.deepEqual(await samples('zero_lane_reliefs_total'), one);
    assert.deepEqual(await samples('zero_late_rollbacks_total'), one);
    assert.deepEqual(await samples('zero_worker_unexpected_exits_total'), [
      ['exited', 1],
      ['signaled', 0],
      ['unknown', 0],
    ]);
    assert.deepEqual(await samples('zero_output_dropped_lines_total'), [
      ['stdout', 3],
      ['stderr', 0],
      ['file', 0],
    ]);
    assert.deepEqual(await samples('zero_handover_duration_seconds_sum'), [['rolled_back', 5]]);
  });

  it('show how often the supervisor was restarted, and whether a keeper runs', async () => {
    const { source, samples } = metricsOf();
    // An earlier release sends neither field.
    source.now = statusWith();
    assert.deepEqual(await samples('zero_supervisor_restarts_total'), [['', 0]]);
    assert.deepEqual(await samples('zero_keeper_up'), [['', 0]]);
    const supervisor = { restarts: 2, upgrades: 1, started_by: 'keeper', restarted_when_killed: true };
    source.now = statusWith({ supervisor, keeper: { pid: 9, sockets: 4 } });
    for (const _ of [1, 2]) {
      assert.deepEqual(await samples('zero_supervisor_restarts_total'), [['', 2]]);
      assert.deepEqual(await samples('zero_keeper_up'), [['', 1]]);
    }
    source.now = statusWith({ supervisor, keeper: null });
    assert.deepEqual(await samples('zero_keeper_up'), [['', 0]]);
  });

  it('cover what exists now, and drop series of ended generations', async () => {
    const { source, samples } = metricsOf();
    source.now = CANARY;
    source.read = { workers: WORKERS, connections: CONNECTIONS, listeners: LISTENERS };
    assert.deepEqual(await samples('zero_steering_share_ratio'), [
      ['1', 0.8],
      ['2', 0.2],
    ]);
    assert.deepEqual(await samples('zero_worker_cpu_seconds_total'), [
      ['1 0', 1.5],
      ['2 0', 0.5],
    ]);
    assert.deepEqual(await samples('zero_open_connections'), [['1', 3]]);
    assert.deepEqual(await samples('zero_listener_accept_queue_connections'), [
      ['http', 2],
      ['unix', 0],
    ]);
    assert.deepEqual(await samples('zero_listener_drops_total'), [
      ['http', 7],
      ['udp', 1],
    ]);
    assert.ok(
      (await samples('zero_handover_active')).some(([phase, value]) => phase === 'canary' && value === 1),
    );
    source.now = statusWith();
    source.read = { workers: WORKERS.slice(0, 1), connections: new Map(), listeners: [] };
    for (const name of ['steering_share_ratio', 'worker_cpu_seconds_total', 'workers_ready']) {
      assert.equal((await samples(`zero_${name}`)).length, 1, name);
    }
    assert.deepEqual(await samples('zero_listener_drops_total'), []);
    assert.ok((await samples('zero_handover_active')).every(([, value]) => value === 0));
    source.now = statusWith({ steering: null, incumbent: null, generations: [], service: DOWN });
    assert.deepEqual(await samples('zero_steering_share_ratio'), []);
    assert.deepEqual(await samples('zero_incumbent_generation'), [['', 0]]);
    assert.deepEqual(await samples('zero_ready'), [['', 0]]);
  });

  it('do not grow with the number of past generations', async () => {
    const { source, metrics } = metricsOf();
    const sizes: number[] = [];
    const [one] = statusWith().generations;
    assert.ok(one);
    for (let id = 1; id <= 200; id += 1) {
      source.now = statusWith({ incumbent: id, generations: [{ ...one, id, workers: [worker()] }] });
      source.read = {
        workers: [{ ...WORKERS[0], generation: id } as (typeof WORKERS)[0]],
        connections: new Map([[id, 1]]),
        listeners: LISTENERS,
      };
      sizes.push(samplesIn(await metrics.text()).length);
    }
    assert.equal(new Set(sizes).size, 1);
  });

  it('escape names and values with any characters', async () => {
    const { source, samples } = metricsOf();
    source.now = statusWith({ name: 'a"b\\c\nd' });
    assert.deepEqual(await samples('zero_info'), [['a"b\\c\nd 1.2.3', 1]]);
  });

  it('have the same text for two clients that request them at once', async () => {
    const { source, metrics } = metricsOf();
    source.now = CANARY;
    source.read = { workers: WORKERS, connections: CONNECTIONS, listeners: LISTENERS };
    const own = /^process_.*$/gm;
    const [first, second] = await Promise.all([metrics.text(), metrics.text()]);
    assert.equal(first.replace(own, ''), second.replace(own, ''));
  });
});

describe('docs/reference/metrics.md', () => {
  const text = readFileSync(join(ROOT, 'docs/reference/metrics.md'), 'utf8');
  const documented = new Map(
    [...text.matchAll(/^\| `(\w+)` \| (\w+) \| (.*?) \|/gm)].map(([, name = '', type = '', labels = '']) => [
      name,
      { type, labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label).sort() },
    ]),
  );

  it('lists every metric with its type and labels, and no unknown metric', async () => {
    const { source, metrics } = metricsOf();
    source.now = CANARY;
    source.read = { workers: WORKERS, connections: CONNECTIONS, listeners: LISTENERS };
    for (const fact of Object.values(facts)) metrics.take(fact, 0);
    const shown = await metrics.text();
    const labels = (name: string) => {
      const of = samplesIn(shown).find((one) => one.name === name || one.name === `${name}_count`);
      return Object.keys(of?.labels ?? {}).sort();
    };
    const found = [...typesIn(shown)].map(([name, type]) => [name, { type, labels: labels(name) }]);
    assert.deepEqual([...documented], found);
  });
});
