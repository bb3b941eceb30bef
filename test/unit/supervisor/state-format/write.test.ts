import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../../../src/config/index.ts';
import type { Generation } from '../../../../src/lifecycle/generation.ts';
import type { Handover } from '../../../../src/lifecycle/handover.ts';
import type { Settings } from '../../../../src/lifecycle/settings.ts';
import { initialState, type State } from '../../../../src/lifecycle/state.ts';
import type { Worker } from '../../../../src/lifecycle/worker.ts';
import type { ListenerSnapshot } from '../../../../src/listeners/listeners.ts';
import { readState } from '../../../../src/supervisor/state-format/read.ts';
import { VERSION } from '../../../../src/supervisor/state-format/version-2.ts';
import type { Situation } from '../../../../src/supervisor/state-format/write.ts';
import { StateText } from '../../../../src/supervisor/state-format/write-text.ts';

const SETTINGS: Settings = {
  path: '/srv/app/server',
  directory: '/srv/app',
  workers: 2,
  gates: ['accept', 'http'],
  reloadUptime: 1,
  readinessTimeout: 2,
  shutdownSignal: 'SIGTERM',
  shutdownTimeout: 3,
  restart: {
    policy: 'on-failure',
    initial: 4,
    factor: 5,
    max: 6,
    resetAfter: 7,
    onStall: true,
    maxMemory: 19,
  },
  liveness: { action: 'report' },
  handover: {
    steered: true,
    previewFrom: ['192.0.2.0/24'],
    previewTimeout: 8,
    canary: [{ percent: 9, for: 10 }],
    canaryBy: 'address',
    soak: 11,
    verify: true,
    stall: 12,
    settle: 13,
    drainTimeout: 14,
    maxRetiring: 15,
    handshake: 16,
  },
  hooks: {
    beforeReload: 17,
    afterPromote: null,
    afterRollback: 18,
    onReplace: 20,
    onCrashLoop: 21,
    onWorkerStalled: 22,
    onLateRollback: null,
    onRecovery: 23,
  },
};

const SETTINGS_DOCUMENT = {
  path: '/srv/app/server',
  directory: '/srv/app',
  workers: 2,
  gates: ['accept', 'http'],
  reload_uptime_ms: 1,
  readiness_timeout_ms: 2,
  shutdown_signal: 'SIGTERM',
  shutdown_timeout_ms: 3,
  restart: {
    policy: 'on-failure',
    initial_ms: 4,
    factor: 5,
    max_ms: 6,
    reset_after_ms: 7,
    on_stall: true,
    max_memory: 19,
  },
  liveness: { action: 'report' },
  handover: {
    steered: true,
    preview_from: ['192.0.2.0/24'],
    preview_timeout_ms: 8,
    canary: [{ percent: 9, for_ms: 10 }],
    canary_by: 'address',
    soak_ms: 11,
    verify: true,
    stall_ms: 12,
    settle_ms: 13,
    drain_timeout_ms: 14,
    max_retiring: 15,
    handshake_ms: 16,
  },
  hooks: {
    before_reload_timeout_ms: 17,
    after_promote_timeout_ms: null,
    after_rollback_timeout_ms: 18,
    on_replace_timeout_ms: 20,
    on_crash_loop_timeout_ms: 21,
    on_worker_stalled_timeout_ms: 22,
    on_late_rollback_timeout_ms: null,
    on_recovery_timeout_ms: 23,
  },
};

const WORKER: Worker = {
  index: 0,
  lane: 1,
  rescue: false,
  membership: 'member',
  incarnation: 2,
  attempts: 3,
  life: { name: 'spawning' },
  lastExit: null,
  leave: null,
};

const GENERATION: Generation = {
  id: 4,
  settings: SETTINGS,
  label: null,
  since: 100,
  workers: [],
  firstLane: 1,
  stage: { name: 'serving' },
  remains: [],
  usage: null,
  relisten: null,
  replacePause: null,
};

const HANDOVER: Handover = {
  id: 5,
  request: { id: 6, wants: { preview: true, rollback: null, label: null }, since: 200, callers: [] },
  since: 201,
  incumbent: 4,
  step: { name: 'resolving' },
};

const NOTHING: Omit<Situation, 'state'> = { processes: [], listeners: [], verifyOf: () => undefined };

