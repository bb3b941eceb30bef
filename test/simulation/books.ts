import type { Effect } from '../../src/lifecycle/effects.ts';
import type { Event, WorkerKey } from '../../src/lifecycle/events.ts';
import type { Fact } from '../../src/lifecycle/facts.ts';
import type { Settings } from '../../src/lifecycle/settings.ts';
import type { State } from '../../src/lifecycle/state.ts';
import type { Verdict } from '../../src/lifecycle/verdicts.ts';

/** One step of the core. */
export interface Step {
  readonly at: number;
  readonly before: State;
  readonly event: Event;
  readonly effects: readonly Effect[];
}

export type ErrorFact = Extract<Fact, { event: 'error' }>;

/** How many of the last steps are told when one fails. */
const TOLD = 40;

export function nameOf({ generation, worker, incarnation }: WorkerKey): string {
  return `${generation}.${worker}.${incarnation}`;
}

/** What happened between the core and the rest: every event, every effect, and what was answered to whom. */
export class Books {
  steps = 0;
  /** Of each generation. */
  readonly settings = new Map<number, Settings>();
  /** What was prepared for each handover. */
  readonly prepared = new Map<number, Settings>();
  /** Rescue workers. */
  readonly reliefs = new Set<string>();
  /** Workers that a shutdown signal was ordered for. */
  readonly asked = new Set<string>();
  /** Workers that the core knows to run, or to have run. */
  readonly spawned = new Set<string>();
  /** Workers whose exit the core knows. */
  readonly exited = new Set<string>();
  /** Workers that the core knows to drain by themselves. */
  readonly drains = new Set<string>();
  /** Workers that a signal was refused to for good. */
  readonly refused = new Set<string>();
  readonly tickets: string[] = [];
  readonly verdicts = new Map<string, Verdict>();
  /** Answers to `promote` and `abort`. */
  readonly answers: string[] = [];
  readonly errors: ErrorFact[] = [];
  /** Reasons of failures that the shell answered with. */
  readonly reasons: string[] = [];
  readonly #last: Step[] = [];

  observe(step: Step): void {
    this.steps += 1;
    // Made into text only when something fails: it would take longer than the step.
    this.#last.push(step);
    if (this.#last.length > TOLD) this.#last.shift();
    this.#observeEvent(step.event);
    for (const effect of step.effects) this.#observeEffect(effect);
  }

  /** The last steps, for the message of a failure. */
  tell(): string {
    const line = ({ at, event, effects }: Step) =>
      `${at} ${JSON.stringify(event)} -> ${effects.map(brief).join(' ')}`;
    return this.#last.map(line).join('\n');
  }

  #observeEvent(event: Event): void {
    switch (event.type) {
      case 'resolved':
        this.prepared.set(event.handover, event.settings);
        return;
      case 'spawned':
        this.spawned.add(nameOf(event));
        return;
      case 'exited':
        this.exited.add(nameOf(event));
        return;
      case 'drains':
        this.drains.add(nameOf(event));
        return;
      case 'failed': {
        const { effect, failure } = event;
        this.reasons.push(failure.reason);
        const isSignal = effect.type === 'signal' || effect.type === 'kill';
        if (isSignal && failure.errno === 'EPERM') this.refused.add(nameOf(effect));
        return;
      }
      case 'spawn_failed':
      case 'resolve_failed':
      case 'write_failed':
        this.reasons.push(event.failure.reason);
        return;
      case 'hook_finished':
        this.reasons.push(event.reason ?? '');
        return;
      case 'gate_failed':
        this.reasons.push(event.reason);
        return;
      default:
    }
  }

  #observeEffect(effect: Effect): void {
    switch (effect.type) {
      case 'adopt': {
        const settings = this.prepared.get(effect.handover);
        if (settings) this.settings.set(effect.generation, settings);
        return;
      }
      case 'spawn':
        if (effect.relief) this.reliefs.add(nameOf(effect));
        return;
      case 'signal':
        this.asked.add(nameOf(effect));
        return;
      default:
    }
  }
}

function brief(effect: Effect): string {
  if (effect.type === 'run_hook') return `run_hook(${effect.hook} ${effect.name})`;
  if (effect.type === 'report') return effect.fact.event;
  if (effect.type === 'steer') return `steer(${JSON.stringify(effect.steering)})`;
  if (effect.type === 'verdict')
    return `verdict(${effect.tickets} ${effect.verdict.outcome} ${effect.verdict.generation})`;
  if (effect.type === 'attend') return `attend(${effect.lanes})`;
  return 'generation' in effect ? `${effect.type}(${effect.generation})` : effect.type;
}
