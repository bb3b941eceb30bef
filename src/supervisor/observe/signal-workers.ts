import type { Signalled } from '../../control/control.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import { describeRefusal, type Refusal } from '../../workers/processes/delivery.ts';
import type { Generations } from '../run/generations.ts';

/** Sends a signal to the main processes of the generation that serves, or reports why no process received it. */
export function signalWorkers(
  signal: string,
  generation: number | null,
  generations: Generations,
  report: (fact: Fact) => void,
): Signalled | { readonly refusal: string } {
  if (generation === null) return { refusal: 'no generation serves, so there is no worker to signal' };
  const processes = generations
    .processes()
    .filter(({ key, post }) => key.generation === generation && !post.rescue);
  const refusals: Refusal[] = [];
  const workers = processes.flatMap((process) => {
    const { pid, key } = process;
    const { signalled, refused } = process.signal(signal);
    refusals.push(...refused);
    if (signalled.length === 0) return [];
    report({ event: 'worker_signalled', generation, worker: key.worker, pid, signal });
    return [{ worker: key.worker, pid }];
  });
  if (workers.length > 0) return { generation, workers };
  if (refusals.length > 0)
    return { refusal: refusals.map((refusal) => describeRefusal(signal, refusal)).join(' ') };
  return { refusal: `no worker of generation ${generation} runs at the moment: see "zero status"` };
}
