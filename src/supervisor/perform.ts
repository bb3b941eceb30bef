import type { Config } from '../config/index.ts';
import type { Effect } from '../lifecycle/effects.ts';
import type { Rollback } from '../lifecycle/events.ts';
import type { ExitStatus, Fact, Failure } from '../lifecycle/facts.ts';
import type { RunHook } from '../lifecycle/hook.ts';
import type { Verdict } from '../lifecycle/state.ts';
import type { Steering } from '../lifecycle/steering.ts';
import { isSystemFailure } from '../linux/errors.ts';
import type { Listeners } from '../listeners/listeners.ts';
import type { Happening } from './engine.ts';
import type { Generations } from './generations.ts';
import type { Keepers } from './keepers.ts';
import type { Prepared } from './prepare.ts';

/** What the performer works on. */
export interface Stage {
  readonly generations: Generations;
  readonly listeners: Listeners;
  readonly post: (happening: Happening) => void;
  readonly report: (fact: Fact) => void;
  readonly prepare: (rollback: Rollback | null) => Promise<Prepared | Failure>;
  /** A generation was made of what was prepared. */
  readonly adopted: (generation: number, prepared: Prepared) => void;
  /** A generation serves now: what the supervisor itself takes from a config is that of this one. */
  readonly promoted: (generation: number, prepared: Prepared) => void;
  readonly runHook: (hook: RunHook, config: Config | undefined) => void;
  readonly killHook: (hook: number) => void;
  readonly keepers: Keepers;
  readonly answer: (ticket: string, refusal: string | null) => void;
  readonly verdict: (tickets: readonly string[], verdict: Verdict) => void;
  readonly exit: (exit: ExitStatus) => void;
}

/** Does what the core asks for. Nothing is decided here. */
export class Performer {
  readonly #stage: Stage;
  /** Prepared for a handover and not yet a generation's. */
  readonly #prepared = new Map<number, Prepared>();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  perform(effect: Effect): void {
    const { generations, keepers, post, report } = this.#stage;
    switch (effect.type) {
      case 'resolve':
        void this.#resolve(effect.handover, effect.rollback);
        return;
      case 'adopt': {
        const prepared = this.#prepared.get(effect.handover);
        this.#prepared.delete(effect.handover);
        if (!prepared) return;
        generations.add(effect.generation, prepared);
        this.#stage.adopted(effect.generation, prepared);
        return;
      }
      case 'discard':
        this.#prepared.get(effect.handover)?.close();
        this.#prepared.delete(effect.handover);
        return;
      case 'spawn': {
        const { generation, worker, incarnation } = effect;
        const key = { generation, worker, incarnation };
        const { lane, relief } = effect;
        const result = generations.spawn(key, { lane, relief });
        if (typeof result === 'number') post({ type: 'spawned', ...key, pid: result });
        else post({ type: 'spawn_failed', ...key, failure: result });
        return;
      }
      case 'listen_again':
        this.#listenAgain(effect.generation);
        return;
      case 'promoted': {
        const prepared = generations.prepared(effect.generation);
        if (prepared) this.#stage.promoted(effect.generation, prepared);
        return;
      }
      case 'signal': {
        const process = generations.find(effect);
        process?.closeGates();
        process?.signal(effect.signal);
        return;
      }
      case 'kill':
        generations.find(effect)?.kill();
        return;
      case 'kill_leftovers':
        generations.find(effect)?.killLeftovers();
        return;
      case 'release':
        generations.release(effect.generation);
        return;
      case 'steer':
        this.#steer(effect.steering);
        return;
      case 'attend':
        keepers.lanes.keep(effect.lanes);
        return;
      case 'drain':
        keepers.drain.keep(effect.workers);
        return;
      case 'watch_stalls':
        keepers.stalls.keep(effect.workers);
        return;
      case 'verify':
        keepers.verify.keep(effect.generation);
        return;
      case 'prepare_lanes':
        keepers.preparer.keep(effect.lanes);
        return;
      case 'run_hook':
        this.#stage.runHook(effect, this.#configOf(effect));
        return;
      case 'kill_hook':
        this.#stage.killHook(effect.hook);
        return;
      case 'answer':
        this.#stage.answer(effect.ticket, effect.refusal);
        return;
      case 'report':
        report(this.#explained(effect.fact));
        return;
      case 'verdict': {
        const { failure } = effect.verdict;
        const explained = failure && generations.explain(failure);
        this.#stage.verdict(effect.tickets, { ...effect.verdict, failure: explained });
        return;
      }
      case 'exit':
        this.#stage.exit(effect.exit);
        return;
    }
  }

  #configOf({ of }: RunHook): Config | undefined {
    const prepared =
      'handover' in of ? this.#prepared.get(of.handover) : this.#stage.generations.prepared(of.generation);
    return prepared?.config;
  }

  #steer(steering: Steering): void {
    const { listeners, report } = this.#stage;
    try {
      listeners.steer(steering);
    } catch (error) {
      report({
        event: 'error',
        step: 'steer',
        message: error instanceof Error ? error.message : String(error),
      });
    }
  }

  #explained(fact: Fact): Fact {
    if (fact.event !== 'handover_finished' || fact.failure === null) return fact;
    return { ...fact, failure: this.#stage.generations.explain(fact.failure) };
  }

  async #resolve(handover: number, rollback: Rollback | null): Promise<void> {
    const { prepare, post } = this.#stage;
    const result = await prepare(rollback).catch((error: unknown): Failure => {
      // A step that no part of it has a word for; anything but a system call is a defect, and the reason says where.
      const reason =
        isSystemFailure(error) || !(error instanceof Error) ? String(error) : String(error.stack);
      return { step: 'prepare', reason };
    });
    if (!('config' in result)) {
      post({ type: 'resolve_failed', handover, failure: result });
      return;
    }
    this.#prepared.set(handover, result);
    post({ type: 'resolved', handover, settings: result.settings });
  }

  #listenAgain(generation: number): void {
    const { generations, listeners, report } = this.#stage;
    const prepared = generations.prepared(generation);
    if (!prepared) return;
    try {
      listeners.relisten(prepared.acquired);
    } catch (error) {
      report({
        event: 'warning',
        about: 'listen',
        message: error instanceof Error ? error.message : String(error),
      });
    }
  }
}
