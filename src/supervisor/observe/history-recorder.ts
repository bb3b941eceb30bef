import { closeSync, openSync } from 'node:fs';
import type { Timeline } from '../../admin/dashboard/source.ts';
import { errorText } from '../../common/errors.ts';
import type { HistoryDocument } from '../../control/documents.ts';
import { chooseEarlier, type Earlier, RollbackError } from '../../history/choose.ts';
import { foldHistory, type History, knownRelease, lastExecutables } from '../../history/entries.ts';
import { ExecutableError, Executables, type Hash, KEPT } from '../../history/executables.ts';
import { HistoryFile } from '../../history/file.ts';
import { VERSION } from '../../history/format/format.ts';
import { endedHandovers, type RecordedHandover } from '../../history/handovers.ts';
import { type HistoryLine, linesOf } from '../../history/lines.ts';
import {
  type FileRecord,
  fileAt,
  isSameFile,
  isSameRelease,
  type KnownRelease,
  type ReleaseRecord,
} from '../../history/release-record.ts';
import { rollbackTarget, type TargetContext } from '../../history/target.ts';
import type { Rollback } from '../../lifecycle/events.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import type { Prepared } from '../run/prepare.ts';
import { historyDocument, timelineOf } from './history-document.ts';
import type { GoodRelease } from './start-advice.ts';

export interface HistoryContext {
  readonly dataDirectory: string;
  /** Milliseconds of the wall clock. */
  readonly clock: () => number;
  readonly hash: Hash;
  readonly report: (fact: Fact) => void;
  /** The executables that run or will run. zero keeps their copies. */
  readonly inUse: () => readonly string[];
  /** Why an executable could not be started in a directory; null if zero finds no reason. */
  readonly mayRun: TargetContext['mayRun'];
  /** The generation that serves. */
  readonly serving: () => number | null;
  /** Called when the file cannot be written. `retry` is then the next attempt. */
  readonly failed: (error: unknown, file: string) => void;
  /** Called when the file could be written again. */
  readonly recovered: () => void;
}

/**
 * Records the generations that served, keeps their executables, and finds releases to roll back to. Never affects the
 * service.
 */
export class HistoryRecorder {
  readonly #context: HistoryContext;
  readonly #file: HistoryFile;
  readonly #executables: Executables;
  readonly #targets: TargetContext;
  readonly #warned = new Set<string>();
  /** The copy of the executable of each existing generation, as it was when it was made or found. */
  readonly #copies = new Map<number, FileRecord>();
  /**
   * The serving generation in the last line of the history. Its time of serving has not ended before zero has stopped.
   */
  #recorded: number | null = null;

  constructor(context: HistoryContext) {
    this.#context = context;
    const { dataDirectory, clock, hash, failed, recovered } = context;
    const warn = (error: unknown, file: string) => this.#warn(`history ${file}: ${errorText(error)}`);
    this.#file = new HistoryFile(dataDirectory, { clock, failed, recovered, warn });
    this.#executables = new Executables(dataDirectory, hash);
    this.#targets = { executables: this.#executables, mayRun: context.mayRun };
  }

  /** The first unused numbers after all earlier supervisors: zero never uses a number again. */
  firstNumbers(): { readonly generation: number; readonly handover: number } {
    const { generation, handover } = this.#file.highest();
    return { generation: generation + 1, handover: handover + 1 };
  }

  /** The release of a generation; null if its line is lost. */
  recordOf(generation: number): ReleaseRecord | null {
    return this.#read().entries.find((entry) => entry.generation === generation)?.release ?? null;
  }

