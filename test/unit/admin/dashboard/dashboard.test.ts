import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { LiveDashboard } from '../../../../src/admin/dashboard/live.ts';
import { Samples, WINDOW } from '../../../../src/admin/dashboard/samples.ts';
import { headlineOf } from '../../../../src/admin/dashboard/state.ts';
import type { Fact } from '../../../../src/lifecycle/facts.ts';
import { ManualTimers } from '../../../support/manual-timers.ts';
import { connect } from '../../control/fixture.ts';
import { facts } from '../../telemetry/facts.ts';
import { FakeSource, get, parse, serveAdmin } from '../fixture.ts';
import { CANARY, DOWN, statusWith, worker } from '../status.ts';

const NOTHING = { generations: [], handovers: [] };
const EVIL = `<img src=x onerror=alert(1)>\u001b[31m\u202e\n&"'`;
const EVIL_AS_TEXT = '&lt;img src=x onerror=alert(1)&gt;\\u001b[31m\\u202e\\n&amp;&quot;&#39;';

const FAILED: Fact = {
  ...facts.handover_finished,
  handover: 4,
  outcome: 'rolled_back',
  generation: 3,
  failure: { step: 'exit', reason: 'exited with code 1', output: ['cannot read settings of hunter2', EVIL] },
};

/** The messages in a text of server-sent events. */
function messagesIn(text: string): { event: string; data: Record<string, unknown> }[] {
  return [...text.matchAll(/^event: (.*)\ndata: (.*)\n\n/gm)].map(([, event = '', data = '']) => ({
    event,
    data: JSON.parse(data),
  }));
}

const idsOf = (text: string) => messagesIn(text).map(({ event, data }) => data.id ?? event);

/** A dashboard whose timers the test runs. */
function live() {
  const source = new FakeSource();
  const timers = new ManualTimers();
  return { source, timers, dashboard: new LiveDashboard(source.dashboard, timers) };
}

/** Resolves when the reading in progress has ended. */
const read = () => new Promise((resolve) => setImmediate(resolve));