/** The document of a state with these parts, written as text and read again. */
function documentOf(
  parts: Partial<State>,
  situation: Partial<Situation> = {},
  writer: StateText = new StateText(),
) {
  const supervisor = {
    version: '0.2.0',
    instance: 'example',
    configFile: '/etc/zero.yaml',
    bootId: 'boot',
    pid: 10,
    startTime: 11,
    restarts: 1,
    upgrades: 2,
    firstStarted: 3.5,
  };
  const state = { ...initialState(1_000.5, 3), ...parts };
  const text = writer.of(supervisor, { ...NOTHING, state, ...situation });
  const read = readState(text, { instance: 'example', bootId: 'boot' });
  if ('problem' in read) assert.fail(read.problem.message);
  assert.deepEqual(read.state, JSON.parse(text));
  return read.state;
}

const generationWith = (parts: Partial<Generation>, situation: Partial<Situation> = {}) =>
  documentOf({ generations: [{ ...GENERATION, ...parts }] }, situation).generations[0];

test('a new supervisor is written', () => {
  assert.deepEqual(documentOf({}), {
    version: VERSION,
    zero_version: '0.2.0',
    instance: 'example',
    config_file: '/etc/zero.yaml',
    boot_id: 'boot',
    supervisor: {
      pid: 10,
      start_time_ticks: 11,
      restarts: 1,
      upgrades: 2,
      first_started_monotonic_ms: 3.5,
    },
    recorded_monotonic_ms: 1_000.5,
    next_numbers: { generation: 3, handover: 1, hook: 1 },
    first_generation: 3,
    incumbent: null,
    generations: [],
    handover: null,
    pending_request: null,
    owed_verdicts: [],
    hooks: [],
    stop: null,
    handshake_ms: 0,
    lanes: [],
    steering: { change: 0, status: 'installed', failed: null, wanted: null },
    write_failures: { state: null, history: null },
    processes: [],
    listeners: [],
  });
});

test('a service from arguments has no config file', () => {
  const supervisor = {
    version: '0.2.0',
    instance: 'run',
    configFile: null,
    bootId: 'boot',
    pid: 1,
    startTime: 2,
    restarts: 0,
    upgrades: 0,
    firstStarted: 3,
  };
  const text = new StateText().of(supervisor, { ...NOTHING, state: initialState(0) });
  assert.equal(JSON.parse(text).config_file, null);
});

test('a generation is written', () => {
  const usage = {
    userSeconds: 1,
    systemSeconds: 2,
    maxRssBytes: 3,
    minorFaults: 4,
    majorFaults: 5,
    diskReads: 6,
    diskWrites: 7,
    signals: 8,
    voluntaryContextSwitches: 9,
    involuntaryContextSwitches: 10,
  };
  const remains = [{ worker: 1, incarnation: 2, until: 3, retry: { at: 4, attempts: 5 } }];
  const replacePause = { at: 8, attempts: 9 };
  assert.deepEqual(generationWith({ usage, remains, relisten: { at: 6, attempts: 7 }, replacePause }), {
    generation: 4,
    since_monotonic_ms: 100,
    stage: { name: 'serving' },
    settings: SETTINGS_DOCUMENT,
    verify: null,
    workers: [],
    first_lane: 1,
    replacement_pause: { at_monotonic_ms: 8, attempts: 9 },
    remaining_processes: [
      { worker: 1, incarnation: 2, sigkill_monotonic_ms: 3, retry: { at_monotonic_ms: 4, attempts: 5 } },
    ],
    usage: {
      user_seconds: 1,
      system_seconds: 2,
      max_rss_bytes: 3,
      minor_faults: 4,
      major_faults: 5,
      disk_reads: 6,
      disk_writes: 7,
      signals: 8,
      voluntary_context_switches: 9,
      involuntary_context_switches: 10,
    },
    backlog_retry: { at_monotonic_ms: 6, attempts: 7 },
  });
});

