import { readFileSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod/mini';
import { processStat } from '../../linux/procfs.ts';
import { instanceRootsFor, processOwner, runtimeDirectoriesIn } from '../instance/instance-roots.ts';
import { AdoptionError } from './permission.ts';

const identity = z.object({ pid: z.int(), start_time_ticks: z.number() });

/** The processes in a state, common to every version of the format. */
const state = z.object({
  instance: z.string(),
  supervisor: identity,
  keeper: z.optional(z.nullable(identity)),
  processes: z.array(identity),
});

/**
 * Refuses a process that is zero itself or that an instance of zero already manages. Checks the instances whose state
 * this user may read. Throws AdoptionError.
 */
export function refuseManaged(pid: number): void {
  if (pid === process.pid) throw new AdoptionError(`cannot adopt process ${pid}: it is zero itself`);
  const line = [pid, ...ancestorsOf(pid)];
  for (const { instance, supervisor, keeper, processes } of instances()) {
    const has = (one: Identity) => line.some((member) => isProcess(one, member));
    if (processes.some(has))
      throw new AdoptionError(
        `cannot adopt process ${pid}: zero manages it already (instance ${instance}). See: zero status --name ${instance}`,
      );
    // The keeper process and hooks are children of the supervisor.
    if (has(supervisor) || (keeper && has(keeper)))
      throw new AdoptionError(
        `cannot adopt process ${pid}: it is zero itself (instance ${instance}). Pass the main process of a service`,
      );
  }
}

/** The parent, the parent's parent and so on. */
export function ancestorsOf(pid: number): number[] {
  const found: number[] = [];
  for (let parent = processStat(pid)?.ppid ?? 0; parent > 1 && !found.includes(parent); ) {
    found.push(parent);
    parent = processStat(parent)?.ppid ?? 0;
  }
  return found;
}

type Identity = z.infer<typeof identity>;

function isProcess({ pid, start_time_ticks: startTime }: Identity, wanted: number): boolean {
  return pid === wanted && processStat(pid)?.startTime === startTime;
}

function instances(): z.infer<typeof state>[] {
  const directories = new Set(instanceRootsFor(processOwner()).flatMap(runtimeDirectoriesIn));
  return [...directories].flatMap((directory) => {
    try {
      return [state.parse(JSON.parse(readFileSync(path.join(directory, 'state.json'), 'utf8')))];
    } catch {
      // The state belongs to another user, is damaged, or does not have processes in this form.
      return [];
    }
  });
}