describe('a dashboard', () => {
  it('reads no state while no page is open', async () => {
    const { source, timers, dashboard } = live();
    source.events.report(facts.worker_ready);
    assert.deepEqual([source.reads, timers.pending().length], [0, 0]);
    const end = dashboard.watch(() => {});
    await read();
    assert.deepEqual([source.reads, timers.pending().length], [1, 1]);
    timers.fireAll();
    await read();
    assert.deepEqual([source.reads, timers.pending().length], [2, 1]);
    end();
    source.events.report(facts.worker_ready);
    await read();
    assert.deepEqual([source.reads, timers.pending().length], [2, 0]);
  });

  it('takes one reading for all pages', async () => {
    const { source, dashboard } = live();
    const ends = [1, 2, 3].map(() => dashboard.watch(() => {}));
    await read();
    assert.equal(source.reads, 1);
    for (const end of ends) end();
  });

  it('sends the whole state first, and then only changes', async () => {
    const { source, timers, dashboard } = live();
    const feed = dashboard.feed();
    const end = feed.onMore(() => {});
    assert.equal(feed.next(), '');
    await read();
    const first = idsOf(feed.next() ?? '');
    for (const id of ['name', 'state', 'tiles', 'traffic', 'workers', 'listeners', 'timeline', 'log'])
      assert.ok(first.includes(id), id);
    assert.equal(feed.next(), '');
    source.now = CANARY;
    timers.fireAll();
    await read();
    const changed = idsOf(feed.next() ?? '');
    assert.ok(changed.includes('traffic') && changed.includes('announcement'), changed.join());
    assert.ok(!changed.includes('name') && !changed.includes('timeline') && !changed.includes('log'));
    source.events.report(facts.worker_ready);
    const lines = messagesIn(feed.next() ?? '').filter(({ event }) => event === 'log');
    assert.equal(lines.length, 1);
    assert.match(String(lines[0]?.data.html), /worker_ready/);
    end();
  });

  it('skips outdated readings for a slow page', async () => {
    const { source, timers, dashboard } = live();
    const feed = dashboard.feed();
    const end = feed.onMore(() => {});
    await read();
    feed.next();
    for (let pid = 0; pid < 50; pid += 1) {
      source.now = statusWith({ pid });
      timers.fireAll();
      await read();
    }
    const ids = idsOf(feed.next() ?? '');
    assert.equal(new Set(ids).size, ids.length);
    end();
  });

  it('shows the last output of the candidate as text', async () => {
    const { source, dashboard } = live();
    source.events.report(FAILED);
    const output = (await dashboard.sections()).get('output') ?? '';
    assert.match(output, /Last output of generation 3/);
    assert.match(output, /exited with code 1/);
    assert.ok(output.includes('cannot read settings of [redacted]'), output);
    assert.ok(output.includes(EVIL_AS_TEXT), output);
    source.events.report({ ...FAILED, handover: 5, outcome: 'promoted', failure: null });
    assert.equal((await dashboard.sections()).get('output'), '');
  });

  it('shows markup and control characters of events and names as text', async () => {
    const { source, dashboard } = live();
    source.now = statusWith({ name: EVIL });
    source.events.report({ event: 'warning', about: 'admin', message: `hunter2 ${EVIL}` });
    const sections = await dashboard.sections();
    assert.equal(sections.get('name'), EVIL_AS_TEXT);
    assert.ok(dashboard.log.includes(`[redacted] ${EVIL_AS_TEXT}`), dashboard.log);
    assert.doesNotMatch([...sections.values(), dashboard.log].join(''), /<img|[\p{Cc}\u202e]/u);
  });

  it('shows events of any content, as another user may send them', async () => {
    const { source } = live();
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    const events = [
      '"event":"x","a":{"reason":{"toString":1}}',
      `"event":"x","a":${deep}`,
      '"event":"handover_finished","failure":7',
      '"event":"handover_finished","failure":{"step":1,"reason":{"a":1},"output":"text"}',
      '"event":"generation_rolled_back","failure":{"step":"exit","reason":"failed","output":[1,"last line",null]}',
    ].map((event, index) => ({ number: index + 1, text: `{"time":"now",${event}}` }));
    const kept = { epoch: '1', newest: events.length, after: () => events, onAppend: () => () => {} };
    const dashboard = new LiveDashboard({ ...source.dashboard, events: kept }, new ManualTimers());
    assert.equal(dashboard.log.match(/<li>/g)?.length, events.length);
    const output = (await dashboard.sections()).get('output') ?? '';
    assert.match(output, /exit: failed.*<pre tabindex="0">last line\n<\/pre>/s);
    assert.equal(dashboard.problem, null);
  });

  it('sends a page something with the first reading after ten seconds of silence', async (t) => {
    const { source, timers, dashboard } = live();
    let now = 0;
    t.mock.method(performance, 'now', () => now);
    const feed = dashboard.feed();
    const end = feed.onMore(() => {});
    await read();
    assert.notEqual(feed.next(), '');
    source.dashboard.status = async () => Promise.reject(new Error('it does not answer'));
    timers.fireAll();
    await read();
    assert.deepEqual(idsOf(feed.next() ?? ''), ['state', 'announcement']);
    now = 9_999;
    assert.equal(feed.next(), '');
    now = 10_000;
    assert.deepEqual(idsOf(feed.next() ?? ''), ['alive']);
    assert.equal(feed.next(), '');
    end();
  });

  it('reports that the state cannot be read, and shows the last known state', async () => {
    const { source, dashboard } = live();
    await dashboard.sections();
    source.dashboard.status = async () => Promise.reject(new Error('zero does not answer'));
    const sections = await dashboard.sections();
    assert.match(sections.get('state') ?? '', /Connection lost.*Zero does not answer\./s);
    assert.match(sections.get('listeners') ?? '', /127\.0\.0\.1:80/);
  });
});

test('the page stays small with many workers and listeners', async (t) => {
  const { path, source } = await serveAdmin(t);
  const [generation] = statusWith().generations;
  assert.ok(generation);
  source.now = statusWith({
    generations: [
      { ...generation, workers: Array.from({ length: 256 }, (_, index) => worker({ worker: index })) },
    ],
    listeners: Array.from({ length: 1000 }, (_, index) => ({
      name: `listener-${index}`,
      address: `127.0.0.1:${index}`,
      steered: true,
      queue: index === 999 ? 3 : 0,
      lanes: 1,
    })),
  });
  for (let index = 0; index < 300; index += 1) source.events.report(facts.worker_exited);
  const { body } = await get(t, path, '/');
  assert.ok(gzipSync(body).length <= 60_000, `${gzipSync(body).length} bytes`);
  assert.match(body, /listener-999/);
  assert.match(body, /950 more listeners/);
  assert.match(body, /206 more workers/);
});

