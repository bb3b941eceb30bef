import { isSystemFailure } from '../../common/errors.ts';
import type { Turns } from '../../common/slices.ts';
import type { Config } from '../../config/index.ts';
import { isSame } from '../../lifecycle/copy.ts';
import type { AnsweredEffect, Effect, StoredFile } from '../../lifecycle/effects.ts';
import type { Rollback } from '../../lifecycle/events.ts';
import type { ExitStatus, Fact, Failure } from '../../lifecycle/facts.ts';
import type { RunHook } from '../../lifecycle/hook.ts';
import type { ScaleResult } from '../../lifecycle/scale.ts';
import type { Verdict } from '../../lifecycle/verdicts.ts';
import { isRefusal } from '../../listeners/listener-error.ts';
import type { Listeners } from '../../listeners/listeners.ts';
import { type Delivery, SignalError } from '../../workers/processes/delivery.ts';
import type { Boundary } from './boundary.ts';
import type { DrainWatcher } from './drain-watcher.ts';
import { failureOf } from './effect-failure.ts';
import type { Happening } from './engine.ts';
import type { Generations } from './generations.ts';
import type { LanePreparer } from './lane-preparer.ts';
import type { LaneWatcher } from './lane-watcher.ts';
import type { LivenessWatcher } from './liveness-watcher.ts';
import type { MemoryWatcher } from './memory-watcher.ts';
import type { Prepared } from './prepare.ts';
import type { PreparedReleases } from './prepared-releases.ts';
import { SlicedEffects } from './sliced-effects.ts';
import type { StallWatcher } from './stall-watcher.ts';
import type { VerifyWatcher } from './verify-watcher.ts';

/** The watches that the core has requested, until it requests others. */
interface Watchers {
  readonly lanes: LaneWatcher;
  readonly drain: DrainWatcher;
  readonly stalls: StallWatcher;
  readonly memory: MemoryWatcher;
  readonly liveness: LivenessWatcher;
  readonly verify: VerifyWatcher;
  readonly preparer: LanePreparer;
}

/** The objects that the performer works on. */
export interface PerformerContext {
  readonly boundary: Boundary;
  readonly generations: Generations;
  readonly listeners: Listeners;
  readonly turns: Turns;
  readonly post: (happening: Happening) => void;
  readonly report: (fact: Fact) => void;
  readonly releases: PreparedReleases;
  /** @param claim called with the executable as soon as it is known, so that no cleanup removes its file */
  readonly prepare: (
    rollback: Rollback | null,
    claim: (executable: string) => void,
  ) => Promise<Prepared | Failure>;
  /** Called when a handover has created its generation. */
  readonly adopted: (handover: number, generation: number, prepared: Prepared) => void;
  /** Called when a generation was promoted. The supervisor's own settings then come from its config. */
  readonly promoted: (generation: number, prepared: Prepared) => void;
  readonly runHook: (hook: RunHook, config: Config | undefined) => void;
  readonly killHook: (hook: number) => void;
  readonly watchers: Watchers;
  /**
   * Makes the keeper process hold the sockets of this version of the set. Posts `done` or `failed` of the effect later;
   * `failed` also if that process ends afterwards.
   */
  readonly keepSockets: (version: number) => void;
  readonly inspectLanes: () => void;
  readonly write: (file: StoredFile) => void;
  readonly answer: (ticket: string, refusal: string | null) => void;
  readonly scaled: (ticket: string, result: ScaleResult) => void;
  readonly accepted: (ticket: string, handover: number) => void;
  readonly verdict: (tickets: readonly string[], verdict: Verdict) => void;
  readonly concluded: (verdict: Verdict) => void;
  readonly exit: (exit: ExitStatus) => void;
}

/** An effect with an immediate answer. The keeper process starts in the background. */
type Immediate = Exclude<AnsweredEffect, { readonly type: 'keep_sockets' | 'steer' | 'listen_again' }>;
type Answered<T extends Immediate['type']> = Extract<Immediate, { readonly type: T }>;

