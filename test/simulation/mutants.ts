import { copy } from '../../src/lifecycle/copy.ts';
import type { Effect } from '../../src/lifecycle/effects.ts';
import { eventsOf, type WorkerEvent } from '../../src/lifecycle/events.ts';
import { LEFTOVER_TIME } from '../../src/lifecycle/remains.ts';
import { candidateOf, generationOf } from '../../src/lifecycle/state.ts';
import { step } from '../../src/lifecycle/step.ts';
import {
  after,
  before,
  believing,
  Careless,
  finishedAs,
  forgetting,
  instead,
  Leaky,
  resteer,
  Silent,
  withDeadlines,
} from './tampering.ts';
import type { Mutation } from './world.ts';

/** An incorrect supervisor, and the expected message of the invariants. */
export interface Mutant extends Mutation {
  readonly caught: RegExp;
  /** The first seed of the search, for errors that few histories show; 1 if omitted. */
  readonly from?: number;
}

/** Each breaks one rule, and the invariants must detect exactly that. */
export const mutants: Record<string, Mutant> = {
  'sends the shutdown signal before settle': {
    caught: /asked to stop before settle/,
    step: before((state) => {
      for (const { workers } of state.generations) {
        for (const { leave } of workers) if (leave?.since != null) leave.since = 0;
      }
    }),
  },
  'waits for the connections of a worker that drains itself': {
    caught: /drains its own connections, and zero waited/,
    step: before((state) => {
      for (const { workers } of state.generations) {
        for (const { life } of workers) if (life.name === 'up') life.drains = false;
      }
    }),
  },
  'reuses a lane that still has a queue': {
    caught: /is used again with (a queue|handshakes)/,
    from: 266,
    step: (state, event) => {
      const result = step(state, event);
      if (result.state.nextGeneration === state.nextGeneration) return result;
      const altered = copy(state);
      for (const lane of altered.lanes) Object.assign(lane, { state: { name: 'unused' }, waiting: false });
      const wrong = step(altered, event);
      // The next state is correct again, so this is the only error.
      for (const [lane, right] of result.state.lanes.entries()) {
        const known = wrong.state.lanes[lane];
        if (known) Object.assign(known, right);
      }
      const { attend } = result.state.demands;
      wrong.state.demands = { ...wrong.state.demands, attend };
      const isAttend = ({ type }: Effect) => type === 'attend';
      const effects = wrong.effects.filter((effect) => !isAttend(effect));
      return { ...wrong, effects: [...effects, ...result.effects.filter(isAttend)] };
    },
  },
  'gives the lane of an adopted service to another generation': {
    from: 80,
    caught: /the lane of the adopted service was given to/,
    step: before((state) => {
      for (const lane of state.lanes) delete lane.taken;
    }),
  },
  'starts the command in the lane of a crashed adopted service': {
    caught: /the lane of the adopted service was given to/,
    from: 52,
    step: (state, event) => {
      const result = step(state, event);
      const worker = generationOf(result.state, 1)?.workers[0];
      const hasCrashed = eventsOf(event).some((one) => one.type === 'exited' && one.generation === 1);
      if (worker && hasCrashed && state.lanes[0]?.taken) worker.lane = 0;
      return result;
    },
  },
  'never reuses a lane': {
    caught: /will never be used again/,
    from: 200,
    step: (state, event) => {
      const events = eventsOf(event).filter(({ type }) => type !== 'lane_empty') as WorkerEvent[];
      return step(
        state,
        event.type === 'batch' || events.length === 0 ? { ...event, type: 'batch', events } : event,
      );
    },
  },
  'keeps steering to a crashed canary': {
    from: 52,
    caught:
      /has a share and is not|of a failed canary is still steered to|is steered to and is not|a canary has its share/,
    step: after((effects, _, event, was) => {
      const share = was.demands.steering?.canary;
      const hasCrashed = eventsOf(event).some(({ type }) => type === 'exited');
      return share && hasCrashed ? effects.filter(({ type }) => type !== 'steer') : effects;
    }),
  },
  'ends a canary step or a soak although the last check failed': {
    from: 25,
    caught: /step ended without a check that passed/,
    step: before(({ handover }) => {
      const step = handover?.step;
      if (step?.name === 'canary' || step?.name === 'soak') step.verified = true;
    }),
  },
  'loses a pending reload on rollback': {
    caught: /a pending reload was lost/,
    step: (state, event) => {
      const result = step(state, event);
      if (finishedAs(result.effects, 'rolled_back') && state.pending) {
        result.state.handover = null;
        return { ...result, effects: result.effects.filter(({ type }) => type !== 'resolve') };
      }
      return result;
    },
  },
  'promotes before the last gate': {
    caught: /promoted before/,
    step: before((state) => {
      for (const { workers } of state.generations) {
        for (const { life } of workers) {
          if (life.name !== 'up' || life.waiting.length !== 1) continue;
          life.waiting = [];
          life.readyAt = state.now;
        }
      }
    }),
  },
  'steers to a retiring generation': {
    caught: /is steered to and is not the incumbent's/,
    step: after((effects, state) => {
      const retiring = state.generations.find(({ stage }) => stage.name === 'retiring');
      const lane = retiring?.workers[0]?.lane;
      if (lane === undefined) return effects;
      return resteer(effects, (steering) => ({ ...steering, main: [...steering.main, lane] }));
    }),
  },
  'stops the incumbent when the candidate fails': {
    caught: /the incumbent was touched/,
    from: 16,
    step: after((effects, state, event, was) => {
      const incumbent = generationOf(state, state.incumbent);
      const worker = incumbent?.workers[0];
      const candidate = candidateOf(was.handover);
      const failed = eventsOf(event).some((one) => one.type === 'exited' && one.generation === candidate);
      if (!failed || incumbent?.stage.name !== 'serving' || worker?.life.name !== 'up') return effects;
      const { incarnation, life } = worker;
      const key = { generation: incumbent.id, worker: 0, incarnation };
      return [...effects, { type: 'signal', ...key, pid: life.pid, signal: 'SIGTERM' }];
    }),
  },
  'gives a candidate its share before it is ready': {
    caught: /has a share and is not ready/,
    step: after((effects, state) => {
      const candidate = generationOf(state, candidateOf(state.handover));
      const lanes = candidate?.workers.map(({ lane }) => lane) ?? [];
      if (candidate?.stage.name !== 'starting' || lanes.length === 0) return effects;
      const canary = { percent: 5, by: 'connection' as const, lanes };
      return resteer(effects, (steering) => ({ ...steering, canary }));
    }),
  },
  'lets a reload wait for a start while nothing serves': {
    caught: /waits behind a start/,
    step: (state, event) => {
      const { handover } = state;
      const waits = handover?.step.name === 'starting' && handover.incumbent === null;
      if (event.type !== 'reload' || !waits) return step(state, event);
      const { by, preview, rollback, label, ticket, at } = event;
      const callers = [{ by, ticket, timeout: null, deadline: null }];
      const id = state.nextHandover;
      const pending = { id, wants: { preview, rollback, label }, since: at, callers };
      return { state: { ...state, now: at, pending, nextHandover: id + 1 }, effects: [] };
    },
  },
  'starts a candidate although its hook failed': {
    caught: /started before its hook was done, or although that failed/,
    step: (state, event) => {
      const passed =
        event.type === 'hook_finished' ? { ...event, exit: { kind: 'exited', code: 0 } as const } : event;
      return step(state, passed);
    },
  },
  'runs two hooks at the same time': {
    from: 20,
    caught: /was started while \d+ runs/,
    step: before((state) => {
      if (state.hooks.length > 1) state.hooks.shift();
    }),
  },
  'runs two notifications at the same time': {
    from: 199,
    caught: /was started while \d+ runs/,
    step: before((state) => {
      if (state.notifications.length > 1) state.notifications.shift();
    }),
  },
  'sends a notification for each crash in a crash loop': {
    caught: /runs more than once a loop/,
    step: before((state) => {
      for (const { workers } of state.generations)
        for (const worker of workers)
          if (worker.attempts >= 5 && worker.life.name === 'up') worker.attempts = 4;
    }),
  },
  'lets handovers wait for notifications': {
    caught: /is in the queue of the hooks of handovers/,
    step: before((state) => {
      state.hooks.push(...state.notifications.splice(0));
    }),
  },
  'repeats a waiting notification': {
    caught: /the same notification waits twice/,
    step: (state, event) => {
      const result = step(state, event);
      const [first] = result.state.notifications;
      if (!first || result.state === state || result.state.notifications.length > 1) return result;
      const next = copy(result.state);
      next.notifications.push({
        ...first,
        run: { ...first.run, hook: next.nextHook },
        running: null,
      });
      next.nextHook += 1;
      return { ...result, state: next };
    },
  },
  'waits for a hook without a limit': {
    caught: /ms and may take/,
    step: before((state) => {
      for (const { running } of [...state.hooks, ...state.notifications])
        if (running) running.until = state.now + 1_000_000;
    }),
  },
  'watches no lane': {
    caught: /has a queue, and no process accepts from it/,
    step: after((effects) =>
      effects.map((effect) => (effect.type === 'attend' ? { ...effect, lanes: [] } : effect)),
    ),
  },
  'watches no lane of a hung worker that is steered to': {
    caught: /has a queue, and no process accepts from it/,
    from: 30,
    step: after((effects, state) => {
      const steered = new Set(state.demands.steering?.main ?? []);
      return effects.map((effect) =>
        effect.type === 'attend'
          ? { ...effect, lanes: effect.lanes.filter((lane) => !steered.has(lane)) }
          : effect,
      );
    }),
  },
  'takes a connection that a rescue worker has accepted for the recovery of the hung one': {
    caught: /a hung worker is reported as recovered/,
    from: 28,
    step: after((effects) =>
      effects.map((effect) =>
        effect.type === 'watch_stalls'
          ? { ...effect, workers: effect.workers.map((worker) => ({ ...worker, shared: false })) }
          : effect,
      ),
    ),
  },
  'starts another rescue worker when one hangs': {
    caught: /gets a second rescue worker/,
    from: 387,
    step: before((state) => {
      for (const { workers } of state.generations)
        for (const { life, rescue } of workers) if (rescue && life.name === 'up') life.killed = false;
    }),
  },
  'never sends SIGKILL': {
    caught: /left processes behind|never exited/,
    step: after((effects) => effects.filter(({ type }) => type !== 'kill')),
  },
  'kills the remaining processes of a stopping worker too early': {
    caught: /remaining processes were killed before their time was over/,
    step: before((state) => {
      for (const { remains } of state.generations)
        for (const one of remains) one.until = Math.min(one.until, state.now + LEFTOVER_TIME);
    }),
  },
  'answers a request twice': {
    caught: /is answered once/,
    step: after((effects) => {
      const verdict = effects.find(({ type }) => type === 'verdict');
      return verdict ? [...effects, verdict] : effects;
    }),
  },
  'rolls back to a generation that was asked to stop': {
    caught: /rolled back to a generation that was asked to stop/,
    from: 2_409,
    step: before((state) => {
      for (const { stage } of state.generations) if (stage.name === 'retiring') stage.signalled = false;
    }),
  },
  'forgets a steering change that failed': {
    from: 62,
    caught: /steer failed and was not attempted again/,
    step: forgetting((state) => {
      delete state.retries.steering;
    }),
  },
  'forgets a watch that failed': {
    caught: /attend failed and was not attempted again/,
    step: forgetting((state) => {
      delete state.retries.attend;
    }),
  },
  'forgets a file that could not be written': {
    caught: /write state failed and was not attempted again/,
    from: 380,
    step: forgetting((state) => {
      state.storage.state = null;
    }),
  },
  'retires the incumbent although the steering change failed': {
    caught: /could not be steered away from was asked to stop|before the steering change was installed/,
    step: believing(({ type }) => type === 'steer'),
  },
  'promotes before the steering change is confirmed': {
    caught: /promoted before the steering change was installed/,
    step: (state, event) => {
      const first = step(state, event);
      if (first.state.handover?.step.name !== 'promoting') return first;
      const altered = copy(first.state);
      altered.change = { ...altered.change, status: 'installed' };
      const second = step(altered, { type: 'tick', at: event.at });
      return { ...second, effects: [...first.effects, ...second.effects] };
    },
  },
  'treats EPERM as a sent signal': {
    caught: /cannot be signalled, in silence/,
    step: believing(({ type }, { errno }) => (type === 'signal' || type === 'kill') && errno === 'EPERM'),
  },
  'waits for a worker without a limit': {
    caught: /is waited for without end|never exited/,
    step: before((state) => {
      for (const { workers } of state.generations)
        for (const { life } of workers) if (life.name === 'stopping') life.killAt = null;
    }),
  },
  'merges requests for different things': {
    caught: /requests for different things got one answer/,
    step: instead((event, { pending }) =>
      event.type === 'reload' && pending ? { ...event, ...pending.wants } : event,
    ),
  },
  'merges requests with different labels': {
    caught: /requests for different releases got one answer/,
    from: 98,
    step: instead((event, { pending }) =>
      event.type === 'reload' && pending ? { ...event, label: pending.wants.label } : event,
    ),
  },
  'keeps only the longest deadline': {
    caught: /has no answer at its deadline/,
    from: 270,
    step: withDeadlines((deadlines) => Math.max(...deadlines)),
  },
  'keeps only the shortest deadline': {
    caught: /timed out before its deadline/,
    from: 43,
    step: withDeadlines((deadlines) => Math.min(...deadlines)),
  },
  'reports an aborted handover as superseded': {
    caught: /nothing took its place/,
    step: after((effects) =>
      effects.map((effect) =>
        effect.type === 'report' &&
        effect.fact.event === 'handover_finished' &&
        effect.fact.outcome === 'aborted'
          ? { ...effect, fact: { ...effect.fact, outcome: 'superseded' } }
          : effect,
      ),
    ),
  },
  'forgets a caller': {
    caught: /has no answer, and nothing has it/,
    step: before(({ handover }) => {
      if (handover && handover.request.callers.length > 1) handover.request.callers.pop();
    }),
  },
  'does not report the end of a replaced request': {
    caught: /ended and was not concluded/,
    step: after((effects) =>
      effects.filter((effect) => effect.type !== 'concluded' || effect.verdict.outcome !== 'superseded'),
    ),
  },
  'concludes a promotion before its verdict is final': {
    caught: /is concluded and still open/,
    step: after((effects) =>
      effects.flatMap((effect): Effect[] => {
        if (effect.type !== 'report' || effect.fact.event !== 'handover_finished') return [effect];
        const { handover, generation, incumbent, outcome } = effect.fact;
        const numbers = { handover, generation, incumbent };
        const verdict = { ...numbers, outcome, label: null, down: null, duration: 0, failure: null };
        return outcome === 'promoted' ? [effect, { type: 'concluded', verdict }] : [effect];
      }),
    ),
  },
  'answers promoted before the old generation was asked to stop': {
    caught: /answered promoted before/,
    step: before((state) => {
      for (const owed of state.owed) owed.retiring = null;
    }),
  },
  'runs the current file at the path of a release': {
    caught: /runs another release/,
    releases: Careless,
  },
  'does not catch an exception': {
    caught: /an exception escaped the supervisor/,
    // In an earlier history, the exception escapes to a promise, which no caller awaits.
    from: 9,
    boundary: Leaky,
  },
  'stops a retiring worker before its lane has settled': {
    caught: /asked to stop before settle|could not be steered away from/,
    from: 89,
    step: before((state) => {
      for (const { stage, workers } of state.generations)
        for (const { membership, leave } of workers)
          if (stage.name === 'serving' && membership === 'leaving' && leave) leave.since = 0;
    }),
  },
  'replaces a worker before the new one is ready': {
    caught: /has fewer workers than before/,
    step: before((state) => {
      const { join } = state;
      if (join?.purpose.name !== 'replace') return;
      const old = generationOf(state, join.generation)?.workers[join.purpose.worker];
      if (old) Object.assign(old, { membership: 'leaving', leave: { since: null } });
    }),
  },
  'replaces a worker by one with another executable': {
    caught: /joins and runs another release/,
    step: after((effects) =>
      effects.map((effect) => (effect.type === 'spawn' ? { ...effect, joins: false } : effect)),
    ),
  },
  'lets a worker join before it is ready': {
    caught: /promoted before/,
    from: 77,
    step: before(({ now, generations }) => {
      for (const { life, membership } of generations.flatMap(({ workers }) => workers)) {
        if (membership !== 'joining' || life.name !== 'up' || life.waiting.length !== 1) continue;
        life.waiting = [];
        life.readyAt = now;
      }
    }),
  },
  'steers to a joining worker': {
    caught: /is steered to while its worker joins|is steered to and is not the incumbent's/,
    from: 105,
    step: after((effects, state) => {
      const workers = state.generations.flatMap((generation) => generation.workers);
      const lanes = workers.filter(({ membership }) => membership === 'joining').map(({ lane }) => lane);
      return resteer(effects, (steering) => ({ ...steering, main: [...steering.main, ...lanes] }));
    }),
  },
  'watches no lane of an exited worker': {
    caught: /has a queue, and no process accepts from it/,
    from: 150,
    step: after((effects, state) => {
      const workers = state.generations.flatMap((generation) => generation.workers);
      const left = workers.filter(
        ({ membership, life }) => membership === 'leaving' && life.name === 'ended',
      );
      const lanes = new Set(left.map(({ lane }) => lane));
      return effects.map((effect) =>
        effect.type === 'attend'
          ? { ...effect, lanes: effect.lanes.filter((lane) => !lanes.has(lane)) }
          : effect,
      );
    }),
  },
  'forgets the caller of another number of workers': {
    caught: /scale request s\d+ has no answer, and nothing has it/,
    step: before((state) => {
      state.scales = [];
    }),
  },
  'does not report an exception': {
    caught: /was not reported/,
    boundary: Silent,
  },
};
