import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Fact } from '../../../src/lifecycle/facts.ts';
import { initialMetrics, type Metric, metricsOf, uptimeMetric } from '../../../src/telemetry/metrics.ts';
import { statsdLine } from '../../../src/telemetry/statsd-line.ts';
import { facts, usage } from './facts.ts';

function recorder() {
  let state = initialMetrics('/bin/first');
  let now = 0;
  return {
    at(ms: number, ...given: Fact[]): string[] {
      now = ms;
      const metrics: Metric[] = [];
      for (const fact of given) {
        const measured = metricsOf(fact, state, now);
        state = measured.state;
        metrics.push(...measured.metrics);
      }
      return metrics.map(({ name, value, type }) => `${name}:${value}|${type}`);
    },
    uptime: (ms: number) => uptimeMetric(state, ms),
    get state() {
      return state;
    },
  };
}

const spawned = (generation: number, worker = 0, pid = generation * 100): Fact => ({
  event: 'worker_spawned',
  generation,
  worker,
  pid,
});
const starting = (generation: number, path = '/bin/x'): Fact => ({
  ...facts.service_starting,
  generation,
  path,
});
const begun = (handover: number): Fact => ({
  event: 'handover_started',
  handover,
  incumbent: handover - 1 || null,
  by: 'SIGHUP',
});
const finished = (handover: number, generation: number, outcome: 'promoted' | 'rolled_back'): Fact => ({
  ...facts.handover_finished,
  handover,
  generation,
  outcome,
});
const promoted = (generation: number): Fact => ({
  event: 'generation_promoted',
  generation,
  previous: generation - 1 || null,
});
const reload: Fact = { event: 'reload_requested', by: 'SIGHUP', merged: false, handover: 2 };
const merged: Fact = { event: 'reload_requested', by: 'SIGHUP', merged: true, handover: 3 };
const gone = (generation: number): Fact => ({ event: 'generation_gone', generation, retiredFor: 100, usage });
const firstStart = [begun(1), starting(1), spawned(1), promoted(1), finished(1, 1, 'promoted')];