  /**
   * Continues the history of a dead supervisor.
   * @param generations the generations that still run
   */
  restore(
    generations: readonly { readonly generation: number; readonly record: ReleaseRecord }[],
    serving: number | null,
  ): void {
    const { entries, serves } = this.#read();
    for (const { generation, record } of generations) {
      const sha256 = entries.find((entry) => entry.generation === generation)?.sha256 ?? null;
      if (sha256 !== null) this.#noteCopy(generation, sha256, record);
    }
    this.#recorded = serves.at(-1) ?? null;
    // The supervisor died before it could record which generation serves.
    if (serving === null || serving === this.#recorded) return;
    this.#recorded = serving;
    this.#file.append([{ event: 'serves', generation: serving }]);
  }

  /** @param handover null: the generation already ran and no handover of zero started it */
  adopted(handover: number | null, generation: number, { record, rollbackTo }: Prepared): void {
    const numbers = { generation, rollbackTo, ...(handover !== null && { handover }) };
    const line = { event: 'generation', ...numbers, release: record } as const;
    if (handover === null) {
      this.#file.append([line]);
      return;
    }
    // Written after the spawn, which need not wait for the disk.
    setImmediate(() => this.#file.append([line]));
  }

  report(fact: Fact): void {
    if (fact.event === 'generation_gone') this.#copies.delete(fact.generation);
    const lines = linesOf(fact, this.#recorded);
    if (lines.length === 0) return;
    for (const line of lines) if (line.event === 'serves') this.#recorded = line.generation;
    this.#file.append(lines);
  }

  /** Writes the pending lines again. Throws the error of fs. */
  retry(): void {
    this.#file.retry();
  }

  /** Keeps the executable of the generation that serves now, in the background. */
  promoted(generation: number, { source, record, rollbackTo }: Prepared): void {
    if (record.kind === 'interpreter') return;
    // A separate descriptor, because the generation may end before the copy is made.
    const fd = source === null ? null : openAgain(source);
    setImmediate(() => void this.#keep(generation, fd, record, rollbackTo));
  }

  async #keep(
    generation: number,
    fd: number | null,
    record: ReleaseRecord,
    rollbackTo: number | null,
  ): Promise<void> {
    let sha256 = this.#knownHash(record, rollbackTo);
    let notKept: string | null = null;
    try {
      if (sha256 === null || this.#executables.find(sha256, record.path, record.size) === null) {
        if (fd === null) throw new ExecutableError(`${record.path}: zero may not read it`);
        sha256 ??= await this.#executables.hash(fd, record);
        await this.#executables.keep(fd, record, sha256);
      }
    } catch (error) {
      notKept = errorText(error);
      this.#warn(`the executable of generation ${generation} is not kept for a rollback: ${notKept}`);
    }
    if (fd !== null) closeSync(fd);
    this.#file.append([{ event: 'executable', generation, sha256, notKept }]);
    if (sha256 !== null && notKept === null) {
      this.#noteCopy(generation, sha256, record);
      this.#context.report({ event: 'executable_kept', generation, sha256 });
    }
    await this.#prune().catch((error) => this.#warn(`remove old executables: ${errorText(error)}`));
  }

  /** The copy of a generation's executable if it is unchanged; null for none. */
  copyOf(generation: number): string | null {
    const copy = this.#copies.get(generation);
    const now = copy && fileAt(copy.path);
    return now && isSameFile(now, copy) ? copy.path : null;
  }

  #noteCopy(generation: number, sha256: string, { path, size }: ReleaseRecord): void {
    const copy = this.#executables.find(sha256, path, size);
    const file = copy === null ? null : fileAt(copy);
    if (copy !== null && file !== null) this.#copies.set(generation, { path: copy, ...file });
  }

  /**
   * Finds the release to roll back to. Throws RollbackError.
   * @param claim called with the executable before the first wait
   */
  async earlier(
    rollback: Rollback,
    incumbent: number | null,
    claim: (executable: string) => void,
  ): Promise<Earlier> {
    const history = this.#read();
    const entry = chooseEarlier(history, rollback.to, this.#current(history, incumbent));
    if (typeof entry === 'string') throw new RollbackError(entry);
    const { generation, label } = entry;
    const isIntact = (copy: string, sha256: string) => this.#executables.isIntact(copy, sha256);
    const found = await rollbackTarget(entry, this.#targets, { isIntact, claim });
    if (found.from === null)
      throw new RollbackError(`generation ${generation} cannot be run again: ${found.reason}`);
    const { from, executable, release } = found;
    this.#context.report({ event: 'rollback_found', generation, from, path: executable });
    return { generation, record: release, label, executable, directory: release.directory };
  }

  /** The release that served last, differs from `current`, and can run. Its copy is not compared here. */
  async lastGood(current: ReleaseRecord | null): Promise<GoodRelease | null> {
    const { entries, serves } = this.#read();
    const failing = current && { release: current, sha256: null };
    for (const generation of [...new Set([...serves].reverse())]) {
      const entry = entries.find((one) => one.generation === generation);
      const known = entry && knownRelease(entry);
      if (!entry || !known || (failing && isSameRelease(known, failing))) continue;
      const found = await rollbackTarget(entry, this.#targets, { isIntact: async () => true });
      if (found.from === null) continue;
      const { from, executable, release } = found;
      return { generation, label: entry.label, from, executable, path: release.path };
    }
    return null;
  }

  /**
   * The document that `zero history` shows. As before a rollback, a copy is compared with its hash, but only once and
   * for a limited time. The next call then has the result.
   */
  async document(): Promise<HistoryDocument> {
    const { serving, clock } = this.#context;
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), COMPARE_TIME).unref();
    const isIntact = (copy: string, sha256: string) =>
      unless(limit.signal, this.#executables.isIntact(copy, sha256, 'once'), true);
    const view = { lines: this.#lines(), targets: this.#targets, isIntact };
    const document = await historyDocument({
      ...view,
      serving: serving(),
      running: this.#recorded,
      now: clock(),
    });
    clearTimeout(timer);
    return document;
  }

  /** The timeline that the dashboard shows. */
  timeline(): Timeline {
    return timelineOf(this.#lines(), this.#recorded, this.#context.clock());
  }

  /** The ended handovers, oldest first. */
  handovers(): RecordedHandover[] {
    return endedHandovers(this.#lines());
  }

  /** Resolves when every line is on disk. */
  close(): Promise<void> {
    return this.#file.synced();
  }

  #read(): History {
    return foldHistory(this.#lines(), this.#recorded, this.#context.clock());
  }

  #lines(): readonly HistoryLine[] {
    const { lines, torn, newer } = this.#file.read();
    const { file } = this.#file;
    if (torn > 0) this.#warn(`history ${file}: damaged lines are ignored: ${torn}. They stay in the file.`);
    if (newer.length > 0) {
      const versions = `version ${[...new Set(newer)].join(', ')}, this zero reads versions 1 to ${VERSION}`;
      this.#warn(
        `history ${file}: lines of a newer zero are ignored: ${newer.length} (${versions}). They stay in the file.`,
      );
    }
    return lines;
  }

  #current({ entries }: History, incumbent: number | null): KnownRelease | null {
    const entry = entries.find(({ generation }) => generation === incumbent);
    return entry ? knownRelease(entry) : null;
  }

  /** The hash of another generation with the same release: most reloads change only the config. */
  #knownHash(record: ReleaseRecord, rollbackTo: number | null): string | null {
    const release = { release: record, sha256: null };
    const same = this.#read().entries.findLast((entry) => {
      const other = knownRelease(entry);
      if (!other?.sha256) return false;
      return entry.generation === rollbackTo || isSameRelease(release, other);
    });
    return same?.sha256 ?? null;
  }

  async #prune(): Promise<void> {
    const last = new Set(lastExecutables(this.#read(), KEPT));
    const isInUse = (hash: string) =>
      this.#context.inUse().some((executable) => this.#executables.hashOf(executable) === hash);
    await this.#executables.prune((hash) => last.has(hash) || isInUse(hash));
  }

  /** Reports each message once. */
  #warn(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.#context.report({ event: 'warning', about: 'history', message });
  }
}

/**
 * Maximum milliseconds that a request for the history waits for the comparison of a copy. A command waits for ten
 * seconds.
 */
const COMPARE_TIME = 3_000;

/** A result, or `instead` if the limit aborts first. */
function unless<T>(limit: AbortSignal, result: Promise<T>, instead: T): Promise<T> {
  return new Promise((resolve, reject) => {
    result.then(resolve, reject);
    if (limit.aborted) resolve(instead);
    else limit.addEventListener('abort', () => resolve(instead), { once: true });
  });
}

function openAgain(fd: number): number | null {
  try {
    return openSync(`/proc/self/fd/${fd}`, 'r');
  } catch {
    return null;
  }
}
