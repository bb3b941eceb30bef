import { reasonOf } from '../../common/errors.ts';
import { FileForwarder } from './file-forwarder.ts';
import type { LineReceiver } from './line-forwarder.ts';
import type { OutputSource } from './output-log.ts';
import { outputFileIn, RotatingFile, type RotatingFileLimits } from './rotating-file.ts';
import { Sink } from './sink.ts';

/** `service.output` of a config. */
export interface OutputFileConfig extends RotatingFileLimits {
  readonly directory: string;
}

export interface OutputFilesOptions {
  /** The name of the instance, which is that of its files. */
  readonly instance: string;
  /** Called with what was dropped because it could not be written; see Sink. */
  readonly onDropped: (lines: number, bytes: number) => void;
  /** Called once, until it works again, when a file cannot be written or rotated. */
  readonly onFailed: (step: 'write output' | 'rotate output', path: string, code: string) => void;
}

interface OpenFile {
  readonly file: RotatingFile;
  readonly sink: Sink;
  /** Generations whose output goes there. */
  readonly generations: Set<number>;
}

/** Between two attempts to write to a disk that is full. */
const MAX_DELAY = 1000;
/** What waits for a disk has this long when its last generation has gone. */
const FLUSH_TIME = 1000;

/**
 * The files that services with `output.directory` write to, by way of zero. Generations with the same directory share
 * one. A file that cannot be written holds nobody up: lines wait, in memory that has a bound, and are dropped and
 * counted beyond that, until it works again.
 */
export class OutputFiles {
  readonly #options: OutputFilesOptions;
  readonly #files = new Map<string, OpenFile>();
  readonly #closing = new Set<Promise<void>>();

  constructor(options: OutputFilesOptions) {
    this.#options = options;
  }

  /** A generation writes there from now on. Nothing is opened before its first line. */
  open(generation: number, config: OutputFileConfig | undefined): void {
    if (config === undefined) return;
    const path = outputFileIn(config.directory, this.#options.instance);
    const open = this.#files.get(path) ?? this.#make(path, config);
    this.#files.set(path, open);
    open.file.configure(config);
    open.generations.add(generation);
  }

  /** Where this process writes; null where its generation has no file. */
  receiverOf(source: OutputSource): LineReceiver | null {
    const open = this.#of(source.generation);
    return open === undefined ? null : new FileForwarder(open.sink, source);
  }

  /** The path of the current file of a generation; null where it has none. */
  pathOf(generation: number): string | null {
    return this.#of(generation)?.file.path ?? null;
  }

  /** A generation never writes again. */
  close(generation: number): void {
    for (const [path, { sink, generations }] of this.#files) {
      if (!generations.delete(generation) || generations.size > 0) continue;
      this.#files.delete(path);
      const closing = sink.flush(FLUSH_TIME).then(() => {
        sink.close();
        this.#closing.delete(closing);
      });
      this.#closing.add(closing);
    }
  }

  /** Opens the files by their names again. */
  reopen(): void {
    for (const { file } of this.#files.values()) file.reopen();
  }

  /** Waits until everything is written, `deadline` milliseconds at most, and closes the files. */
  async end(deadline: number): Promise<void> {
    await this.flush(deadline);
    for (const { sink } of this.#files.values()) sink.close();
    await Promise.all(this.#closing);
  }

  /** Waits until everything is written, `deadline` milliseconds at most. */
  async flush(deadline: number): Promise<void> {
    await Promise.all([...this.#files.values()].map(({ sink }) => sink.flush(deadline)));
  }

  #of(generation: number): OpenFile | undefined {
    return [...this.#files.values()].find(({ generations }) => generations.has(generation));
  }

  #make(path: string, limits: RotatingFileLimits): OpenFile {
    const { onDropped, onFailed } = this.#options;
    const onNotRotated = (error: unknown) => onFailed('rotate output', path, reasonOf(error));
    const file = new RotatingFile({ ...limits, path, onNotRotated });
    const sink = new Sink({
      target: file,
      onDropped,
      onFailed: (code) => onFailed('write output', path, code),
      isFinal: () => false,
      maxDelay: MAX_DELAY,
    });
    return { file, sink, generations: new Set() };
  }
}
