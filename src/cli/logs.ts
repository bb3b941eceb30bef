import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import path from 'node:path';
import { errorCode, isSystemFailure } from '../common/errors.ts';
import type { ControlClient } from '../control/client.ts';
import { ClientError } from '../control/client-error.ts';
import { directoryAsGiven } from '../service/as-given.ts';
import { chooseInstance } from '../supervisor/instance/earlier-name.ts';
import { outputFileIn } from '../workers/output/rotating-file.ts';
import { CommandError, EXIT } from './exit-code.ts';
import type { InstanceOptions } from './find-instance.ts';
import { OutputFile, type OutputFilter } from './output-file.ts';
import {
  type EventsEnd,
  type Followed,
  followEvents,
  followedOf,
  isGone,
  type Lost,
  nextSupervisor,
  unexpectedEnd,
} from './reconnect.ts';
import { type OutputPrinter, TextPrinter } from './render/output.ts';
import { JsonPrinter } from './render/output-json.ts';
import { parseSince } from './since.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

export interface LogsOptions extends InstanceOptions {
  readonly follow: boolean;
  readonly json: boolean;
  /** Print only the bytes, without time and worker. */
  readonly raw: boolean;
  /** As written. */
  readonly lines?: string;
  readonly since?: string;
  readonly generation?: string;
  readonly worker?: string;
}

interface Wanted {
  readonly follow: boolean;
  readonly filter: OutputFilter;
}

/** The current output file, which has the rest, or the reason why no more output follows. */
type Kept = { readonly path: string } | 'over' | 'upgraded';

const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'Run the command as root or as a user who may read the file.',
  ENOENT: 'The service has written nothing yet, or service.output.directory was removed.',
};

/** Milliseconds after the end of a generation in which its last lines reach the file. */
const LAST_LINES = 500;

/**
 * `zero logs`: prints the service's output, each line with its time and worker. With `output.directory` it reads the
 * files, also when zero is not running; otherwise the memory of the supervisor. Ctrl-C ends following and is not a
 * failure.
 */
export function logs(
  { follow, json, raw, lines, since, generation, worker, ...instance }: LogsOptions,
  context: CommandContext = processContext(),
): Promise<number> {
  const { interrupted, terminal } = context;
  const read = (): OutputFilter => {
    if (json && raw) throw new CommandError(EXIT.usage, '--json and --raw cannot be combined');
    return {
      lines: lines === undefined ? null : countOf('-n', lines, 0),
      since: since === undefined ? null : timeOf(since),
      generation: generation === undefined ? null : countOf('--generation', generation, 1),
      worker: worker === undefined ? null : countOf('--worker', worker, 0),
    };
  };
  const show = async (
    everything: (shown: Shown, wanted: Wanted) => Promise<boolean>,
  ): Promise<number | null> => {
    const filter = read();
    const printer = json ? new JsonPrinter(terminal, follow) : new TextPrinter(terminal, raw);
    const shown = new Shown(printer, context);
    let hasShown: boolean;
    try {
      hasShown = await everything(shown, { follow, filter });
    } catch (error) {
      if (interrupted.aborted && follow) {
        printer.end();
        return EXIT.done;
      }
      // Completes a document that was begun. If none was begun, only the message is printed.
      if (printer.begun) {
        printer.end();
        // One document is enough, unless each line is one.
        target.json = json && follow;
        if (!follow && isGone(error)) throw unexpectedEnd();
      }
      throw error;
    }
    if (!hasShown) return null;
    printer.end();
    return EXIT.done;
  };
  const stopped = (file: string | null) =>
    file === null ? Promise.resolve(null) : show((shown, wanted) => shown.ofStopped(file, wanted));
  const target = { command: 'logs', instance, guess: true, json, check: read, stopped };
  return withInstance(target, context, async (client) => {
    return (await show((shown, wanted) => shown.ofRunning(client, wanted))) ?? EXIT.failed;
  });
}