/** One handler for each type of effect; the type makes the table exhaustive. */
type Handlers = { readonly [T in Immediate['type']]: (effect: Answered<T>) => void };

/** Throws SignalError if a process refused the signal. */
function requireAll(signal: string, delivery: Delivery | undefined): void {
  if (delivery && delivery.refused.length > 0) throw new SignalError(signal, delivery.refused);
}

/**
 * Performs the effects of the core and decides nothing. Every effect that touches the kernel or a disk ends in an event
 * `done` or `failed`, and the core decides the next step.
 */
export class Performer {
  readonly #context: PerformerContext;
  readonly #handlers: Handlers;
  /** Failures of ended handovers without a conclusion, in the core's text and in the operator's text. */
  readonly #sliced: SlicedEffects;
  readonly #explanations = new Map<number | null, { readonly of: Failure; readonly failure: Failure }>();

  constructor(context: PerformerContext) {
    this.#context = context;
    this.#sliced = new SlicedEffects(context.turns, context.post);
    const { generations, releases, watchers, inspectLanes, promoted, killHook, write } = context;
    this.#handlers = {
      adopt: ({ handover, generation }) => this.#adopt(handover, generation),
      discard: ({ handover }) => releases.discard(handover),
      inspect_lanes: () => inspectLanes(),
      promoted: ({ generation }) => {
        const prepared = generations.prepared(generation);
        if (prepared) promoted(generation, prepared);
      },
      signal: (effect) => {
        const process = generations.find(effect);
        process?.closeGates();
        requireAll(effect.signal, process?.signal(effect.signal));
      },
      // After the main process has exited, zero searches for the remaining processes of the session again. Only that
      // search decides whether the kill is complete.
      kill: (effect) => requireAll('SIGKILL', generations.find(effect)?.kill()),
      kill_leftovers: (effect) => requireAll('SIGKILL', generations.find(effect)?.killLeftovers()),
      release: ({ generation }) => generations.release(generation),
      attend: ({ lanes, shared }) => watchers.lanes.keep(lanes, shared),
      drain: ({ workers }) => watchers.drain.keep(workers),
      watch_stalls: ({ workers }) => watchers.stalls.keep(workers),
      watch_memory: ({ workers }) => watchers.memory.keep(workers),
      check_liveness: ({ workers }) => watchers.liveness.keep(workers),
      verify: ({ generation }) => watchers.verify.keep(generation),
      prepare_lanes: ({ lanes }) => watchers.preparer.keep(lanes),
      kill_hook: ({ hook }) => killHook(hook),
      write: ({ file }) => write(file),
    };
  }

  /** Never throws. */
  perform(effect: Effect): void {
    const { boundary, report, answer, accepted, verdict, concluded, scaled, exit } = this.#context;
    switch (effect.type) {
      case 'resolve':
        void this.#resolve(effect.handover, effect.rollback);
        return;
      case 'spawn':
        this.#spawn(effect);
        return;
      case 'run_hook':
        this.#runHook(effect);
        return;
      case 'report':
        boundary.run('report', () => report(this.#explained(effect.fact)));
        return;
      case 'answer':
        boundary.run('answer', () => answer(effect.ticket, effect.refusal));
        return;
      case 'accepted':
        boundary.run('accept', () => accepted(effect.ticket, effect.handover));
        return;
      case 'concluded':
        boundary.run('conclude', () => {
          concluded(this.#explainedVerdict(effect.verdict));
          this.#explanations.delete(effect.verdict.handover);
        });
        return;
      case 'verdict':
        boundary.run('verdict', () => verdict(effect.tickets, this.#explainedVerdict(effect.verdict)));
        return;
      case 'scaled':
        boundary.run('answer', () => scaled(effect.ticket, effect.result));
        return;
      case 'exit':
        exit(effect.exit);
        return;
      case 'steer':
        this.#sliced.perform(effect, this.#context.listeners.steerInSteps(effect.steering));
        return;
      case 'listen_again':
        this.#sliced.perform(effect, this.#listenAgain(effect.generation));
        return;
      case 'keep_sockets':
        this.#keepSockets(effect);
        return;
      default:
        this.#answered(effect);
    }
  }

  /** Cancels effects in progress, without an answer. */
  close(): void {
    this.#sliced.close();
  }

  /** Performs an effect and posts its result. */
  #answered<T extends Immediate['type']>(effect: Answered<T>): void {
    const { post } = this.#context;
    try {
      this.#handlers[effect.type as T](effect);
    } catch (error) {
      post({ type: 'failed', effect, failure: failureOf(effect, error) });
      return;
    }
    post({ type: 'done', effect });
  }

  *#listenAgain(generation: number): Generator<void, void, void> {
    const { generations, listeners } = this.#context;
    const prepared = generations.prepared(generation);
    if (prepared) yield* listeners.relistenInSteps(prepared.acquired);
  }

  #keepSockets(effect: Extract<Effect, { type: 'keep_sockets' }>): void {
    const { keepSockets, post } = this.#context;
    try {
      keepSockets(effect.version);
    } catch (error) {
      post({ type: 'failed', effect, failure: failureOf(effect, error) });
    }
  }

  #adopt(handover: number, generation: number): void {
    const { releases, generations, adopted } = this.#context;
    const prepared = releases.adopt(handover, generation);
    generations.add(generation);
    adopted(handover, generation, prepared);
  }

  #spawn({ generation, worker, incarnation, lane, rescue, joins }: Extract<Effect, { type: 'spawn' }>): void {
    const { generations, post, boundary } = this.#context;
    const key = { generation, worker, incarnation };
    let result: number | Failure;
    try {
      result = generations.spawn(key, { lane, rescue }, joins);
    } catch (error) {
      if (!isRefusal(error)) boundary.caught('spawn', error);
      result = { step: 'spawn', reason: String(error), generation, worker };
    }
    if (typeof result === 'number') post({ type: 'spawned', ...key, pid: result });
    else post({ type: 'spawn_failed', ...key, failure: result });
  }

  #runHook(hook: RunHook): void {
    const { runHook, post, boundary } = this.#context;
    try {
      runHook(hook, this.#configOf(hook));
    } catch (error) {
      if (!isRefusal(error)) boundary.caught(`hook ${hook.name}`, error);
      post({ type: 'hook_finished', hook: hook.hook, exit: null, reason: String(error), output: [] });
    }
  }

  #configOf({ of }: RunHook): Config | undefined {
    const { releases } = this.#context;
    const prepared =
      'handover' in of ? releases.ofHandover(of.handover) : releases.ofGeneration(of.generation);
    return prepared?.config;
  }

  #explained(fact: Fact): Fact {
    if (fact.event !== 'handover_finished' || fact.failure === null) return fact;
    const failure = this.#context.generations.explain(fact.failure);
    this.#explanations.set(fact.handover, { of: fact.failure, failure });
    return { ...fact, failure };
  }

  /** A verdict may follow after the candidate and its output have been released. */
  #explainedVerdict(verdict: Verdict): Verdict {
    const { failure, handover } = verdict;
    if (failure === null) return verdict;
    const known = this.#explanations.get(handover);
    if (known && isSame(known.of, failure)) return { ...verdict, failure: known.failure };
    return { ...verdict, failure: this.#context.generations.explain(failure) };
  }

  async #resolve(handover: number, rollback: Rollback | null): Promise<void> {
    const { prepare, post, releases, watchers } = this.#context;
    const claim = (executable: string) => releases.claim(handover, executable);
    const result = await prepare(rollback, claim).catch((error: unknown): Failure => {
      // The failure of a step without a text of its own. Anything except a failed system call is a defect, and its
      // stack shows the origin.
      const reason =
        isSystemFailure(error) || !(error instanceof Error) ? String(error) : String(error.stack);
      return { step: 'prepare', reason };
    });
    releases.settle(handover, 'config' in result ? result : null);
    if (!('config' in result)) {
      post({ type: 'resolve_failed', handover, failure: result });
      return;
    }
    const { settings } = result;
    watchers.preparer.whenFinished(() => post({ type: 'resolved', handover, settings }));
  }
}