const STAGES: readonly (readonly [Generation['stage'], object])[] = [
  [{ name: 'starting', deadline: 1 }, { deadline_monotonic_ms: 1 }],
  [{ name: 'ready' }, {}],
  [{ name: 'serving' }, {}],
  [{ name: 'standby' }, {}],
  [
    { name: 'retiring', since: 1, successor: 2, replaced: true, served: false, signalled: true },
    { since_monotonic_ms: 1, successor: 2, successor_promoted: true, served: false, asked_to_stop: true },
  ],
  [
    { name: 'retiring', since: 1, successor: 2, replaced: false, served: true, signalled: false },
    { since_monotonic_ms: 1, successor: 2, successor_promoted: false, served: true, asked_to_stop: false },
  ],
  [
    { name: 'stopping', since: 1, retired: true },
    { since_monotonic_ms: 1, served: true },
  ],
];

for (const [stage, document] of STAGES) {
  test(`stage ${stage.name}`, () => {
    assert.deepEqual(generationWith({ stage })?.stage, { name: stage.name, ...document });
  });
}

test('a worker is written', () => {
  const leave = { since: 4 };
  const lastExit = { exit: { kind: 'exited', code: 7 }, at: 5, reason: 'exited with code 7' } as const;
  assert.deepEqual(generationWith({ workers: [{ ...WORKER, rescue: true, leave, lastExit }] })?.workers, [
    {
      worker: 0,
      lane: 1,
      rescue: true,
      membership: 'member',
      incarnation: 2,
      attempts: 3,
      state: { name: 'spawning' },
      leaving: { unreachable_since_monotonic_ms: 4 },
      last_exit: { at_monotonic_ms: 5, exit: { kind: 'exited', code: 7 }, reason: 'exited with code 7' },
    },
  ]);
});

const LIVES: readonly (readonly [Worker['life'], object])[] = [
  [{ name: 'spawning' }, {}],
  [
    {
      name: 'up',
      pid: 20,
      since: 1,
      waiting: ['http', 'uptime'],
      readyAt: null,
      hung: true,
      unhealthy: 'GET / returned 500',
      killed: false,
      drains: false,
    },
    {
      pid: 20,
      since_monotonic_ms: 1,
      gates_passed: ['accept'],
      gates_waiting: ['http', 'uptime'],
      ready_monotonic_ms: null,
      hung: true,
      unhealthy: 'GET / returned 500',
      sigkill_sent: false,
      drains: false,
    },
  ],
  [
    {
      name: 'up',
      pid: 20,
      since: 1,
      waiting: [],
      readyAt: 2,
      hung: false,
      unhealthy: null,
      killed: true,
      drains: true,
    },
    {
      pid: 20,
      since_monotonic_ms: 1,
      gates_passed: ['accept', 'http', 'uptime'],
      gates_waiting: [],
      ready_monotonic_ms: 2,
      hung: false,
      unhealthy: null,
      sigkill_sent: true,
      drains: true,
    },
  ],
  [{ name: 'backoff', until: 1 }, { until_monotonic_ms: 1 }],
  [
    {
      name: 'stopping',
      pid: 20,
      since: 1,
      killAt: 2,
      killed: true,
      retry: { at: 3, attempts: 4 },
      refused: 'EPERM',
    },
    {
      pid: 20,
      since_monotonic_ms: 1,
      deadline_monotonic_ms: 2,
      sigkill_sent: true,
      retry: { at_monotonic_ms: 3, attempts: 4 },
      signals_refused: 'EPERM',
    },
  ],
  [{ name: 'ended', exit: null }, { exit: null }],
  [{ name: 'ended', exit: { kind: 'exited', code: 3 } }, { exit: { kind: 'exited', code: 3 } }],
  [{ name: 'ended', exit: { kind: 'unknown' } }, { exit: { kind: 'unknown' } }],
  [
    { name: 'ended', exit: { kind: 'signaled', signal: 'SIGSEGV', coreDumped: true } },
    { exit: { kind: 'signaled', signal: 'SIGSEGV', core_dumped: true } },
  ],
];

for (const [life, document] of LIVES) {
  test(`a worker that is ${life.name}: ${JSON.stringify(document)}`, () => {
    const [worker] = generationWith({ workers: [{ ...WORKER, life }] })?.workers ?? [];
    assert.deepEqual(worker?.state, { name: life.name, ...document });
  });
}

