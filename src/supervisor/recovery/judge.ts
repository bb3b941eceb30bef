import type { Fact } from '../../lifecycle/facts.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';
import type { ReadState, SavedState, StateProblem } from '../state-format/read.ts';

/* What a supervisor that starts makes of the state that an earlier one left behind. */

/** What is known of the machine. */
export interface RecoveryFacts {
  /** Inode of /proc/self/ns/pid. */
  readonly pidNamespace: number;
  /** `other`: the pid belongs to another process now. A zombie is gone. */
  readonly isAlive: (process: ProcessIdentity) => 'alive' | 'gone' | 'other';
  /** The keeper process of this instance that still runs. */
  readonly keeper: ProcessIdentity | null;
  /** This process was upgraded in place: the service is its own, also where no process runs at the moment. */
  readonly isUpgrade: boolean;
  /** Pids of processes that a supervisor of this instance has started, found without a state. */
  readonly survivors: () => readonly number[];
}

export type Judgement =
  /** Nothing is left to continue. `aside`: why the files are set aside; null: there are none. */
  | {
      readonly verdict: 'start';
      readonly aside: { readonly reason: string; readonly damaged: boolean } | null;
    }
  /** The service must not be touched. `message`: after the path of the file. */
  | { readonly verdict: 'refuse'; readonly message: string }
  /** Continue from this state. `notes`: to be reported. */
  | { readonly verdict: 'recover'; readonly saved: SavedState; readonly notes: readonly Fact[] };

/**
 * Decides what becomes of a recorded state. Pure.
 * @param file what is on the disk; null: there is no file
 * @param vault what the keeper process holds; null: nothing
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

/** The state that was recorded last, of those that can be read. */
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

function warning(message: string): Fact {
  return { event: 'warning', about: 'state', message };
}
