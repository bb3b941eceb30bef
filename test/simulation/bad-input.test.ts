import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Effect } from '../../src/lifecycle/effects.ts';
import type { Fact } from '../../src/lifecycle/facts.ts';
import type { Settings } from '../../src/lifecycle/settings.ts';
import type { Step } from './books.ts';
import { type Behaviour, drawBehaviour, drawSettings, NO_HOOKS, soundOf } from './draw.ts';
import { Faults, type FaultyCall } from './faults.ts';
import { checkInvariants } from './invariants.ts';
import { Random } from './random.ts';
import { World } from './world.ts';

const ERRNOS = ['EPERM', 'EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM', 'ENOSPC', 'ESRCH'] as const;

/** An effect that can fail, and the call in it that is refused. */
interface Case {
  readonly effect: Effect['type'];
  readonly call: FaultyCall;
  /** The subject in the report, if the step has one. */
  readonly subject: RegExp;
  /** The number of consecutive refusals; 1 if omitted. */
  readonly times?: number;
  readonly behaviour?: Partial<Behaviour>;
  readonly settings?: Partial<Settings>;
}

/**
 * Excluded: `release`, `discard`, `watch_stalls`, `watch_memory`, `check_liveness` and `verify`, which make no call
 * that can fail.
 */
const CASES: readonly Case[] = [
  { effect: 'resolve', call: 'prepare', subject: /listeners/ },
  { effect: 'adopt', call: 'adopted', subject: /generation 2/ },
  { effect: 'spawn', call: 'createDatagramSocket', subject: /\/srv\/app.*notify\/2\.0\.1/ },
  { effect: 'spawn', call: 'watch', subject: /\/srv\/app/ },
  { effect: 'spawn', call: 'openOutputPipe', subject: /\/srv\/app/ },
  { effect: 'spawn', call: 'fdOf', subject: /fdOf a/ },
  { effect: 'spawn', call: 'spawn', subject: /\/srv\/app/ },
  { effect: 'listen_again', call: 'relisten', subject: /listener a/ },
  { effect: 'inspect_lanes', call: 'inspectLanes', subject: /listeners/ },
  { effect: 'promoted', call: 'promoted', subject: /generation 2/ },
  { effect: 'steer', call: 'steer', subject: /listener [abc]/ },
  { effect: 'attend', call: 'watchLane', subject: /lanes 0/ },
  { effect: 'drain', call: 'readConnections', subject: /sock_diag/ },
  {
    effect: 'run_hook',
    call: 'runHook',
    subject: /after_promote/,
    settings: { hooks: { ...NO_HOOKS, afterPromote: 400 } },
  },
  { effect: 'signal', call: 'sendSignal', subject: /process \d+ \(app\)/ },
  {
    effect: 'kill',
    call: 'sendSignal',
    subject: /process \d+ \(app\)/,
    behaviour: { ignoresSignal: true },
  },
  {
    effect: 'kill_leftovers',
    call: 'listProcesses',
    subject: /process \d+ \(and its session\)/,
    behaviour: { leftovers: 2 },
  },
  { effect: 'write', call: 'writeState', subject: /state/, times: 2 },
];

/** Refuses one call during one kind of effect. */
class ScriptedFaults extends Faults {
  refused = 0;
  readonly #case: Case;
  readonly #errno: string;
  #performed: readonly Effect[] = [];
  isOn = false;

  constructor(faulty: Case, errno: string) {
    super(new Random(1));
    this.#case = faulty;
    this.#errno = errno;
  }

  performs(effects: readonly Effect[]): void {
    this.#performed = effects;
  }

