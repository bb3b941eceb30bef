import type { ExitStatus } from '../../src/lifecycle/facts.ts';
import type { CanaryStep, Settings } from '../../src/lifecycle/settings.ts';
import type { Random } from './random.ts';

/** How the processes of one generation behave, drawn when it is made. */
export interface Behaviour {
  /** Milliseconds until it crashes by itself; Infinity for never. */
  readonly crashAfter: number;
  readonly exit: ExitStatus;
  /** Milliseconds until each gate passes; Infinity for never. */
  readonly gateAfter: number;
  readonly gateFails: boolean;
  readonly ignoresSignal: boolean;
  /** It finishes what it has accepted before it leaves; else it dies at once. */
  readonly graceful: boolean;
  /** It says so, and so it does not die at once. */
  readonly drains: boolean;
  readonly accepts: boolean;
  /** With this probability a process of it stops accepting, after so many milliseconds. */
  readonly hangs: number;
  readonly hangAfter: number;
  readonly verifyFails: boolean;
  readonly leftovers: number;
}

export function drawBehaviour(random: Random): Behaviour {
  const never = Number.POSITIVE_INFINITY;
  const code = random.pick([0, 1, 3]);
  const drains = random.chance(0.3);
  return {
    crashAfter: random.pick([never, never, never, never, 0, 50, 800, 2_500, 8_000, 70_000]),
    exit: random.chance(0.3)
      ? { kind: 'signaled', signal: 'SIGSEGV', coreDumped: false }
      : { kind: 'exited', code },
    gateAfter: random.pick([0, 10, 10, 300, 4_000, never]),
    gateFails: random.chance(0.06),
    ignoresSignal: random.chance(0.1),
    graceful: drains || random.chance(0.5),
    drains,
    accepts: random.chance(0.95),
    hangs: random.pick([0, 0, 0, 0, 0.5, 1]),
    hangAfter: random.pick([500, 3_000, 9_000]),
    verifyFails: random.chance(0.2),
    leftovers: random.chance(0.08) ? 2 : 0,
  };
}

/** A service without a fault. */
export function isSound(behaviour: Behaviour): boolean {
  return (
    behaviour.accepts &&
    behaviour.hangs === 0 &&
    behaviour.crashAfter === Number.POSITIVE_INFINITY &&
    behaviour.gateAfter < 1_000 &&
    !behaviour.gateFails
  );
}

/** `extras`: draws of their own, so that a history with hooks is else the one without. */
export function drawSettings(random: Random, extras: Random): Settings {
  const canaries: [CanaryStep[], ...CanaryStep[][]] = [
    [],
    [],
    [{ percent: 10, for: 2_000 }],
    [
      { percent: 5, for: 500 },
      { percent: 50, for: 5_000 },
    ],
  ];
  return {
    path: '/bin/service',
    directory: '/',
    workers: random.pick([1, 1, 1, 2, 4]),
    gates: random.pick<string[]>([[], ['accept'], ['http', 'accept']]),
    reloadUptime: random.pick([0, 100, 1_000]),
    readinessTimeout: random.pick([200, 5_000, 60_000]),
    shutdownSignal: 'SIGTERM',
    shutdownTimeout: random.pick([0, 500, 30_000]),
    restart: {
      policy: random.pick(['always', 'always', 'always', 'on-failure', 'never']),
      initial: 100,
      factor: 2,
      max: 30_000,
      resetAfter: 60_000,
      onStall: random.chance(0.2),
    },
    handover: {
      steered: random.chance(0.8),
      previewFrom: random.chance(0.2) ? ['127.77.0.1'] : [],
      previewTimeout: random.pick([1_000, 30_000]),
      canary: random.pick(canaries),
      canaryBy: random.pick(['connection', 'address']),
      soak: random.pick([0, 0, 3_000, 20_000]),
      verify: random.chance(0.4),
      stall: random.pick([1_000, 10_000]),
      settle: random.pick([1_000, 1_000, 2_000]),
      drainTimeout: random.pick([0, 5_000]),
      maxRetiring: random.pick([1, 2, 2]),
      handshake: 65_000,
    },
    hooks: {
      beforeReload: extras.pick([null, null, null, null, 400, 5_000]),
      afterPromote: extras.pick([null, null, null, null, 400, 5_000]),
      afterRollback: extras.pick([null, null, null, 400]),
    },
  };
}
