/*
 * One line of an output file, in the log format of the Kubernetes CRI (TIME STREAM TAGS TEXT;
 * kubernetes/design-proposals kubelet-cri-logging.md), which log collectors support:
 *
 *   2026-11-26T17:00:00.123Z stdout F:g3.w0 GET / 200
 *
 * The first tag is F for a line that is whole or ends here, and P for a part of a line that continues in the next line
 * of the same worker and stream. The second tag is generation and worker.
 */

/** The writing process, and when zero read the output (milliseconds since 1970). */
export interface OutputLineSource {
  readonly time: number;
  readonly generation: number;
  readonly worker: number;
  readonly stream: 'stdout' | 'stderr';
}

export interface OutputLine extends OutputLineSource {
  /** The line continues in the next one of this worker and stream. */
  readonly isPartial: boolean;
  /** Without its newline. */
  readonly text: Buffer;
}

const NEWLINE = 10;
const HEAD = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (stdout|stderr) ([FP]):g(\d{1,9})\.w(\d{1,9}) /;
/** Longer than any header. */
const MAX_HEAD = 80;

/**
 * Formats the output of a LineSplitter as lines of the file.
 * @param bytes whole lines (`complete`), or a piece of an unfinished one
 */
export function outputLines(source: OutputLineSource, bytes: Buffer, complete: boolean): Buffer {
  const { time, generation, worker, stream } = source;
  const start = `${new Date(time).toISOString()} ${stream}`;
  const end = `g${generation}.w${worker} `;
  if (!complete) return Buffer.concat([Buffer.from(`${start} P:${end}`), bytes, Buffer.of(NEWLINE)]);
  const head = Buffer.from(`${start} F:${end}`);
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const next = bytes.indexOf(NEWLINE, at) + 1 || bytes.length;
    parts.push(head, bytes.subarray(at, next));
    at = next;
  }
  return Buffer.concat(parts);
}

/** Parses one line without its newline. Null if it does not have this format. */
export function parseOutputLine(line: Buffer): OutputLine | null {
  const match = HEAD.exec(line.toString('latin1', 0, MAX_HEAD));
  if (match === null) return null;
  const [head, written = '', stream, tag, generation, worker] = match;
  const time = Date.parse(written);
  // An impossible day, hour or minute, such as 25:00.
  if (Number.isNaN(time)) return null;
  return {
    time,
    generation: Number(generation),
    worker: Number(worker),
    stream: stream === 'stderr' ? 'stderr' : 'stdout',
    isPartial: tag === 'P',
    text: line.subarray(head.length),
  };
}