/** Prints the output in one run of the command. */
class Shown {
  readonly #printer: OutputPrinter;
  readonly #context: CommandContext;
  /** Resolves at Ctrl-C. */
  readonly #interruption: Promise<void>;

  constructor(printer: OutputPrinter, context: CommandContext) {
    this.#printer = printer;
    this.#context = context;
    this.#interruption = aborted(context.interrupted);
  }

  async ofRunning(client: ControlClient, wanted: Wanted): Promise<true> {
    if (wanted.follow) await this.#follow(client, wanted);
    else await this.#once(client, wanted, null);
    return true;
  }

  /** Follows each supervisor of the instance in turn. */
  async #follow(client: ControlClient, wanted: Wanted): Promise<void> {
    const context = this.#context;
    const { interrupted, terminal } = context;
    // The next supervisor has only the output that it has read itself.
    const rest = { follow: true, filter: { ...wanted.filter, lines: null, since: null } };
    let followed: Followed | null = followedOf(await client.status(interrupted));
    for (let isFirst = true; followed !== null; isFirst = false) {
      const end = await this.#once(client, isFirst ? wanted : rest, followed).catch((error: unknown) => {
        if (isFirst || !isUnknownGeneration(error)) throw error;
        // The generation has ended meanwhile.
        return 'over' as const;
      });
      if (end === 'over') return;
      // On a terminal the next message would be appended to an unfinished line.
      if (terminal.size() !== null) this.#printer.end();
      const next = await nextSupervisor(client, followed, end, context);
      // The same supervisor still runs: it closed the connection, as it does for a reader that is too slow.
      if (next?.identity === followed.identity) throw unexpectedEnd();
      followed = next;
    }
  }

  /** @param followed null: reads once without following */
  async #once(client: ControlClient, wanted: Wanted, followed: Followed | null): Promise<'over' | Lost> {
    let kept: Kept;
    try {
      kept = await this.#kept(client, wanted);
    } catch (error) {
      if (followed === null || this.#context.interrupted.aborted || !isGone(error)) throw error;
      return 'died';
    }
    if (typeof kept === 'string') return kept;
    const over = new AbortController();
    const end = followed && (() => this.#end(client, wanted.filter, followed, over.signal));
    try {
      await this.#file(kept.path, wanted, end);
    } finally {
      // An open connection would keep this command running.
      over.abort();
    }
    return 'over';
  }

  /** Reads the files of a service that is not running. Resolves to false if its config sets none. */
  async ofStopped(config: string, wanted: Wanted): Promise<boolean> {
    const file = await fileOfConfig(config);
    if (file === null) return false;
    this.#context.terminal.err(`zero: no running instance. Showing ${file}\n`);
    await this.#file(file, wanted, wanted.follow ? () => new Promise<void>(() => {}) : null);
    return true;
  }

  /** Prints the output that the supervisor keeps in memory. Prints nothing if the output is in files. */
  async #kept(client: ControlClient, { follow, filter }: Wanted): Promise<Kept> {
    const { interrupted, terminal } = this.#context;
    const { lines, since, generation, worker } = filter;
    const request = {
      follow,
      ...(lines !== null && { lines }),
      ...(generation !== null && { generation }),
      ...(worker !== null && { worker }),
      ...(since !== null && { since_unix_ms: since }),
    };
    for await (const line of client.logs(request, interrupted)) {
      if ('file' in line) {
        if (await canRead(line.file.path)) return line.file;
        terminal.err(`zero: cannot read ${line.file.path}. Showing the output that zero keeps in memory\n`);
      } else if ('upgrading' in line) {
        return 'upgraded';
      } else if ('gap' in line) {
        this.#printer.tellGap(line.gap.bytes);
      } else {
        const { text = '', base64, time, ...source } = line.output;
        const bytes = base64 === undefined ? Buffer.from(text) : Buffer.from(base64, 'base64');
        this.#printer.print({ ...source, time, bytes });
      }
      this.#printer.flush();
      // A slow reader sets the pace: unread lines wait in a bounded buffer of the supervisor.
      if (!(await terminal.taken())) return 'over';
    }
    return 'over';
  }

  /** @param end resolves when no more output follows; null: does not follow */
  async #file(path: string, { filter }: Wanted, end: (() => Promise<void>) | null): Promise<void> {
    const { terminal } = this.#context;
    const reader = {
      print: (output: Parameters<OutputPrinter['print']>[0]) => this.#printer.print(output),
      taken: () => {
        this.#printer.flush();
        return terminal.taken();
      },
      missed: () => terminal.err('zero: lines before this are not kept\n'),
    };
    let file: OutputFile | null = null;
    try {
      file = new OutputFile(path, filter, reader, end !== null);
      if (!(await file.show()) || end === null) return;
      await file.follow(Promise.race([end(), this.#interruption]));
    } catch (error) {
      if (!isSystemFailure(error)) throw error;
      throw new CommandError(
        EXIT.failed,
        `cannot read ${path}: ${error.code}. ${ADVICE[error.code] ?? ''}`.trimEnd(),
      );
    } finally {
      file?.close();
    }
  }

  /**
   * Resolves when zero exits, or when the requested generation has ended. Rejects with ClientError if the supervisor
   * dies and no other one follows.
   */
  async #end(
    client: ControlClient,
    { generation }: OutputFilter,
    first: Followed,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock } = this.#context;
    for (let followed: Followed | null = first; followed !== null; ) {
      const end = await this.#endOf(client, generation, signal);
      if (end === 'upgraded' || end === 'died') {
        followed = await nextSupervisor(client, followed, end, this.#context);
        continue;
      }
      if (end === 'enough') await new Promise<void>((resolve) => clock.after(LAST_LINES, resolve));
      return;
    }
  }

  /** How one supervisor ends; `enough`: the generation has ended. */
  async #endOf(client: ControlClient, generation: number | null, enough: AbortSignal): Promise<EventsEnd> {
    const { interrupted } = this.#context;
    const over = new AbortController();
    const signal = AbortSignal.any([interrupted, enough, over.signal]);
    // Events are subscribed to before the status is read, so that an end in between is noticed.
    const end = followEvents(
      client,
      signal,
      (fact) => 'event' in fact && fact.event === 'generation_gone' && fact.generation === generation,
    );
    if (generation === null) return end;
    // Awaited below, unless the generation has ended already.
    end.catch(() => {});
    try {
      const { generations } = await client.status(interrupted);
      if (generations.some(({ id }) => id === generation)) return await end;
    } catch (error) {
      if (interrupted.aborted || !isGone(error)) throw error;
      return await end;
    } finally {
      over.abort();
    }
    return 'enough';
  }
}

