import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderFact } from '../../../../src/cli/render/progress.ts';
import { renderStatus } from '../../../../src/cli/render/status.ts';
import { painter } from '../../../../src/cli/render/style.ts';
import { renderVerdict } from '../../../../src/cli/render/verdict.ts';
import type { StatusDocument, WorkerStatus } from '../../../../src/control/protocol.ts';
import { STATUS } from '../../control/fake-control.ts';

const plain = painter(false);

function worker(index: number, more: Partial<WorkerStatus> = {}): WorkerStatus {
  return {
    worker: index,
    pid: 4300 + index,
    state: 'up',
    uptime_ms: 3_600_000,
    ready: true,
    waiting: [],
    lane: index,
    restarts: 0,
    ...more,
  };
}

test('status shows an idle instance', () => {
  assert.deepEqual(renderStatus(STATUS, plain).split('\n'), [
    'example  zero 1.2.3, pid 4242, up 1m1s',
    '',
    'generation 3  serving for 1m  /usr/bin/example',
    '  in /etc/example',
    '  worker 0  up  pid 4300  1m  lane 0',
    '',
    'http  127.0.0.1:8080  4 lanes  0 queued',
    'new connections go to lane 0',
    '',
  ]);
});

test('status shows a canary', () => {
  const status: StatusDocument = {
    ...STATUS,
    pending: true,
    handover: {
      id: 7,
      step: 'canary',
      candidate: 4,
      incumbent: 3,
      since_ms_ago: 12_000,
      canary: { percent: 5 },
      until_ms: 18_000,
    },
    generations: [
      ...STATUS.generations,
      {
        id: 4,
        stage: 'ready',
        release: { path: '/srv/releases/2024-11-21/example', directory: '/srv/releases/2024-11-21' },
        since_ms_ago: 15_000,
        workers: [
          worker(0, { lane: 2 }),
          worker(1, { state: 'backoff', pid: null, uptime_ms: null, lane: 3, restarts: 2 }),
        ],
      },
    ],
    steering: { main: [0], canary: { percent: 5, by: 'connection', lanes: [2] }, preview: null },
  };
  assert.deepEqual(renderStatus(status, plain).split('\n').slice(1, 13), [
    'handover 7, started 12s ago: canary 5 %, 18s left',
    '  candidate 4, incumbent 3',
    'one more reload waits for the end of this handover',
    '',
    'generation 3  serving for 1m  /usr/bin/example',
    '  in /etc/example',
    '  worker 0  up  pid 4300  1m  lane 0',
    'generation 4  ready, started 15s ago  /srv/releases/2024-11-21/example',
    '  worker 0  up       pid 4300  1h  lane 2',
    '  worker 1  backoff                lane 3',
    '    2 restarts',
    '',
  ]);
});

test('status does not show the age of a handover or a generation as the duration of its step', () => {
  const status: StatusDocument = {
    ...STATUS,
    handover: { id: 7, step: 'soak', candidate: 4, incumbent: 3, since_ms_ago: 12_000, until_ms: 900 },
    generations: [
      {
        id: 3,
        stage: 'standby',
        release: { path: '/usr/bin/example', directory: '/usr/bin' },
        since_ms_ago: 60_000,
        workers: [],
      },
    ],
  };
  const lines = renderStatus(status, plain).split('\n');
  assert.ok(lines.includes('handover 7, started 12s ago: soak, 900ms left'), lines.join('\n'));
  assert.ok(lines.includes('generation 3  standby, started 1m ago  /usr/bin/example'), lines.join('\n'));
});