  override refuse(call: FaultyCall): string | null {
    const { effect, call: faulty, times = 1 } = this.#case;
    if (!this.isOn || call !== faulty || this.refused >= times) return null;
    // The state is written without an effect, and a config is read later than its effect.
    const isOwn = effect !== 'write' && effect !== 'resolve';
    if (isOwn && !this.#performed.some(({ type }) => type === effect)) return null;
    this.refused += 1;
    return this.#errno;
  }

  override raise(): void {}
}

const SETTINGS: Settings = {
  ...drawSettings(new Random(1), new Random(1), new Random(1), new Random(1)),
  workers: 1,
  gates: ['accept'],
  reloadUptime: 0,
  readinessTimeout: 5_000,
  shutdownTimeout: 500,
  restart: {
    policy: 'always',
    initial: 100,
    factor: 2,
    max: 30_000,
    resetAfter: 60_000,
    onStall: false,
    maxMemory: null,
  },
  handover: {
    steered: true,
    previewFrom: [],
    previewTimeout: 1_000,
    canary: [{ percent: 10, for: 2_000 }],
    canaryBy: 'connection',
    soak: 0,
    verify: true,
    stall: 10_000,
    settle: 1_000,
    drainTimeout: 0,
    maxRetiring: 2,
    handshake: 65_000,
  },
  hooks: NO_HOOKS,
  liveness: null,
};

const BEHAVIOUR: Behaviour = {
  ...soundOf(drawBehaviour(new Random(1), new Random(1), new Random(1), 1)),
  ignoresSignal: false,
  graceful: false,
  drains: false,
  protectedFrom: false,
  replaceAfter: Number.POSITIVE_INFINITY,
  leftovers: 0,
};

const REPORTS: readonly Fact['event'][] = ['error', 'worker_not_stoppable', 'worker_spawn_failed'];

/** The reports of a failure. For a handover that started nothing it is the verdict. A hook has its own report. */
function reportsOf(facts: readonly Fact[]): Fact[] {
  return facts.filter((fact) => {
    if (fact.event === 'hook_finished') return fact.failure !== null;
    if (fact.event === 'handover_finished') return fact.outcome === 'failed';
    return REPORTS.includes(fact.event);
  });
}

/** Asserts that a process serves, and was neither asked to stop nor restarted. */
function serviceIsUntouched(world: World): void {
  const serving = world.serving();
  if (serving === null) return;
  const own = world.services.filter(({ generation, rescue }) => generation === serving && !rescue);
  assert.equal(own.length, 1, `generation ${serving} was restarted`);
  assert.ok(own[0]?.alive && !own[0].signalled, `generation ${serving} serves and was touched`);
}

/** One reload in which the call is refused, and one after it. Returns the facts in between. */
async function reloadWith(faulty: Case, errno: string): Promise<readonly Fact[]> {
  const faults = new ScriptedFaults(faulty, errno);
  const check = (world: World, step: Step) => {
    checkInvariants(world, step);
    serviceIsUntouched(world);
  };
  const settings = { ...SETTINGS, ...faulty.settings };
  const behaviour = { ...BEHAVIOUR, ...faulty.behaviour };
  const observe = (step: Step) => faults.performs(step.effects);
  const world = new World(1, check, {}, { faults, settings, behaviour, observe });
  world.request('start');
  await world.run(1_000, 10_000);
  assert.equal(world.serving(), 1, `the first generation serves\n${world.books.tell()}`);
  faults.isOn = true;
  const before = world.books.facts.length;
  world.request('operator');
  await world.run(1_000, 60_000);
  assert.equal(faults.refused, faulty.times ?? 1, `${faulty.call} was refused`);
  const reports = reportsOf(world.books.facts.slice(before));
  assert.notEqual(world.serving(), null, 'a generation serves');
  faults.isOn = false;
  world.request('operator');
  await world.run(1_000, 120_000);
  assert.equal(world.books.verdicts.get('t2')?.outcome, 'promoted', 'the next request works');
  assert.equal(world.serving(), world.books.verdicts.get('t2')?.generation);
  return reports;
}

describe('a refused call', () => {
  for (const faulty of CASES) {
    for (const errno of ERRNOS) {
      it(`${faulty.call} of ${faulty.effect}: ${errno} is reported once, and has no other effect`, async () => {
        const reports = await reloadWith(faulty, errno);
        // ESRCH: the process has already exited, which was the purpose of the signal.
        const isGone = errno === 'ESRCH' && faulty.call === 'sendSignal';
        assert.equal(reports.length, isGone ? 0 : 1, JSON.stringify(reports));
        if (isGone) return;
        const text = JSON.stringify(reports[0]);
        assert.match(text, new RegExp(errno));
        assert.match(text, faulty.subject);
      });
    }
  }
});
