import type { AnsweredEffect, Effect } from '../../src/lifecycle/effects.ts';
import { type Event, eventsOf, type WorkerKey } from '../../src/lifecycle/events.ts';
import type { Fact } from '../../src/lifecycle/facts.ts';
import type { Wants } from '../../src/lifecycle/requests.ts';
import type { ScaleResult } from '../../src/lifecycle/scale.ts';
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

export interface Executed extends WorkerKey {
  readonly executable: string;
  readonly expected: string;
  /** The worker is added to running workers. */
  readonly joins: boolean;
  /** The release of its generation can be executed. */
  readonly isRelease: boolean;
}

const NOTHING: ReadonlySet<number | null> = new Set();

/** The number of last steps in the message of a failure. */
const TOLD = 40;

export function nameOf({ generation, worker, incarnation }: WorkerKey): string {
  return `${generation}.${worker}.${incarnation}`;
}

/** Records of everything between the core and the rest: every event, every effect, and every answer with its caller. */
export class Books {
  steps = 0;
  /** By generation. */
  readonly settings = new Map<number, Settings>();
  /** The prepared settings of each handover. */
  readonly prepared = new Map<number, Settings>();
  /** Rescue workers. */
  readonly rescues = new Set<string>();
  /** Workers with an ordered shutdown signal, and its time. */
  readonly asked = new Map<string, number>();
  /** The time of the last confirmed steering change, which reaches the listeners one after the other. */
  steeredAt = 0;
  /** Workers that run or have run according to the core. */
  readonly spawned = new Set<string>();
  /** Workers whose exit the core has received, and its time. */
  readonly exited = new Map<string, number>();
  /** Workers with a reported crash loop, `generation.worker`. */
  readonly crashLoops = new Set<string>();
  /** Workers with an ordered SIGKILL. */
  readonly killed = new Set<string>();
  /** Workers that drain their own connections according to the core. */
  readonly drains = new Set<string>();
  /** Workers for which a signal was permanently refused. */
  readonly refused = new Set<string>();
  /** The executable of each process, and the expected one. */
  readonly executed: Executed[] = [];
  /** The deadline for the answer to each request for another number of workers; null: none. */
  readonly scales = new Map<string, number | null>();
  readonly scaled = new Map<string, ScaleResult>();
  tickets: string[] = [];
  lastTicket = 0;
  /** The accepted handover number of each ticket. */
  readonly accepted = new Map<string, number>();
  /** Tickets of a supervisor that died before it answered them. Their callers may ask again. */
  readonly unsure = new Set<string>();
  readonly verdicts = new Map<string, Verdict>();
  /** The number of final verdicts of each handover. */
  readonly conclusions = new Map<number, number>();
  /** The request and the deadline of each caller. */
  readonly requests = new Map<string, { readonly wants: Wants; readonly deadline: number | null }>();
  /** The generation that a promotion replaced. */
  readonly replaced = new Map<number, number | null>();
  /** Workers that were reported as unstoppable. */
  readonly notStoppable = new Set<string>();
  /** The time since which the core waits for the exit of a worker. */
  readonly stopping = new Map<string, number>();
  /** Failed effects without another attempt, by their names. */
  readonly failing = new Map<string, { readonly effect: AnsweredEffect; readonly since: number }>();
  /** The newest check of `verify` of each generation, and its end. */
  readonly checks = new Map<number, { readonly passed: boolean; readonly at: number }>();
  /** Answers to `promote` and `abort`. */
  readonly answers: string[] = [];
  /** All reported facts. */
  readonly facts: Fact[] = [];
  /** Reasons of failures that the shell reported. */
  readonly reasons: string[] = [];
  readonly #last: Step[] = [];
  /** The last effect of each name. */
  readonly #ordered = new Map<string, Effect>();
  /** Handovers whose final verdict may not have been delivered, and is repeated in this step. */
  #repeated: ReadonlySet<number | null> = new Set();
  /** The worker for which the event of this step reports a refused signal. */
  #refusedNow: string | null = null;