test('a request is written with its callers', () => {
  const pending = {
    id: 9,
    wants: { preview: false, rollback: { to: 3 }, label: 'v1.2.3' },
    since: 1,
    callers: [
      { by: 'SIGHUP', ticket: null, timeout: null, deadline: null },
      { by: 'zero rollback', ticket: '7', timeout: 2, deadline: 3 },
    ],
  };
  assert.deepEqual(documentOf({ pending }).pending_request, {
    handover: 9,
    preview: false,
    rollback: { to: 3 },
    label: 'v1.2.3',
    since_monotonic_ms: 1,
    callers: [
      { by: 'SIGHUP', id: null, timeout_ms: null, deadline_monotonic_ms: null },
      { by: 'zero rollback', id: '7', timeout_ms: 2, deadline_monotonic_ms: 3 },
    ],
  });
});

test('a handover is written', () => {
  assert.deepEqual(documentOf({ handover: HANDOVER }).handover, {
    handover: 5,
    since_monotonic_ms: 201,
    incumbent: 4,
    step: { name: 'resolving' },
    request: { handover: 6, preview: true, rollback: null, since_monotonic_ms: 200, callers: [] },
  });
});

const STEPS: readonly (readonly [Handover['step'], object])[] = [
  [{ name: 'waiting', settings: SETTINGS }, { settings: SETTINGS_DOCUMENT }],
  [
    { name: 'before_reload', settings: SETTINGS, hook: 2 },
    { settings: SETTINGS_DOCUMENT, hook: 2 },
  ],
  [{ name: 'starting', candidate: 6 }, { candidate: 6 }],
  [
    { name: 'preview', candidate: 6, until: 1 },
    { candidate: 6, until_monotonic_ms: 1 },
  ],
  [
    { name: 'canary', candidate: 6, index: 2, until: 1, verified: false },
    { candidate: 6, canary: 2, until_monotonic_ms: 1, verified: false },
  ],
  [{ name: 'promoting', candidate: 6 }, { candidate: 6 }],
  [
    { name: 'soak', candidate: 6, until: 1, verified: true },
    { candidate: 6, until_monotonic_ms: 1, verified: true },
  ],
];

for (const [step, document] of STEPS) {
  test(`step ${step.name}`, () => {
    const { handover } = documentOf({ handover: { ...HANDOVER, step } });
    assert.deepEqual(handover?.step, { name: step.name, ...document });
  });
}

test('an owed verdict has neither the output of a worker nor a stack', () => {
  const failure = {
    step: 'exit',
    reason: 'exited with code 1',
    subject: 'process 9',
    errno: 'EPERM',
    stack: 'Error: at',
    generation: 6,
    worker: 0,
    exit: { kind: 'exited', code: 1 },
    output: ['TOKEN=hush'],
  } as const;
  const verdict = {
    outcome: 'rolled_back',
    handover: 5,
    generation: 6,
    incumbent: 4,
    label: 'v1.2.3',
    down: null,
    duration: 1.5,
    failure,
    hook: { step: 'hook.after_rollback', reason: 'exited with code 2' },
  } as const;
  const { owed_verdicts } = documentOf({ owed: [{ callers: [], verdict, hook: 7, retiring: 3 }] });
  assert.deepEqual(owed_verdicts, [
    {
      callers: [],
      outcome: 'rolled_back',
      handover: 5,
      generation: 6,
      incumbent: 4,
      label: 'v1.2.3',
      duration_ms: 1.5,
      failure: {
        step: 'exit',
        reason: 'exited with code 1',
        subject: 'process 9',
        errno: 'EPERM',
        generation: 6,
        worker: 0,
        exit: { kind: 'exited', code: 1 },
      },
      hook_failure: { step: 'hook.after_rollback', reason: 'exited with code 2' },
      waits_for_hook: 7,
      waits_for_generation: 3,
    },
  ]);
});