test('status shows the usage of workers, and how they exited', () => {
  const usage = { cpu_percent: 3.2, cpu_seconds: 62, memory_bytes: 47_290_777, interval_ms: 12_000 };
  const exit = { kind: 'signaled', signal: 'SIGSEGV', core_dumped: true };
  const last_exit = { exit, reason: 'was killed by SIGSEGV (core dumped)', ms_ago: 120_000 };
  const status: StatusDocument = {
    ...STATUS,
    usage: { cpu_percent: 103.2, cpu_seconds: 75.5, memory_bytes: 2 ** 31, interval_ms: 12_000 },
    generations: [
      {
        id: 3,
        stage: 'serving',
        release: { path: '/usr/bin/example', directory: '/usr/bin' },
        since_ms_ago: 60_000,
        workers: [
          worker(0, { usage }),
          worker(1, { usage: { ...usage, cpu_percent: 100, memory_bytes: 900 }, restarts: 1, last_exit }),
          worker(2, { state: 'backoff', pid: null, uptime_ms: null, restarts: 12, last_exit }),
        ],
      },
    ],
  };
  assert.deepEqual(renderStatus(status, plain).split('\n').slice(1, 9), [
    'CPU 103 % over the last 12s (1m15s in total), memory 2.0 GiB',
    '',
    'generation 3  serving for 1m  /usr/bin/example',
    '  worker 0  up       pid 4300  1h  lane 0  3.2 %  45.1 MiB',
    '  worker 1  up       pid 4301  1h  lane 1  100 %  900 B',
    '    1 restart, last exit 2m ago: was killed by SIGSEGV (core dumped)',
    '  worker 2  backoff                lane 2',
    '    12 restarts, last exit 2m ago: was killed by SIGSEGV (core dumped)',
  ]);
});

for (const wide of ['', '\u6f22', '\u{1f600}']) {
  test(`no line is wider than 80 columns: ${wide || 'ASCII'}`, () => {
    const long = (character: string) => (wide || character).repeat(300);
    const gates = [
      'accept:http',
      'accept:admin',
      'notify',
      'ready_fd',
      'http',
      'tcp',
      'command',
      'uptime',
      long('g'),
    ];
    const status: StatusDocument = {
      ...STATUS,
      name: long('n'),
      handover: {
        id: 123,
        step: 'starting',
        candidate: 5,
        incumbent: 4,
        since_ms_ago: 1e9,
        waiting_for: gates,
      },
      generations: [
        {
          id: 12345,
          stage: 'starting',
          release: { path: `/${long('p')}`, directory: `/${long('d')}` },
          since_ms_ago: 1e9,
          workers: Array.from({ length: 12 }, (_, index) =>
            worker(index, {
              pid: 4_194_304,
              ready: false,
              waiting: gates,
              lane: 100 + index,
              restarts: 1234,
              uptime_ms: 1e9,
              usage: { cpu_percent: 6399.9, cpu_seconds: 1e7, memory_bytes: 2 ** 39, interval_ms: 1e9 },
              last_exit: { exit: null, reason: `cannot be spawned: ${long('r')}`, ms_ago: 1e9 },
            }),
          ),
        },
      ],
      listeners: [
        { name: long('l'), address: `[${'f'.repeat(39)}]:65535`, steered: true, queue: 65535, lanes: 256 },
        { name: 'unix', address: `/${long('u')}`, steered: false, queue: null, lanes: 1 },
      ],
      steering: {
        main: Array.from({ length: 64 }, (_, index) => index),
        canary: {
          percent: 33.3,
          by: 'connection',
          lanes: Array.from({ length: 64 }, (_, index) => 100 + index),
        },
        preview: [1, 2, 3],
      },
    };
    const lines = renderStatus(status, plain).split('\n');
    assert.deepEqual(
      lines.filter((line) => [...line].reduce((sum, one) => sum + (one === wide ? 2 : 1), 0) > 80),
      [],
    );
    assert.ok(lines.some((line) => line.includes('not ready')));
  });
}

test('a hung worker is shown next to the rescue worker in its place', () => {
  const [generation] = STATUS.generations;
  assert.ok(generation);
  const workers = [worker(0, { hung: true }), worker(1, { role: 'rescue' })];
  const text = renderStatus({ ...STATUS, generations: [{ ...generation, workers }] }, plain);
  assert.match(text, /worker 0 +hung /);
  assert.match(text, /worker 1 +rescue /);
});