describe('metrics', () => {
  it('count one start for any number of workers', () => {
    const metrics = recorder();
    assert.deepEqual(metrics.at(0, begun(1), starting(1), spawned(1, 0), spawned(1, 1)), [
      'process.start:1|c',
    ]);
  });

  it('count a restart after a crash, and no start for a reload', () => {
    const metrics = recorder();
    metrics.at(0, ...firstStart);
    const crash: Fact = { ...facts.worker_exited, generation: 1, pid: 100 };
    const restarting: Fact = { ...facts.worker_restarting, generation: 1 };
    assert.deepEqual(metrics.at(1, crash, restarting, spawned(1, 0, 101)), ['process.start:1|c']);
    assert.deepEqual(metrics.at(2, reload, begun(2), starting(2), spawned(2)), [
      'process.reload:1|c',
      'process.reload.total:1|g',
    ]);
  });

  it('measure a reload from its request until the exit of the old process, with the usage of that process', () => {
    const metrics = recorder();
    metrics.at(0, ...firstStart);
    assert.deepEqual(metrics.at(1000, reload, begun(2)), ['process.reload:1|c', 'process.reload.total:1|g']);
    assert.deepEqual(metrics.at(2000, starting(2), spawned(2), promoted(2), finished(2, 2, 'promoted')), []);
    assert.deepEqual(metrics.at(4500, gone(1)), [
      'process.reload.duration:3500|ms',
      'process.stats.system_time:0.25|g',
      'process.stats.user_time:1.5|g',
      'process.stats.max_rss:52428800|g',
      'process.stats.minor_faults:1000|g',
      'process.stats.major_faults:2|g',
      'process.stats.disk_reads:3|g',
      'process.stats.disk_writes:4|g',
      'process.stats.signals:0|g',
      'process.stats.voluntary_context_switches:50|g',
      'process.stats.involuntary_context_switches:6|g',
    ]);
  });

  it('measure a failed reload, and omit the candidate', () => {
    const metrics = recorder();
    metrics.at(0, ...firstStart);
    metrics.at(1000, reload, begun(2), starting(2), spawned(2));
    assert.deepEqual(metrics.at(1700, finished(2, 2, 'rolled_back')), ['process.reload.duration:700|ms']);
    assert.deepEqual(metrics.at(1800, { ...facts.generation_gone, generation: 2, retiredFor: null }), []);
  });

  it('count a merged reload when it begins', () => {
    const metrics = recorder();
    metrics.at(0, ...firstStart);
    metrics.at(1, reload, begun(2), starting(2), spawned(2));
    assert.deepEqual(metrics.at(2, merged, merged), []);
    assert.deepEqual(metrics.at(3, promoted(2), finished(2, 2, 'promoted'), begun(3)), [
      'process.reload:1|c',
      'process.reload.total:2|g',
    ]);
    metrics.at(4, starting(3), spawned(3), promoted(3), finished(3, 3, 'promoted'));
    assert.equal(metrics.at(10, gone(1))[0], 'process.reload.duration:9|ms');
    assert.equal(metrics.at(13, gone(2))[0], 'process.reload.duration:10|ms');
  });

  it('count and measure the shutdown once', () => {
    const metrics = recorder();
    metrics.at(0, ...firstStart);
    assert.deepEqual(metrics.at(1, facts.stop_requested, facts.stop_requested), ['process.shutdown:1|c']);
    assert.deepEqual(metrics.at(2, facts.supervisor_stopped), ['process.shutdown.duration:12|ms']);
    assert.deepEqual(recorder().at(0, facts.supervisor_stopped), []);
  });

  it('report the pid that serves, and since when', () => {
    const metrics = recorder();
    assert.equal(metrics.uptime(0), null);
    metrics.at(1000, ...firstStart);
    assert.deepEqual(metrics.uptime(3500), {
      name: 'manager.uptime',
      type: 'g',
      value: 2.5,
      tags: { pid: '100' },
    });
    metrics.at(4000, reload, begun(2), starting(2), spawned(2));
    assert.equal(metrics.uptime(5000)?.tags.pid, '100');
    metrics.at(6000, promoted(2), finished(2, 2, 'promoted'));
    assert.equal(metrics.uptime(6000)?.tags.pid, '200');
    metrics.at(6001, { event: 'worker_pid_changed', generation: 2, worker: 0, from: 200, pid: 250 });
    assert.equal(metrics.uptime(7000)?.tags.pid, '250');
    metrics.at(6002, gone(1), { ...facts.worker_exited, generation: 2, pid: 250 });
    assert.equal(metrics.uptime(7000), null);
  });

  it('are removed for ended generations', () => {
    const metrics = recorder();
    metrics.at(0, ...firstStart);
    for (let id = 2; id < 1000; id += 1) {
      metrics.at(
        id,
        reload,
        begun(id),
        starting(id),
        spawned(id),
        promoted(id),
        finished(id, id, 'promoted'),
        gone(id - 1),
      );
    }
    const { paths, pids, leaving, restarting, reloads } = metrics.state;
    assert.deepEqual([paths.size, pids.size, leaving.size, restarting.size, reloads], [1, 1, 0, 0, 998]);
  });

  it('contain the path of the generation that serves', () => {
    const metrics = recorder();
    metrics.at(0, begun(1), starting(1, '/bin/one'), spawned(1));
    assert.equal(metrics.state.path, '/bin/first');
    metrics.at(1, promoted(1));
    assert.equal(metrics.state.path, '/bin/one');
  });
});

describe('a statsd line', () => {
  const line = (metric: Partial<Metric>, prefix = 'zero', tags = {}) =>
    statsdLine({ name: 'name', type: 'g', value: 1, tags: {}, ...metric }, prefix, tags);

  it('has the format of the first system', () => {
    assert.equal(
      line({ name: 'process.start', type: 'c' }, 'zero', {
        version: '1.0',
        path: '/usr/bin/a b',
        name: 'ex:ample',
      }),
      'zero.process.start,name=ex%3Aample,path=%2Fusr%2Fbin%2Fa+b,version=1.0:1|c\n',
    );
    assert.equal(
      line({ value: 1.234, tags: { foo: 'bar', bar: 'baz' } }, ''),
      'name,bar=baz,foo=bar:1.234|g\n',
    );
    assert.equal(line({ name: "it's(1)*!", type: 'ms' }, 'a:b'), 'a%3Ab.it%27s%281%29%2A%21:1|ms\n');
  });

  it('contains no exponent and no line break', () => {
    assert.equal(line({ value: 0.0000001 }, ''), 'name:0.0000001|g\n');
    assert.equal(line({ value: 12345678912345 }, ''), 'name:12345678912345|g\n');
    assert.equal(line({ tags: { a: 'x\ny:1|c\ud800' } }, ''), 'name,a=x%0Ay%3A1%7Cc%EF%BF%BD:1|g\n');
  });
});
