import type { MemoryReader } from '../../src/supervisor/run/memory-watcher.ts';
import type { FakeService } from './fake-service.ts';
import type { Faults } from './faults.ts';

export interface MemoryContext {
  readonly faults: Faults;
  /** Called when promises have work. */
  readonly wake: () => void;
  readonly services: readonly FakeService[];
}

/** Reads the memory of services: above the limit, or almost none. */
export function fakeMemory({ faults, wake, services }: MemoryContext): MemoryReader {
  return async (workers, limit) => {
    wake();
    faults.check('readMemory', '/proc');
    return new Map(
      workers.flatMap((worker) => {
        const service = services.find(({ alive, spawnedPid }) => alive && spawnedPid === worker.session);
        return service === undefined ? [] : [[worker, service.leaks ? limit + 1 : 1]];
      }),
    );
  };
}