  observe(step: Step): void {
    this.steps += 1;
    // Formatted only after a failure, because formatting takes longer than a step.
    this.#last.push(step);
    if (this.#last.length > TOLD) this.#last.shift();
    this.#refusedNow = null;
    this.#repeated = NOTHING;
    for (const event of eventsOf(step.event)) this.#observeEvent(event);
    for (const effect of step.effects) this.#observeEffect(effect, step.at);
  }

  /** Records the final verdict of a handover. Callers that lost their supervisor ask for it. */
  conclude(verdict: Verdict): void {
    for (const ticket of this.unsure) {
      const isIts = this.accepted.get(ticket) === verdict.handover && !this.verdicts.has(ticket);
      if (isIts) this.verdicts.set(ticket, verdict);
    }
  }

  /** The supervisor has died. Another one continues after `downtime` from a state in which these callers wait. */
  crash(downtime: number, callers: ReadonlySet<string>, concluded: ReadonlySet<number | null>): void {
    // The last step may be the one in which a worker became stable.
    this.crashLoops.clear();
    const isLost = (ticket: string) => {
      if (this.verdicts.has(ticket) || callers.has(ticket)) return false;
      return !concluded.has(this.accepted.get(ticket) ?? null);
    };
    for (const ticket of this.tickets) if (!this.verdicts.has(ticket)) this.unsure.add(ticket);
    for (const ticket of this.tickets.filter(isLost)) this.requests.delete(ticket);
    this.tickets = this.tickets.filter((ticket) => !isLost(ticket));
    for (const ticket of [...this.scales.keys()]) if (!this.scaled.has(ticket)) this.scales.delete(ticket);
    this.failing.clear();
    for (const [name, since] of this.stopping) this.stopping.set(name, since + downtime);
  }

  /** The last steps, for the message of a failure. */
  tell(): string {
    const line = ({ at, event, effects }: Step) =>
      `${at} ${JSON.stringify(event)} -> ${effects.map(brief).join(' ')}`;
    return this.#last.map(line).join('\n');
  }

  #observeEvent(event: Event): void {
    switch (event.type) {
      case 'reload': {
        const { ticket, preview, rollback, label, timeout, at } = event;
        const deadline = timeout === null ? null : at + timeout;
        if (ticket !== null) this.requests.set(ticket, { wants: { preview, rollback, label }, deadline });
        return;
      }
      case 'resolved':
        this.prepared.set(event.handover, event.settings);
        return;
      case 'done':
        if (event.effect.type === 'steer') this.steeredAt = event.at;
        return;
      case 'spawned':
        this.spawned.add(nameOf(event));
        return;
      case 'adopted':
        this.spawned.add(nameOf({ generation: 1, worker: 0, incarnation: 1 }));
        return;
      case 'exited':
        this.exited.set(nameOf(event), event.at);
        return;
      case 'continued':
        for (const found of event.workers) {
          if (found.found === 'running') this.spawned.add(nameOf(found));
          else if (!this.exited.has(nameOf(found))) this.exited.set(nameOf(found), event.at);
        }
        this.#repeated = new Set(event.concluded.map(({ handover }) => handover));
        return;
      case 'verify_checked':
        this.checks.set(event.generation, { passed: event.passed, at: event.at });
        return;
      case 'drains':
        this.drains.add(nameOf(event));
        return;
      case 'failed': {
        const { effect, failure } = event;
        this.reasons.push(failure.reason);
        if (this.#ordered.get(subjectOf(effect)) === effect)
          this.failing.set(subjectOf(effect), { effect, since: event.at });
        const isSignal = effect.type === 'signal' || effect.type === 'kill';
        if (isSignal && failure.errno === 'EPERM') {
          this.#refusedNow = nameOf(effect);
          this.refused.add(this.#refusedNow);
        }
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

  #observeEffect(effect: Effect, at: number): void {
    const subject = subjectOf(effect);
    this.#ordered.set(subject, effect);
    this.failing.delete(subject);
    switch (effect.type) {
      case 'adopt': {
        const settings = this.prepared.get(effect.handover);
        if (settings) this.settings.set(effect.generation, settings);
        return;
      }
      case 'spawn':
        if (effect.rescue) this.rescues.add(nameOf(effect));
        return;
      case 'signal':
        // A signal that fails is sent again. The time limit of the worker starts at the first attempt.
        if (!this.asked.has(nameOf(effect))) this.asked.set(nameOf(effect), at);
        return;
      case 'kill':
        this.killed.add(nameOf(effect));
        return;
      case 'report':
        this.#observeFact(effect.fact);
        return;
      case 'concluded': {
        const { handover } = effect.verdict;
        if (handover === null || this.#repeated.has(handover)) return;
        this.conclusions.set(handover, (this.conclusions.get(handover) ?? 0) + 1);
        return;
      }
      default:
    }
  }

  #observeFact(fact: Fact): void {
    if (fact.event === 'generation_promoted') this.replaced.set(fact.generation, fact.previous);
    else if (fact.event === 'worker_not_stoppable' && this.#refusedNow)
      this.notStoppable.add(this.#refusedNow);
  }
}

/** The subject of an effect. The next effect with the same name is another attempt. */
function subjectOf(effect: Effect): string {
  const { type } = effect;
  if (type === 'write') return `write ${effect.file}`;
  if ('incarnation' in effect) return `${type} ${nameOf(effect)}`;
  return type === 'listen_again' ? `${type} ${effect.generation}` : type;
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