test('hooks are written', () => {
  const run = {
    type: 'run_hook',
    hook: 1,
    name: 'after_promote',
    of: { generation: 4 },
    handover: 5,
    generation: 6,
    path: '/srv/app/server',
    incumbent: 4,
    outcome: 'promoted',
  } as const;
  const replacement = { worker: 1, replacement: 2, cause: 'memory', reason: 'too much' } as const;
  const onReplace = {
    ...run,
    hook: 3,
    name: 'on_replace',
    handover: null,
    outcome: 'replaced',
    replacement,
  } as const;
  const before = { ...run, hook: 2, name: 'before_reload', of: { handover: 5 }, outcome: null } as const;
  const notice = { worker: 1, cause: null, reason: 'it crashes' } as const;
  const crashLoop = { ...onReplace, hook: 4, name: 'on_crash_loop', outcome: null, notice } as const;
  const { replacement: _, ...onCrashLoop } = crashLoop;
  const { hooks, notifications } = documentOf({
    hooks: [
      { run, timeout: 10, running: { since: 1, until: 11, killed: true } },
      { run: before, timeout: 20, running: null },
    ],
    notifications: [
      { run: onReplace, timeout: 30, running: { since: 2, until: 32, killed: false } },
      { run: onCrashLoop, timeout: 40, running: null },
    ],
  });
  const about = { handover: 5, generation: 6, path: '/srv/app/server', incumbent: 4 };
  assert.deepEqual(hooks, [
    {
      hook: 1,
      name: 'after_promote',
      config: { of: 'generation', generation: 4 },
      ...about,
      outcome: 'promoted',
      timeout_ms: 10,
      running: { since_monotonic_ms: 1, until_monotonic_ms: 11, sigkill_sent: true },
    },
    {
      hook: 2,
      name: 'before_reload',
      config: { of: 'handover', handover: 5 },
      ...about,
      outcome: null,
      timeout_ms: 20,
      running: null,
    },
  ]);
  assert.deepEqual(notifications, [
    {
      hook: 3,
      name: 'on_replace',
      config: { of: 'generation', generation: 4 },
      ...about,
      handover: null,
      outcome: 'replaced',
      replacement,
      timeout_ms: 30,
      running: { since_monotonic_ms: 2, until_monotonic_ms: 32, sigkill_sent: false },
    },
    {
      hook: 4,
      name: 'on_crash_loop',
      config: { of: 'generation', generation: 4 },
      ...about,
      handover: null,
      outcome: null,
      notice,
      timeout_ms: 40,
      running: null,
    },
  ]);
});

test('lanes and the steering are written', () => {
  const failure = { step: 'steer', reason: 'ENOMEM', subject: 'listener http', errno: 'ENOMEM' };
  const { demands } = initialState(0);
  const { lanes, steering, handshake_ms } = documentOf({
    lanes: [
      { state: { name: 'unused' }, waiting: false },
      { state: { name: 'reached' }, waiting: true },
      { state: { name: 'away', since: 1 }, waiting: false },
    ],
    handshakeTime: 65_000,
    change: { number: 8, status: 'asked' },
    retries: {
      steering: { failure, retry: { at: 2, attempts: 3 } },
      drain: { failure, retry: { at: 4, attempts: 5 } },
    },
    demands: {
      ...demands,
      steering: {
        main: [1],
        canary: { percent: 5, by: 'connection', lanes: [2] },
        preview: [3],
        previewFrom: ['192.0.2.1'],
      },
    },
  });
  assert.deepEqual(lanes, [
    { state: 'unused', connections_waiting: false },
    { state: 'reached', connections_waiting: true },
    { state: 'away', since_monotonic_ms: 1, connections_waiting: false },
  ]);
  assert.equal(handshake_ms, 65_000);
  assert.deepEqual(steering, {
    change: 8,
    status: 'requested',
    failed: { failure, retry: { at_monotonic_ms: 2, attempts: 3 } },
    wanted: {
      main: [1],
      canary: { percent: 5, by: 'connection', lanes: [2] },
      preview: [3],
      preview_from: ['192.0.2.1'],
    },
  });
});

test('a stop, and files that could not be written, are written', () => {
  const failure = { step: 'write state', reason: 'ENOSPC', subject: '/run/state.json', errno: 'ENOSPC' };
  const state = { failure, since: 1, retry: { at: 2, attempts: 3 } };
  const { stop, write_failures } = documentOf({
    stop: { since: 4, now: true },
    storage: { state, history: null },
  });
  assert.deepEqual(stop, { since_monotonic_ms: 4, sigkill_sent: true });
  assert.deepEqual(write_failures, {
    state: { failure, since_monotonic_ms: 1, retry: { at_monotonic_ms: 2, attempts: 3 } },
    history: null,
  });
});