test('control characters from the socket do not reach the terminal', () => {
  const evil = '\u001b[2J\u202e\n';
  const [generation] = STATUS.generations;
  assert.ok(generation);
  const status: StatusDocument = {
    ...STATUS,
    name: evil,
    generations: [
      { ...generation, release: { path: evil, directory: evil }, workers: [worker(0, { waiting: [evil] })] },
    ],
    listeners: [{ name: evil, address: evil, steered: false, queue: null, lanes: 1 }],
  };
  const failure = { step: evil, reason: evil, output: [evil] };
  const verdict = {
    outcome: evil,
    handover: null,
    generation: null,
    incumbent: null,
    duration_ms: 1,
    failure,
  } as const;
  const fact = { event: 'warning', about: 'x', message: evil };
  for (const text of [
    renderStatus(status, plain),
    renderVerdict(verdict, plain),
    String(renderFact(fact)),
    String(renderFact({ event: evil, x: evil })),
  ]) {
    assert.ok(!text.includes('\u001b') && !text.includes('\u202e'), JSON.stringify(text));
  }
});

test('a handover in progress, and an unknown outcome and exit of a newer supervisor, are shown', () => {
  const verdict = {
    outcome: 'in_progress',
    handover: 4,
    generation: null,
    incumbent: 3,
    duration_ms: 3000,
    failure: null,
  };
  assert.match(renderVerdict(verdict, plain), /^handover 4 is still in progress after 3s: generation 3 /);
  const failure = { step: 'exit', reason: 'x', exit: { kind: 'stopped' } };
  const newer = renderVerdict({ ...verdict, outcome: 'put_off', failure }, plain);
  assert.match(newer, /^handover 4 put off after 3s: .*\n.*\n.*\n {2}exit {4}exit code unknown\n$/);
});

test('a verdict does not report that a generation serves if it is stopped, or failed as the first one', () => {
  const verdict = { handover: 2, generation: 2, incumbent: 1, duration_ms: 3000 };
  const stopped = { ...verdict, outcome: 'aborted', failure: { step: 'stop', reason: 'stopped by SIGTERM' } };
  assert.match(renderVerdict(stopped, plain), /^handover 2 aborted after 3s\n {2}step {4}stop\n/);
  assert.match(
    renderVerdict({ ...stopped, generation: null, down: { retry_in_ms: null } }, plain),
    /^handover 2 aborted after 3s\n/,
  );
  const failure = { step: 'exit', reason: 'exited with code 3' };
  const first = { ...verdict, generation: 1, outcome: 'failed', failure };
  assert.match(renderVerdict({ ...first, down: null }, plain), /^handover 2 failed after 3s\n/);
  assert.match(
    renderVerdict({ ...first, down: { retry_in_ms: 100 } }, plain),
    /^handover 2 failed after 3s: nothing serves: generation 1 is started again in 100ms\n/,
  );
  assert.match(
    renderVerdict({ ...first, generation: 2 }, plain),
    /^handover 2 failed after 3s: generation 1 keeps serving\n/,
  );
});

test('unknown facts are shown by their name', () => {
  assert.equal(
    renderFact({ event: 'brand_new', lane: 3, text: 'x', deep: { a: 1 }, off: false }),
    'brand new lane=3 text=x',
  );
  assert.equal(renderFact({ event: 'constructor' }), 'constructor');
  assert.equal(renderFact({ event: 'gate_passed', gate: 'http' }), null);
  assert.equal(renderFact({ event: 'worker_ready' }), 'worker ? of generation ? ready after ?');
});

test('colours are used only if they are wanted', () => {
  assert.ok(renderStatus(STATUS, painter(true)).includes('\u001b['));
  assert.ok(!renderStatus(STATUS, plain).includes('\u001b['));
});
