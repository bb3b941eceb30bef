import type { Fact } from '../../lifecycle/facts.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';
import type { ReadState, SavedState, StateProblem } from '../state-format/read.ts';
import { warning } from './recorded-file.ts';

/* Decides how a starting supervisor uses the state of an earlier one. */

/** Facts about the machine. */
export interface RecoveryFacts {
  /** Inode of /proc/self/ns/pid. */
  readonly pidNamespace: number;
  /** `other`: the pid now belongs to another process. A zombie counts as gone. */
  readonly isAlive: (process: ProcessIdentity) => 'alive' | 'gone' | 'other';
  /** The running keeper process of this instance. */
  readonly keeper: ProcessIdentity | null;
  /** This process was upgraded in place. The service belongs to it even if no process runs at the moment. */
  readonly isUpgrade: boolean;
  /** Pids of processes that a supervisor of this instance has started, found without a state. */
  readonly survivors: () => readonly number[];
}

export type Judgement =
  /** There is no service to continue. `aside`: why the files are set aside; null if there are none. */
  | {
      readonly verdict: 'start';
      readonly aside: { readonly reason: string; readonly damaged: boolean } | null;
    }
  /** The service must not be changed. `message`: after the path of the file. */
  | { readonly verdict: 'refuse'; readonly message: string }
  /** Continue from this state. `notes`: to be reported. */
  | { readonly verdict: 'recover'; readonly saved: SavedState; readonly notes: readonly Fact[] };

/**
 * Decides how to use a recorded state. Pure.
 * @param file the state on disk; null: there is no file
 * @param vault the state that the keeper process holds; null: none
 */
export function judge(file: ReadState | null, vault: ReadState | null, facts: RecoveryFacts): Judgement {
  const problems = [vault, file].flatMap((read) => (read && 'problem' in read ? [read.problem] : []));
  const foreign = problems.find(({ kind }) => kind === 'newer' || kind === 'other_instance');
  if (foreign) return { verdict: 'refuse', message: foreign.message };
  const saved = newest(file, vault);
  if (saved === null) return withoutState(problems, facts);
  const { pid_namespace: namespace = facts.pidNamespace } = saved;
  if (namespace !== facts.pidNamespace)
    return setAside('it was recorded in another pid namespace, whose processes do not exist any more');
  const found = saved.processes.map(({ pid, start_time_ticks: startTime }) => ({
    pid,
    is: facts.isAlive({ pid, startTime }),
  }));
  const reused = found.filter(({ is }) => is === 'other').map(({ pid }) => pid);
  if (!facts.isUpgrade && facts.keeper === null && found.every(({ is }) => is !== 'alive')) {
    const others = reused.length === 0 ? '' : ` (other processes have the pids ${reused.join(', ')} now)`;
    return setAside(`none of its processes runs any more${others}`);
  }
  const notes = [
    ...problems.map((problem) => warning(`${problem.message}. zero continues from the copy in memory.`)),
    ...reused.map((pid) => warning(`pid ${pid} belongs to another process now: the worker has exited`)),
  ];
  return { verdict: 'recover', saved, notes };
}

/** The newest readable state. */
function newest(file: ReadState | null, vault: ReadState | null): SavedState | null {
  const [ofFile, ofVault] = [file, vault].map((read) => (read && 'state' in read ? read.state : null));
  if (!ofFile || !ofVault) return ofFile ?? ofVault ?? null;
  return (ofVault.sequence ?? 0) >= (ofFile.sequence ?? 0) ? ofVault : ofFile;
}

function withoutState(problems: readonly StateProblem[], { keeper, survivors }: RecoveryFacts): Judgement {
  const [problem] = problems;
  if (!problem && keeper === null) return { verdict: 'start', aside: null };
  if (problem?.kind === 'other_boot') return setAside(problem.message);
  const running = [...survivors(), ...(keeper ? [keeper.pid] : [])];
  const why = problem?.message ?? 'the file does not exist';
  if (running.length === 0) return { verdict: 'start', aside: { reason: why, damaged: true } };
  const message = `${why}. Processes of its service still run: ${running.join(' ')}. Restore the file from a copy, or stop the service with: kill ${running.join(' ')}`;
  return { verdict: 'refuse', message };
}

function setAside(reason: string): Judgement {
  return { verdict: 'start', aside: { reason, damaged: false } };
}