function isUnknownGeneration(error: unknown): boolean {
  return error instanceof ClientError && error.code === 'unknown_generation';
}

/** The output file of a service that is not running, from its config; null if there is none. */
async function fileOfConfig(file: string): Promise<string | null> {
  const { loadConfig } = await import('../config/load.ts');
  const loaded = loadConfig(file);
  if ('problems' in loaded) return null;
  const { output } = loaded.config.service;
  if (output === undefined) return null;
  const folder = directoryAsGiven();
  const { instance } = chooseInstance(loaded.config, { file: path.resolve(folder, file), folder });
  return outputFileIn(output.directory, instance.name);
}

async function canRead(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK);
    return true;
  } catch (error) {
    // The file is created with the first line.
    return errorCode(error) === 'ENOENT';
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function countOf(option: string, text: string, least: number): number {
  const count = Number(text);
  if (!/^\d{1,9}$/.test(text) || count < least)
    throw new CommandError(
      EXIT.usage,
      `${option} ${JSON.stringify(text)} must be a whole number of ${least} or greater`,
    );
  return count;
}

function timeOf(text: string): number {
  const parsed = parseSince(text, Date.now());
  if ('problem' in parsed) throw new CommandError(EXIT.usage, `--since ${parsed.problem}`);
  return parsed.value;
}
