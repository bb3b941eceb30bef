import type { ServiceStatus, StatusDocument, WorkerStatus } from '../../../src/control/status-document.ts';

export function worker(changes: Partial<WorkerStatus> = {}): WorkerStatus {
  return {
    worker: 0,
    pid: 100,
    state: 'up',
    uptime_ms: 1000,
    ready: true,
    waiting: [],
    lane: 0,
    restarts: 0,
    ...changes,
  };
}

/** Every worker serves. */
const UP: ServiceStatus = {
  state: 'up',
  summary: 'generation 1 serves',
  generation: 1,
  workers: 1,
  workers_serving: 1,
  last_exit: null,
  retry_in_ms: null,
};

/** The only worker has crashed and waits for its restart. */
export const DOWN: ServiceStatus = {
  ...UP,
  state: 'down',
  summary: 'nothing serves: generation 1 waits for its next start',
  workers_serving: 0,
  last_exit: {
    worker: 0,
    exit: { kind: 'exited', code: 3 },
    reason: 'exited with code 3',
    ms_ago: 1200,
  },
  retry_in_ms: 3000,
};

export const STOPPING: ServiceStatus = { ...UP, state: 'stopping', summary: 'zero is stopping' };

/** An instance whose generation 1 serves, with these changes. */
export function statusWith(changes: Partial<StatusDocument> = {}): StatusDocument {
  const release = { path: '/bin/app', directory: '/srv' };
  return {
    version: 1,
    name: 'example',
    pid: 7,
    uptime_ms: 93_784_000,
    zero: '1.2.3',
    mode: 'running',
    service: UP,
    incumbent: 1,
    handover: null,
    pending: false,
    generations: [{ id: 1, stage: 'serving', release, since_ms_ago: 5000, workers: [worker()] }],
    listeners: [{ name: 'http', address: '127.0.0.1:80', steered: true, queue: 0, lanes: 4 }],
    steering: { main: [0], canary: null, preview: null },
    retiring: [],
    ...changes,
  };
}

const release = { path: '/bin/app2', directory: '/srv' };

/** The same with a candidate that gets a fifth of the new connections. */
export const CANARY: StatusDocument = statusWith({
  handover: {
    id: 2,
    step: 'canary',
    candidate: 2,
    incumbent: 1,
    since_ms_ago: 3000,
    canary: { percent: 20 },
    until_ms: 27_000,
  },
  generations: [
    ...statusWith().generations,
    { id: 2, stage: 'ready', release, since_ms_ago: 2000, workers: [worker({ pid: 101, lane: 1 })] },
  ],
  steering: { main: [0], canary: { percent: 20, by: 'connection', lanes: [1] }, preview: null },
});
