import { copy } from '../../src/lifecycle/copy.ts';
import type { Effect } from '../../src/lifecycle/effects.ts';
import type { Event } from '../../src/lifecycle/events.ts';
import { candidateOf, generationOf, type State } from '../../src/lifecycle/state.ts';
import type { Steering } from '../../src/lifecycle/steering.ts';
import { step } from '../../src/lifecycle/step.ts';
import type { Step } from './world.ts';

/** The real step on a state that was tampered with before. */
const before =
  (tamper: (state: State, event: Event) => void): Step =>
  (state, event) => {
    const altered = copy(state);
    tamper(altered, event);
    return step(altered, event);
  };

/** The real step with effects that were tampered with afterwards. */
const after =
  (tamper: (effects: Effect[], state: State, event: Event, was: State) => Effect[]): Step =>
  (state, event) => {
    const result = step(state, event);
    return { ...result, effects: tamper(result.effects, result.state, event, state) };
  };

const finishedAs = (effects: readonly Effect[], outcome: string) =>
  effects.some(
    (effect) =>
      effect.type === 'report' &&
      effect.fact.event === 'handover_finished' &&
      effect.fact.outcome === outcome,
  );

const resteer = (effects: Effect[], change: (steering: Steering) => Steering): Effect[] =>
  effects.map((effect) =>
    effect.type === 'steer' ? { ...effect, steering: change(effect.steering) } : effect,
  );

/** Wrong supervisors: each breaks one rule, and the invariants must notice. */
export const mutants: Record<string, Step> = {
  'sends the shutdown signal before settle': before((state) => {
    for (const { workers } of state.generations) {
      for (const { leave } of workers) if (leave) leave.settleAt = leave.drainAt = leave.stallAt = state.now;
    }
  }),
  'waits for the connections of one that drains by itself': before((state) => {
    for (const { workers } of state.generations) {
      for (const { life } of workers) if (life.name === 'up') life.drains = false;
    }
  }),
  'uses a lane again that still has a queue': before((state) => {
    for (const lane of state.lanes) {
      lane.awayAt = null;
      lane.waiting = false;
    }
  }),
  'leaves a crashed canary steered': after((effects, _, event) =>
    event.type === 'exited' ? effects.filter(({ type }) => type !== 'steer') : effects,
  ),
  'loses a pending reload on rollback': (state, event) => {
    const result = step(state, event);
    if (finishedAs(result.effects, 'rolled_back') && state.pending) {
      result.state.handover = null;
      return { ...result, effects: result.effects.filter(({ type }) => type !== 'resolve') };
    }
    return result;
  },
  'promotes before the last gate': before((state) => {
    for (const { workers } of state.generations) {
      for (const { life } of workers) {
        if (life.name !== 'up' || life.waiting.length !== 1) continue;
        life.waiting = [];
        life.readyAt = state.now;
      }
    }
  }),
  'steers to a generation that retires': after((effects, state) => {
    const retiring = state.generations.find(({ stage }) => stage.name === 'retiring');
    const lane = retiring?.workers[0]?.lane;
    if (lane === undefined) return effects;
    return resteer(effects, (steering) => ({ ...steering, main: [...steering.main, lane] }));
  }),
  'stops the incumbent when the candidate fails': after((effects, state, event, was) => {
    const incumbent = generationOf(state, state.incumbent);
    const worker = incumbent?.workers[0];
    const failed = event.type === 'exited' && candidateOf(was.handover) === event.generation;
    if (!failed || incumbent?.stage.name !== 'serving' || worker?.life.name !== 'up') return effects;
    const { incarnation, life } = worker;
    const key = { generation: incumbent.id, worker: 0, incarnation };
    return [...effects, { type: 'signal', ...key, pid: life.pid, signal: 'SIGTERM' }];
  }),
  'gives a candidate its share before it is ready': after((effects, state) => {
    const candidate = generationOf(state, candidateOf(state.handover));
    const lanes = candidate?.workers.map(({ lane }) => lane) ?? [];
    if (candidate?.stage.name !== 'starting' || lanes.length === 0) return effects;
    const canary = { percent: 5, by: 'connection' as const, lanes };
    return resteer(effects, (steering) => ({ ...steering, canary }));
  }),
  'lets a reload wait for a start that nothing serves beside': (state, event) => {
    const { handover } = state;
    const waits = handover?.step.name === 'starting' && handover.incumbent === null;
    if (event.type !== 'reload' || !waits) return step(state, event);
    const { by, preview } = event;
    const tickets = event.ticket === null ? [] : [event.ticket];
    const pending = { by, tickets, preview, since: event.at, deadline: null };
    return { state: { ...state, now: event.at, pending }, effects: [] };
  },
  'watches no lane': after((effects) =>
    effects.map((effect) => (effect.type === 'attend' ? { ...effect, lanes: [] } : effect)),
  ),
  'never kills': after((effects) => effects.filter(({ type }) => type !== 'kill')),
  'answers a request twice': after((effects) => {
    const verdict = effects.find(({ type }) => type === 'verdict');
    return verdict ? [...effects, verdict] : effects;
  }),
};
