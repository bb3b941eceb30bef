import * as z from 'zod/mini';
import {
  bootId,
  canaryBy,
  duration,
  flag,
  hookName,
  index,
  list,
  monotonic,
  number,
  orNull,
  outcome,
  path,
  restartPolicy,
  text,
  workerKey,
} from './parts.ts';

/* Version 1, which zero only reads: the types that the core had at the time. */

const exit = () =>
  z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('exited'), code: index() }),
    z.object({ kind: z.literal('signaled'), signal: text(), coreDumped: flag() }),
    z.object({ kind: z.literal('unknown') }),
  ]);

const failure = () =>
  z.object({
    step: text(),
    reason: text(),
    generation: z.exactOptional(number()),
    worker: z.exactOptional(index()),
    exit: z.exactOptional(exit()),
  });

const settings = () =>
  z.object({
    path: path(),
    directory: path(),
    workers: number(),
    gates: list(text()),
    reloadUptime: duration(),
    readinessTimeout: duration(),
    shutdownSignal: text(),
    shutdownTimeout: duration(),
    restart: z.object({
      policy: restartPolicy(),
      initial: duration(),
      factor: z.number(),
      max: duration(),
      resetAfter: duration(),
      onStall: flag(),
    }),
    handover: z.object({
      steered: flag(),
      previewFrom: list(text()),
      previewTimeout: duration(),
      canary: list(z.object({ percent: z.number(), for: duration() })),
      canaryBy: canaryBy(),
      soak: duration(),
      verify: flag(),
      stall: duration(),
      settle: duration(),
      drainTimeout: duration(),
      maxRetiring: index(),
      handshake: duration(),
    }),
    hooks: z.object({
      beforeReload: orNull(duration()),
      afterPromote: orNull(duration()),
      afterRollback: orNull(duration()),
    }),
  });

const stage = () =>
  z.discriminatedUnion('name', [
    z.object({ name: z.literal('starting'), deadline: orNull(monotonic()) }),
    z.object({ name: z.literal('ready') }),
    z.object({ name: z.literal('serving') }),
    z.object({ name: z.literal('standby') }),
    z.object({
      name: z.literal('retiring'),
      since: monotonic(),
      successor: number(),
      replaced: flag(),
      served: flag(),
      told: flag(),
    }),
    z.object({ name: z.literal('stopping'), since: monotonic(), retired: flag() }),
  ]);

const life = () =>
  z.discriminatedUnion('name', [
    z.object({ name: z.literal('spawning') }),
    z.object({
      name: z.literal('up'),
      pid: number(),
      since: monotonic(),
      waiting: list(text()),
      readyAt: orNull(monotonic()),
      hung: flag(),
      killed: flag(),
      drains: flag(),
    }),
    z.object({ name: z.literal('backoff'), until: monotonic() }),
    z.object({
      name: z.literal('stopping'),
      pid: number(),
      since: monotonic(),
      killAt: orNull(monotonic()),
      killed: flag(),
    }),
    z.object({ name: z.literal('ended'), exit: orNull(exit()) }),
  ]);

const usage = () =>
  z.object({
    userSeconds: z.number(),
    systemSeconds: z.number(),
    maxRssBytes: z.number(),
    minorFaults: z.number(),
    majorFaults: z.number(),
    diskReads: z.number(),
    diskWrites: z.number(),
    signals: z.number(),
    voluntaryContextSwitches: z.number(),
    involuntaryContextSwitches: z.number(),
  });

const generation = () =>
  z.object({
    id: number(),
    settings: settings(),
    since: monotonic(),
    workers: list(
      z.object({
        index: index(),
        lane: index(),
        relief: flag(),
        incarnation: index(),
        attempts: index(),
        life: life(),
        leave: orNull(z.object({ settleAt: monotonic() })),
      }),
    ),
    stage: stage(),
    remains: list(z.object({ worker: index(), incarnation: number(), until: monotonic() })),
    usage: orNull(usage()),
  });

const request = () =>
  z.object({
    by: text(),
    tickets: list(text()),
    since: monotonic(),
    preview: flag(),
    deadline: orNull(monotonic()),
    rollback: orNull(z.object({ to: orNull(number()) })),
  });

const step = () => {
  const [candidate, until] = [number(), monotonic()];
  return z.discriminatedUnion('name', [
    z.object({ name: z.literal('resolving') }),
    z.object({ name: z.literal('waiting'), settings: settings() }),
    z.object({ name: z.literal('before_reload'), settings: settings(), hook: number() }),
    z.object({ name: z.literal('starting'), candidate }),
    z.object({ name: z.literal('preview'), candidate, until }),
    z.object({ name: z.literal('canary'), candidate, index: index(), until }),
    z.object({ name: z.literal('soak'), candidate, until }),
  ]);
};

const hook = () =>
  z.object({
    run: z.object({
      hook: number(),
      name: hookName(),
      of: z.union([z.object({ generation: number() }), z.object({ handover: number() })]),
      handover: orNull(number()),
      generation: number(),
      path: path(),
      incumbent: orNull(number()),
      outcome: orNull(outcome()),
    }),
    timeout: duration(),
    running: orNull(z.object({ since: monotonic(), until: monotonic(), killed: flag() })),
    verdict: orNull(
      z.object({
        tickets: list(text()),
        verdict: z.object({
          outcome: outcome(),
          handover: orNull(number()),
          generation: orNull(number()),
          incumbent: orNull(number()),
          duration: duration(),
          failure: orNull(failure()),
          hook: z.exactOptional(failure()),
        }),
      }),
    ),
  });

const socket = () => ({ fd: index(), inode: number() });

export function schema() {
  return z.object({
    version: z.literal(1),
    name: text(),
    supervisor: z.object({ pid: number(), startTime: index() }),
    bootId: bootId(),
    state: z.object({
      now: monotonic(),
      nextGeneration: number(),
      firstGeneration: number(),
      nextHandover: number(),
      nextHook: number(),
      generations: list(generation()),
      incumbent: orNull(number()),
      handover: orNull(
        z.object({
          id: number(),
          request: request(),
          since: monotonic(),
          incumbent: orNull(number()),
          step: step(),
        }),
      ),
      pending: orNull(request()),
      hooks: list(hook()),
      stop: orNull(z.object({ since: monotonic(), now: flag() })),
      /** `awayAt` null: the kernel steers to the lane, or never did. */
      lanes: list(z.object({ awayAt: orNull(monotonic()), waiting: flag() })),
      handshakeTime: duration(),
      demands: z.object({
        steering: orNull(
          z.object({
            main: list(index()),
            canary: orNull(z.object({ percent: z.number(), by: canaryBy(), lanes: list(index()) })),
            preview: orNull(list(index())),
            previewFrom: list(text()),
          }),
        ),
      }),
    }),
    processes: list(z.object({ ...workerKey(), pid: number(), session: number(), startTime: index() })),
    listeners: list(
      z.object({
        text: text(),
        name: text(),
        address: z.discriminatedUnion('family', [
          z.object({
            family: z.enum(['inet', 'inet6']),
            host: text(),
            port: index(),
            scopeId: z.exactOptional(index()),
          }),
          z.object({ family: z.literal('unix'), path: text() }),
        ]),
        ...socket(),
        lanes: list(z.object(socket())),
      }),
    ),
  });
}

export type Document = z.output<ReturnType<typeof schema>>;
