import type { AnsweredEffect, Effect } from '../../../src/lifecycle/effects.ts';
import type { Event, Reload } from '../../../src/lifecycle/events.ts';
import type { ExitStatus, Fact, FactName } from '../../../src/lifecycle/facts.ts';
import type { HandoverSettings, HookSettings, Settings } from '../../../src/lifecycle/settings.ts';
import { initialState } from '../../../src/lifecycle/state.ts';
import { nextDeadline, step } from '../../../src/lifecycle/step.ts';
import type { Verdict } from '../../../src/lifecycle/verdicts.ts';
import { NO_HOOKS } from '../../simulation/draw.ts';

export type Happening = Event extends infer E ? (E extends Event ? Omit<E, 'at'> : never) : never;

export const OK: ExitStatus = { kind: 'exited', code: 0 };

export type Changes = Partial<Omit<Settings, 'restart' | 'hooks' | 'handover'>> & {
  readonly restart?: Partial<Settings['restart']>;
  readonly hooks?: Partial<HookSettings>;
  readonly handover?: Partial<HandoverSettings>;
};

/** One worker without gates on a steered listener, without canary, soak and hooks. */
export function settingsWith({ restart, hooks, handover, ...changes }: Changes): Settings {
  return {
    path: '/bin/service',
    directory: '/',
    workers: 1,
    gates: [],
    reloadUptime: 0,
    readinessTimeout: 60_000,
    shutdownSignal: 'SIGTERM',
    shutdownTimeout: 30_000,
    restart: {
      policy: 'always',
      initial: 100,
      factor: 2,
      max: 30_000,
      resetAfter: 60_000,
      onStall: false,
      maxMemory: null,
      ...restart,
    },
    liveness: null,
    ...changes,
    hooks: { ...NO_HOOKS, ...hooks },
    handover: {
      steered: true,
      previewFrom: [],
      previewTimeout: 60_000,
      canary: [],
      canaryBy: 'connection',
      soak: 0,
      verify: false,
      stall: 10_000,
      settle: 1_000,
      drainTimeout: 5_000,
      maxRetiring: 2,
      handshake: 65_000,
      ...handover,
    },
  };
}

/** One supervisor with its events and effects. Every effect that `refuses` does not refuse is performed. */
export class Story {
  state = initialState(0);
  clock = 0;
  effects: Effect[] = [];
  /** The errno with which an effect fails; null: it is performed. */
  refuses: (effect: AnsweredEffect) => string | null = () => null;
  #changes: Changes;

  /** @param changes the differences from the simplest settings, for every generation */
  constructor(changes: Changes = {}) {
    this.#changes = changes;
  }

  tell(happening: Happening): void {
    const { state, effects } = step(this.state, { ...happening, at: this.clock } as Event);
    this.state = state;
    this.effects.push(...effects);
    for (const effect of effects) this.#answer(effect);
  }

  #answer(effect: Effect): void {
    switch (effect.type) {
      case 'resolve':
      case 'spawn':
      case 'run_hook':
      case 'report':
      case 'accepted':
      case 'verdict':
      case 'scaled':
      case 'concluded':
      case 'answer':
      case 'exit':
        return;
      default: {
        const errno = this.refuses(effect);
        if (errno === null) {
          this.tell({ type: 'done', effect });
          return;
        }
        const subject = 'pid' in effect ? `process ${effect.pid}` : effect.type;
        const failure = { step: effect.type, reason: `${effect.type}: ${errno}`, errno, subject };
        this.tell({ type: 'failed', effect, failure });
      }
    }
  }

  /** Moves the clock to the next deadline. */
  wait(): number {
    this.clock = nextDeadline(this.state);
    this.tell({ type: 'tick' });
    return this.clock;
  }

  /** Moves the clock by this time, with every deadline on the way. */
  pass(ms: number): void {
    const end = this.clock + ms;
    while (nextDeadline(this.state) <= end) this.wait();
    this.clock = end;
  }

  /** A caller requests a handover. */
  request(ticket: string | null, how: Partial<Omit<Reload, 'type' | 'ticket'>> = {}): void {
    const plain = {
      by: 'zero reload',
      preview: false,
      replace: false,
      timeout: null,
      rollback: null,
      label: null,
    };
    this.tell({ type: 'reload', ticket, ...plain, ...how });
  }

  /** The release of the handover in progress is resolved. */
  resolved(changes: Changes = this.#changes): void {
    const settings = settingsWith(changes);
    this.tell({ type: 'resolved', handover: this.state.handover?.id ?? 0, settings });
  }

  /** Both, for the usual case. */
  reload(ticket: string, how: Partial<Omit<Reload, 'type' | 'ticket'>> = {}): void {
    this.request(ticket, how);
    this.resolved();
  }

  /** Workers of the newest generation have started. Without gates they are ready. */
  spawned(workers = 1): void {
    const generation = this.state.nextGeneration - 1;
    for (let worker = 0; worker < workers; worker += 1)
      this.tell({ type: 'spawned', pid: 100 * generation + worker, generation, worker, incarnation: 1 });
  }

  exited(generation: number, exit: ExitStatus = { kind: 'exited', code: 1 }): void {
    const worker = this.state.generations.find(({ id }) => id === generation)?.workers[0];
    const key = { generation, worker: 0, incarnation: worker?.incarnation ?? 1 };
    this.tell({ type: 'exited', ...key, exit, usage: null, leftovers: 0, output: [], explained: null });
  }

  /** A retiring worker has no work left. */
  drained(generation: number): void {
    this.tell({ type: 'drain_report', generation, worker: 0, incarnation: 1, queued: 0, busy: 0 });
  }

  /** The effects of one type since the previous call. */
  take<T extends Effect['type']>(type: T): Extract<Effect, { type: T }>[] {
    const is = (effect: Effect): effect is Extract<Effect, { type: T }> => effect.type === type;
    const taken = this.effects.filter(is);
    this.effects = this.effects.filter((effect) => !is(effect));
    return taken;
  }

  /** Facts of one kind, oldest first. */
  facts<N extends FactName>(name: N): Extract<Fact, { event: N }>[] {
    return this.effects.flatMap((effect) =>
      effect.type === 'report' && effect.fact.event === name
        ? [effect.fact as Extract<Fact, { event: N }>]
        : [],
    );
  }

  /** The answer to a ticket, if there is one. */
  verdict(ticket: string): Verdict | undefined {
    const answered = this.effects.find(
      (effect) => effect.type === 'verdict' && effect.tickets.includes(ticket),
    );
    return answered?.type === 'verdict' ? answered.verdict : undefined;
  }

  stage(generation: number): string | undefined {
    return this.state.generations.find(({ id }) => id === generation)?.stage.name;
  }
}

/** A supervisor whose first generation serves. The gates apply to later generations. */
export function serving(changes: Changes = {}): Story {
  const story = new Story(changes);
  story.request('start', { by: 'start' });
  story.resolved({ ...changes, gates: [] });
  story.spawned(changes.workers);
  story.take('spawn');
  return story;
}