test('processes and listeners are written', () => {
  const key = { generation: 4, worker: 1, incarnation: 2 };
  const { processes, listeners } = documentOf(
    {},
    {
      processes: [{ key, pid: 20, startTime: 21, session: 22 }],
      listeners: [
        {
          text: 'tcp:127.0.0.1:0',
          name: 'http',
          address: { family: 'inet6', host: 'fe80::1', port: 80, scopeId: 2 },
          fd: 30,
          inode: 31,
          lanes: [{ fd: 30, inode: 31 }],
          order: null,
          passedName: null,
        },
        {
          text: 'unix:/run/app.sock',
          name: 'app',
          address: { family: 'unix', path: '/run/app.sock' },
          fd: 32,
          inode: 33,
          lanes: [],
          order: null,
          passedName: null,
        },
      ],
    },
  );
  assert.deepEqual(processes, [{ ...key, pid: 20, start_time_ticks: 21, session: 22 }]);
  assert.deepEqual(listeners, [
    {
      name: 'http',
      config_address: 'tcp:127.0.0.1:0',
      address: { family: 'inet6', host: 'fe80::1', port: 80, scope_id: 2 },
      fd: 30,
      inode: 31,
      lanes: [{ fd: 30, inode: 31 }],
    },
    {
      name: 'app',
      config_address: 'unix:/run/app.sock',
      address: { family: 'unix', path: '/run/app.sock' },
      fd: 32,
      inode: 33,
      lanes: [],
    },
  ]);
});

/** The `verify` section of a config, in YAML. */
function verify(section: string) {
  const text = `service:
  listeners: [{ name: http, address: 127.0.0.1:0 }]
  runtime: { name: app, path: /srv/app/server }
  handover: { soak: 1m, verify: ${section} }
`;
  const parsed = parseConfig(text, 'zero.yaml');
  if ('problems' in parsed) assert.fail(JSON.stringify(parsed.problems));
  const verifyOf = (generation: number) => {
    assert.equal(generation, GENERATION.id);
    return parsed.config.service.handover.verify;
  };
  return generationWith({}, { verifyOf })?.verify;
}

test('health checks are written', () => {
  assert.deepEqual(
    verify('{ http: { listener: http, path: /health, status: "200,204", timeout: 1s }, failures: 2 }'),
    {
      interval_ms: 5_000,
      timeout_ms: 2_000,
      failures: 2,
      http: {
        listener: 'http',
        address: null,
        path: '/health',
        status: '200,204',
        host: null,
        timeout_ms: 1_000,
      },
      command: null,
    },
  );
  assert.deepEqual(
    verify('{ http: { address: "127.0.0.1:81", host: app }, command: { run: [curl, app] }, interval: 9s }'),
    {
      interval_ms: 9_000,
      timeout_ms: 2_000,
      failures: 3,
      http: {
        listener: null,
        address: 'tcp:127.0.0.1:81',
        path: '/',
        status: '200-299',
        host: 'app',
        timeout_ms: null,
      },
      command: { run: ['curl', 'app'], timeout_ms: null },
    },
  );
});

test('a later document contains the changes since the previous one', () => {
  const writer = new StateText();
  const process = { key: { generation: 4, worker: 0, incarnation: 1 }, pid: 20, startTime: 21, session: 20 };
  const watchdog: { time: number | null } = { time: null };
  const watched = { ...process, watchdog };
  const listener: ListenerSnapshot = {
    name: 'http',
    text: '127.0.0.1:0',
    address: { family: 'inet', host: '127.0.0.1', port: 80 },
    fd: 5,
    inode: 6,
    lanes: [{ fd: 5, inode: 6 }],
    order: null,
    passedName: null,
  };
  const write = (listeners: readonly ListenerSnapshot[]) =>
    documentOf({}, { processes: [watched], listeners }, writer);
  assert.deepEqual(write([listener]), write([{ ...listener }]));
  assert.equal(write([listener]).processes[0]?.watchdog_ms, undefined);
  watchdog.time = 30;
  assert.equal(write([listener]).processes[0]?.watchdog_ms, 30);
  watched.pid = 22;
  assert.equal(write([listener]).processes[0]?.pid, 22);
  const more = { ...listener, lanes: [...listener.lanes, { fd: 7, inode: 8 }] };
  assert.deepEqual(write([more]).listeners[0]?.lanes.at(-1), { fd: 7, inode: 8 });
  assert.deepEqual(write([]).listeners.length + write([more, listener]).listeners.length, 2);
});
