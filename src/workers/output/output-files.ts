import { reasonOf } from '../../common/errors.ts';
import { growingDelay, Sink } from '../../writing/sink.ts';
import { FileForwarder } from './file-forwarder.ts';
import type { LineReceiver } from './line-forwarder.ts';
import type { OutputSource } from './output-log.ts';
import { outputFileIn, RotatingFile, type RotatingFileLimits } from './rotating-file.ts';

/** `service.output` of a config. */
export interface OutputFileConfig extends RotatingFileLimits {
  readonly directory: string;
}

export interface OutputFilesOptions {
  /** The name of the instance, which is also the name of its files. */
  readonly instance: string;
  /** Called with the output that was dropped because it could not be written; see Sink. */
  readonly onDropped: (lines: number, bytes: number) => void;
  /** Called when a file cannot be written or rotated: once, until it works again. */
  readonly onFailed: (step: 'write output' | 'rotate output', path: string, code: string) => void;
}

interface OpenFile {
  readonly file: RotatingFile;
  readonly sink: Sink;
  /** The generations that write to the file. */
  readonly generations: Set<number>;
}

/** Maximum delay between two attempts to write to a full disk, in milliseconds. */
const MAX_DELAY = 1000;
/** Time limit for writing the remaining output when the last generation has ended, in milliseconds. */
const FLUSH_TIME = 1000;

/**
 * The files that zero writes for services with `output.directory`. Generations with the same directory share one file.
 * A file that cannot be written blocks nothing: lines wait in a bounded buffer. Beyond its limit they are dropped and
 * counted until writing works again.
 */
export class OutputFiles {
  readonly #options: OutputFilesOptions;
  readonly #files = new Map<string, OpenFile>();
  readonly #closing = new Set<Promise<void>>();

  constructor(options: OutputFilesOptions) {
    this.#options = options;
  }

  /** A generation writes to its file from now on. The file is opened for the first line. */
  open(generation: number, config: OutputFileConfig | undefined): void {
    if (config === undefined) return;
    const path = outputFileIn(config.directory, this.#options.instance);
    const open = this.#files.get(path) ?? this.#make(path, config);
    this.#files.set(path, open);
    open.file.configure(config);
    open.generations.add(generation);
  }

  /** The receiver for this process's output. Null if its generation has no file. */
  receiverOf(source: OutputSource): LineReceiver | null {
    const open = this.#of(source.generation);
    return open === undefined ? null : new FileForwarder(open.sink, source);
  }

  /** The path of the current file of a generation. Null if it has none. */
  pathOf(generation: number): string | null {
    return this.#of(generation)?.file.path ?? null;
  }

  /** A generation has stopped writing permanently. */
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

  /** Reopens the files by name. */
  reopen(): void {
    for (const { file } of this.#files.values()) file.reopen();
  }

  /** Waits up to `deadline` milliseconds until everything is written, and closes the files. */
  async end(deadline: number): Promise<void> {
    await this.flush(deadline);
    for (const { sink } of this.#files.values()) sink.close();
    await Promise.all(this.#closing);
  }

  /** Waits up to `deadline` milliseconds until everything is written. */
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
      delay: growingDelay(MAX_DELAY),
    });
    return { file, sink, generations: new Set() };
  }
}