test('pages that read nothing are limited, and a monitor can still connect', async (t) => {
  const { path, source } = await serveAdmin(t);
  const clients = await Promise.all(Array.from({ length: 100 }, () => connect(t, path)));
  const answers = clients.map(async (client) => {
    client.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const [first] = await once(client, 'data');
    client.pause();
    return parse(String(first)).status;
  });
  const statuses = await Promise.all(answers);
  const count = (status: number) => statuses.filter((one) => one === status).length;
  assert.equal(count(200), 16);
  assert.equal(count(200) + count(503), 100);
  for (let index = 0; index < 2000; index += 1) source.events.report(facts.worker_exited);
  assert.equal((await get(t, path, '/healthz')).status, 200);
  for (const client of clients) client.destroy();
});

test('a page of another origin is refused', async (t) => {
  const { path } = await serveAdmin(t, 'localhost');
  const ask = async (origin: string) => {
    const client = await connect(t, path);
    client.write(`GET /events HTTP/1.1\r\nHost: localhost:9640\r\nOrigin: ${origin}\r\n\r\n`);
    const [first] = await once(client, 'data');
    client.destroy();
    return parse(String(first)).status;
  };
  assert.equal(await ask('http://localhost:9640'), 200);
  for (const origin of [
    'http://evil.example',
    'null',
    'http://localhost',
    'http://localhost:9640.evil.example',
  ])
    assert.equal(await ask(origin), 403, origin);
});

describe('the headline', () => {
  const ended = { handover: 4, at: '2026-01-01T00:00:00Z', incumbent: 1, duration_ms: 5 };
  const rolledBack = {
    ...NOTHING,
    handovers: [
      { ...ended, outcome: 'rolled_back', generation: 3, failure: { step: 'exit', reason: 'exited' } },
    ],
  };
  const titleOf = (...given: Parameters<typeof headlineOf>) => {
    const { tone, title } = headlineOf(...given);
    return `${tone}: ${title}`;
  };

  it('shows the state of the service', () => {
    assert.equal(titleOf(statusWith(), NOTHING, null), 'good: Up');
    assert.equal(titleOf(CANARY, rolledBack, null), 'busy: Handover 2: canary 20 %');
    assert.equal(titleOf(statusWith(), rolledBack, null), 'warn: Up. The last deploy was rolled back');
    assert.equal(titleOf(statusWith({ service: DOWN }), rolledBack, null), 'bad: Down');
    assert.equal(titleOf(statusWith(), NOTHING, 'it does not answer'), 'bad: Connection lost');
  });

  it('reports a crash loop after several restarts', () => {
    const [generation] = statusWith().generations;
    assert.ok(generation);
    const crashing = { ...generation, workers: [worker({ state: 'backoff', ready: false, restarts: 5 })] };
    const status = statusWith({ service: DOWN, generations: [crashing] });
    assert.equal(titleOf(status, NOTHING, null), 'bad: Down: crash loop, 5 restarts');
    assert.match(headlineOf(status, NOTHING, null).details.join(' '), /Next start in 3 s\./);
  });
});

describe('the samples', () => {
  it('cover the last minutes, and restart after a gap', () => {
    const samples = new Samples();
    for (let at = 0; at <= 600_000; at += 1000) samples.add(at, statusWith());
    const points = samples.of('queue');
    assert.ok(points.length <= 120);
    const first = points[0]?.at ?? 0;
    assert.ok(first >= 600_000 - WINDOW && first <= 605_000 - WINDOW, `${first}`);
    assert.equal(points.at(-1)?.at, 600_000);
    samples.add(900_000, statusWith());
    assert.equal(samples.of('queue').length, 1);
  });

  it('are limited for a thousand listeners', () => {
    const samples = new Samples();
    const listeners = Array.from({ length: 1000 }, (_, index) => ({
      name: `${index}`,
      address: '',
      steered: true,
      queue: 1,
      lanes: 1,
    }));
    samples.add(0, statusWith({ listeners }));
    assert.ok(listeners.filter(({ name }) => samples.of(`listener ${name}`).length > 0).length <= 64);
  });
});
