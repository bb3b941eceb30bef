import type { FoundWorker } from '../../src/lifecycle/events.ts';
import { workerOf } from '../../src/lifecycle/state.ts';
import { step } from '../../src/lifecycle/step.ts';
import type { Mutant } from './mutants.ts';
import { after, instead } from './tampering.ts';

/** Supervisors that continue incorrectly from the state of a dead one. */
export const recoveryMutants: Record<string, Mutant> = {
  'forgets to roll back after a restart': {
    caught: /is a candidate after a restart of the supervisor/,
    from: 84,
    step: instead((event) => (event.type === 'continued' ? { ...event, planned: true } : event)),
  },
  'sends every shutdown signal again after a restart': {
    caught: /gets its shutdown signal once/,
    from: 97,
    step: after((effects, state, event) => {
      if (event.type !== 'continued') return effects;
      const signals = state.generations.flatMap(({ id: generation, workers }) =>
        workers.flatMap(({ index: worker, incarnation, life }) =>
          life.name === 'stopping' && !life.killed
            ? [{ type: 'signal', generation, worker, incarnation, pid: life.pid, signal: 'SIGTERM' } as const]
            : [],
        ),
      );
      return [...effects, ...signals];
    }),
  },
  'trusts the steering of the dead supervisor': {
    caught: /a supervisor that continues steers again/,
    step: after((effects, _, event) =>
      event.type === 'continued' ? effects.filter(({ type }) => type !== 'steer') : effects,
    ),
  },
  'does not report a recovery': {
    caught: /a recovery runs its hook/,
    step: (state, event) => {
      const result = step(state, event);
      if (event.type !== 'continued') return result;
      return { ...result, state: { ...result.state, notifications: [] } };
    },
  },
  'starts running workers again': {
    caught: /is started beside another one in its place/,
    step: instead((event, state) => {
      if (event.type !== 'continued') return event;
      const workers = event.workers.map((found): FoundWorker => {
        if (workerOf(state, found)?.worker.life.name !== 'up') return found;
        const { generation, worker, incarnation } = found;
        const exit = { kind: 'unknown' } as const;
        return { generation, worker, incarnation, found: 'gone', exit, leftovers: 0 };
      });
      return { ...event, workers };
    }),
  },
};
