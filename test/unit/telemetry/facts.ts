import type { Fact, FactName, Usage } from '../../../src/lifecycle/facts.ts';

export const usage: Usage = {
  userSeconds: 1.5,
  systemSeconds: 0.25,
  maxRssBytes: 52_428_800,
  minorFaults: 1000,
  majorFaults: 2,
  diskReads: 3,
  diskWrites: 4,
  signals: 0,
  voluntaryContextSwitches: 50,
  involuntaryContextSwitches: 6,
};

const key = { generation: 3, worker: 0 };

/** One fact of each kind. */
export const facts: { readonly [Name in FactName]: Extract<Fact, { event: Name }> } = {
  supervisor_started: { event: 'supervisor_started', name: 'example', pid: 7, version: '1.0.0', config: 'zero.yaml' },
  listener_bound: { event: 'listener_bound', listener: 'http', address: 'tcp:127.0.0.1:80', fd: 3 },
  listener_closed: { event: 'listener_closed', listener: 'http', address: 'tcp:127.0.0.1:80' },
  service_starting: { event: 'service_starting', generation: 3, path: '/bin/x', directory: '/', workers: 2 },
  worker_spawned: { event: 'worker_spawned', ...key, pid: 42 },
  worker_spawn_failed: { event: 'worker_spawn_failed', ...key, step: 'spawn', reason: 'EAGAIN' },
  gate_passed: { event: 'gate_passed', ...key, gate: 'notify', after: 350 },
  worker_ready: { event: 'worker_ready', ...key, after: 1234 },
  worker_not_ready: { event: 'worker_not_ready', ...key, waiting: ['http', 'tcp'], after: 60_000 },
  worker_exited: {
    event: 'worker_exited',
    ...key,
    pid: 42,
    exit: { kind: 'exited', code: 1 },
    expected: false,
    usage,
    uptime: 90_000,
  },
  worker_restarting: { event: 'worker_restarting', ...key, delay: 100, attempt: 1 },
  worker_pid_changed: { event: 'worker_pid_changed', ...key, from: 42, pid: 43 },
  worker_signalled: { event: 'worker_signalled', ...key, pid: 42, signal: 'SIGTERM' },
  worker_killed: { event: 'worker_killed', ...key, pid: 42, reason: 'shutdown_timeout' },
  leftovers_killed: { event: 'leftovers_killed', ...key, pids: [44, 45] },
  output_dropped: { event: 'output_dropped', ...key, stream: 'stdout', lines: 3, bytes: 300 },
  reload_requested: { event: 'reload_requested', by: 'SIGHUP', merged: false },
  handover_started: { event: 'handover_started', handover: 2, incumbent: 2 },
  handover_finished: {
    event: 'handover_finished',
    handover: 2,
    outcome: 'rolled_back',
    generation: 3,
    incumbent: 2,
    duration: 5000,
    failure: {
      step: 'readiness.http',
      reason: 'GET /healthz: 503',
      generation: 3,
      worker: 0,
      exit: { kind: 'signaled', signal: 'SIGSEGV', coreDumped: true },
      output: ['starting', 'token hunter22 refused', 'DATABASE_URL=postgres://u:p@h/d'],
    },
  },
  generation_promoted: { event: 'generation_promoted', generation: 3, previous: 2 },
  generation_retiring: { event: 'generation_retiring', generation: 2 },
  generation_gone: { event: 'generation_gone', generation: 2, retiredFor: 3_723_000, usage },
  stop_requested: { event: 'stop_requested', by: 'SIGTERM', now: false },
  supervisor_stopped: { event: 'supervisor_stopped', code: 0, reason: 'stopped', duration: 12 },
  warning: { event: 'warning', about: 'metrics', message: 'nobody listens' },
  error: { event: 'error', step: 'kill', message: 'it did not leave' },
};
