import type { AnsweredEffect, Effect } from '../../src/lifecycle/effects.ts';
import type { Event, WorkerKey } from '../../src/lifecycle/events.ts';
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
  /** It is added to workers that run. */
  readonly joins: boolean;
  /** The release of its generation can be executed. */
  readonly isRelease: boolean;
}

const NOTHING: ReadonlySet<number | null> = new Set();

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
  readonly rescues = new Set<string>();
  /** Workers that a shutdown signal was ordered for, and when. */
  readonly asked = new Map<string, number>();
  /** When the last steering change was confirmed, which reaches the listeners one after the other. */
  steeredAt = 0;
  /** Workers that the core knows to run, or to have run. */
  readonly spawned = new Set<string>();
  /** Workers whose exit the core knows, and since when. */
  readonly exited = new Map<string, number>();
  /** Workers whose crash loop was reported, `generation.worker`. */
  readonly crashLoops = new Set<string>();
  /** Workers that SIGKILL was ordered for. */
  readonly killed = new Set<string>();
  /** Workers that the core knows to drain by themselves. */
  readonly drains = new Set<string>();
  /** Workers that a signal was refused to for good. */
  readonly refused = new Set<string>();
  /** What each process executes, and what it should execute. */
  readonly executed: Executed[] = [];
  /** Until when each request for another number of workers must have its answer; null: whenever it comes. */
  readonly scales = new Map<string, number | null>();
  readonly scaled = new Map<string, ScaleResult>();
  tickets: string[] = [];
  lastTicket = 0;
  /** The number of the handover that each ticket was accepted for. */
  readonly accepted = new Map<string, number>();
  /** Tickets of a supervisor that died before they were answered. Their callers may ask again. */
  readonly unsure = new Set<string>();
  readonly verdicts = new Map<string, Verdict>();
  /** How often each handover, by its number, got its last word. */
  readonly conclusions = new Map<number, number>();
  /** What each caller wants, and until when. */
  readonly requests = new Map<string, { readonly wants: Wants; readonly deadline: number | null }>();
  /** The generation that a promotion replaced. */
  readonly replaced = new Map<number, number | null>();
  /** Workers that were reported as not stoppable. */
  readonly notStoppable = new Set<string>();
  /** Since when the core waits for the end of a worker. */
  readonly stopping = new Map<string, number>();
  /** Effects that failed and were not asked for again, by their names. */
  readonly failing = new Map<string, { readonly effect: AnsweredEffect; readonly since: number }>();
  /** The newest check of `verify` of each generation, and when it ended. */
  readonly checks = new Map<number, { readonly passed: boolean; readonly at: number }>();
  /** Answers to `promote` and `abort`. */
  readonly answers: string[] = [];
  /** Everything that was reported. */
  readonly facts: Fact[] = [];
  /** Reasons of failures that the shell answered with. */
  readonly reasons: string[] = [];
  readonly #last: Step[] = [];
  /** The last effect of each name. */
  readonly #ordered = new Map<string, Effect>();
  /** Handovers whose last word may not have been heard, and comes again in this step. */
  #repeated: ReadonlySet<number | null> = new Set();
  /** The worker that the event of this step says is refused. */
  #refusedNow: string | null = null;

  observe(step: Step): void {
    this.steps += 1;
    // Made into text only when something fails: it would take longer than the step.
    this.#last.push(step);
    if (this.#last.length > TOLD) this.#last.shift();
    this.#refusedNow = null;
    this.#repeated = NOTHING;
    this.#observeEvent(step.event);
    for (const effect of step.effects) this.#observeEffect(effect, step.at);
  }

  /** The last word on a handover. Callers that lost their supervisor ask for it. */
  conclude(verdict: Verdict): void {
    for (const ticket of this.unsure) {
      const isIts = this.accepted.get(ticket) === verdict.handover && !this.verdicts.has(ticket);
      if (isIts) this.verdicts.set(ticket, verdict);
    }
  }

  /** The supervisor has died. Another one continues after `downtime`, from a state in which these callers wait. */
  crash(downtime: number, callers: ReadonlySet<string>, concluded: ReadonlySet<number | null>): void {
    // The step in which a worker was stable may have been the last one.
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
        // A signal that fails is sent again; the time of the worker runs from the first attempt.
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

/** What an effect is done to: the next effect with the same name is another attempt. */
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
